#include "mock/harness.h"

#include <stdio.h>
#include <stdlib.h>

vmx_mock_answer
answer_ok(void)
{
    vmx_mock_answer answer;
    vmx_mock_answer_init(&answer, sizeof answer);
    return answer;
}

vmx_mock_answer
answer_status(int grpc_code, const char *details)
{
    vmx_mock_answer answer = answer_ok();
    answer.grpc_code = grpc_code;
    answer.details = VMX_STR(details);
    return answer;
}

vmx_mock_answer
answer_fault(vmx_mock_fault fault, vmx_mock_when when)
{
    vmx_mock_answer answer = answer_ok();
    answer.fault = fault;
    answer.when = when;
    return answer;
}

vmx_mock *
start_mock(void)
{
    vmx_mock *mock;
    vmx_error error;
    vmx_status status = vmx_mock_start(NULL, &mock, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    set_default(mock, "", answer_ok());
    return mock;
}

const char *
endpoint_of(int port, char text[32])
{
    snprintf(text, 32, "127.0.0.1:%d", port);
    return text;
}

void
set_script(vmx_mock *mock, const char *method, const vmx_mock_answer *answers, size_t count)
{
    vmx_error error;
    vmx_status status = vmx_mock_script(mock, VMX_STR(method), answers, count, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
}

void
set_default(vmx_mock *mock, const char *method, vmx_mock_answer answer)
{
    vmx_error error;
    vmx_status status = vmx_mock_default(mock, VMX_STR(method), &answer, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
}

vmx_mock_counters
counters_of(vmx_mock *mock)
{
    vmx_mock_counters counters;
    vmx_mock_counters_init(&counters, sizeof counters);
    vmx_mock_count(mock, &counters);
    return counters;
}

vmx_op *
start_update(vmx_index *index, const vmx_call_options *options)
{
    vmx_update update;
    vmx_update_init(&update, sizeof update);
    update.id = VMX_STR("a");
    update.set_metadata = VMX_STR("{\"n\": 1}");
    vmx_op *op;
    vmx_error error;
    vmx_status status = vmx_index_update(index, &update, options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return op;
}

int
run_suite(const char *name, const TTest *const tests[])
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, (double)slow_ms(30000) / 1000);
    for (size_t i = 0; tests[i] != NULL; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
