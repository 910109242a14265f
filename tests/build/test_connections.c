/* Which connections a build uses: its streams have some of their own, beside those of calls. */
#include "build/harness.h"

static uint64_t
calls_started(vmx_client *client, size_t from, size_t count)
{
    uint64_t calls = 0;
    for (size_t i = from; i < from + count; i++) {
        vmx_channel_info info;
        vmx_channel_info_init(&info, sizeof info);
        ck_assert(vmx_client_channel(client, i, &info));
        calls += info.calls_started;
    }
    return calls;
}

START_TEST(streams_have_connections_of_their_own)
{
    service_start(0);
    vmx_client *client = open_patient_builder(the_service.endpoint);
    const size_t calls = vmx_client_channel_count(client);
    uint64_t streams[3] = {0};
    for (int i = 1; i < 3; i++) { /* the second build opens no more */
        vmx_build_spec spec = make_spec("out");
        finish(start_patient_build(client, make_source(), &spec));
        ck_assert_uint_eq(vmx_client_channel_count(client), 2 * calls);
        streams[i] = calls_started(client, calls, calls);
        ck_assert_uint_gt(streams[i], streams[i - 1]);
        remove_file("out");
    }
    ck_assert_uint_gt(calls_started(client, 0, calls), 0);
    vmx_channel_info info;
    vmx_channel_info_init(&info, sizeof info);
    ck_assert(!vmx_client_channel(client, 2 * calls, &info));
    close_client(client);
    service_stop();
}
END_TEST

START_TEST(a_build_that_cannot_begin_opens_none)
{
    service_start(0);
    vmx_client *client = open_patient_builder(the_service.endpoint);
    const size_t calls = vmx_client_channel_count(client);
    vmx_build_spec spec = make_spec("out");
    spec.output = VMX_STR("");
    vmx_op *op;
    vmx_error error;
    vmx_source *source = make_source();
    ck_assert_int_eq(vmx_client_build(client, source, &spec, NULL, &op, &error), VMX_ERR_INVALID);
    vmx_source_free(source);
    ck_assert_uint_eq(vmx_client_channel_count(client), calls);
    close_client(client);
    service_stop();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {streams_have_connections_of_their_own, a_build_that_cannot_begin_opens_none, NULL};
    return run_builds("build_connections", tests, 20000, false);
}
