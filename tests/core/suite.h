/*
 * tests/core/suite.h: what every Check suite begins and ends with.
 */
#ifndef VMX_TESTS_SUITE_H
#define VMX_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the tests, NULL-terminated, in one case; the exit status of the program. */
static inline int
run_suite(const char *name, const TTest *const tests[])
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 50);
    for (size_t i = 0; tests[i]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
