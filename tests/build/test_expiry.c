/* Unfinished uploads and blobs that nobody wants any more are removed, and only those. */
#include "build/harness.h"

enum { EXPIRY_MS = 800 };

static uint64_t
used_bytes(void)
{
    Repository__RepositoryDescription at;
    vmxd_repository_describe(the_service.parts.repository, &at);
    return at.used_bytes;
}

/* Nothing is left of what was there for its time, which began after `begin_ms`. */
static void
check_gone(int64_t begin_ms)
{
    ck_assert_int_ge(await_entries(0, 0, slow_ms(10000)), 0);
    ck_assert_int_ge(now_ms() - begin_ms, slow_ms(EXPIRY_MS));
    for (int64_t limit = now_ms() + slow_ms(10000); used_bytes() > 0 && now_ms() < limit;)
        sleep_ms(1); /* the files go before their space is free */
    ck_assert_uint_eq(used_bytes(), 0);
}

START_TEST(an_upload_that_nobody_touches)
{
    faulty refusing;
    service_start((uint64_t)slow_ms(EXPIRY_MS));
    faulty_start(&refusing, "WritePart:permission-denied");
    vmx_client *client = open_builder(refusing.endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.idempotency_key = VMX_STR("abandoned");
    int64_t begin_ms = now_ms();
    vmx_op *op = start_build(client, make_source(), &spec, NULL, NULL);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(10000)), VMX_ERR_FALLBACK);
    vmx_op_free(op);
    close_client(client);
    faulty_stop(&refusing);
    check_gone(begin_ms);
    build_reference("out"); /* the server is as before */
    service_stop();
    faulty_free(&refusing);
}
END_TEST

START_TEST(blobs_that_nobody_reads)
{
    service_start((uint64_t)slow_ms(EXPIRY_MS));
    vmx_client *client = open_builder(the_service.endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.clean_up = VMX_SWITCH_OFF;
    int64_t begin_ms = now_ms();
    finish(start_build(client, make_source(), &spec, NULL, NULL));
    close_client(client);
    check_gone(begin_ms);
    service_stop();
}
END_TEST

/* One blob only: of two, the first would be waiting for the second. */
static vmx_source *
make_source_without_ids(void)
{
    vmx_source *source;
    vmx_error error;
    ck_assert_int_eq(vmx_source_from_memory(&the_vectors[0][0], ROWS, COLUMNS, 0, NULL, NULL, &source, &error), VMX_OK);
    return source;
}

/* It takes several times as long as things live. */
START_TEST(not_an_upload_that_is_slow)
{
    char endpoint[32];
    service_start((uint64_t)slow_ms(EXPIRY_MS));
    vmx_mock_proxy *proxy = start_slow_proxy(25000 / slow_ms(1), endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_spec("out");
    int64_t begin = now_ms();
    vmx_op *op = start_patient_build(client, make_source_without_ids(), &spec);
    ck_assert_msg(vmx_op_wait(op, slow_ms(20000)) == VMX_OK, "%s", vmx_op_error(op)->message);
    ck_assert_int_gt(now_ms() - begin, 2 * slow_ms(EXPIRY_MS));
    vmx_op_free(op);
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    service_stop();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {an_upload_that_nobody_touches, blobs_that_nobody_reads, not_an_upload_that_is_slow,
                                  NULL};
    return run_builds("build_expiry", tests, 30000, false);
}
