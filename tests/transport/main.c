#include <stdlib.h>

#include "transport/suites.h"

int
main(void)
{
    Suite *suite = suite_create("transport");
    suite_add_tcase(suite, contract_cases());
    suite_add_tcase(suite, grpc_cases());
    suite_add_tcase(suite, loop_cases());
    suite_add_tcase(suite, thread_cases());
    suite_add_tcase(suite, memory_cases());
    suite_add_tcase(suite, reach_cases());
    suite_add_tcase(suite, tls_cases());
    suite_add_tcase(suite, deadline_cases());
    suite_add_tcase(suite, received_cases());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
