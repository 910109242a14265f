/* A build that is cancelled in any of its phases: the server's work ends soon, and nothing is left of it when asked. */
#include <stdio.h>
#include <stdlib.h>

#include "build/harness.h"

enum { MANY = 20000, SOON_MS = 3000, LATE_MS = 20000 };

/* --- what is cancelled --------------------------------------------------------------------------------------------- */

static void
free_values(void *user)
{
    free(user);
}

/* Seconds of work for the server. */
static vmx_source *
make_long_source(void)
{
    vmx_source *source;
    vmx_error error;
    float *values = malloc(MANY * COLUMNS * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < MANY * COLUMNS; i++)
        values[i] = the_vectors[i / COLUMNS % ROWS][i % COLUMNS] + (float)(i * 7919 % 10007) / 10007;
    vmx_status status = vmx_source_from_memory(values, MANY, COLUMNS, 0, free_values, values, &source, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return source;
}

static vmx_build_spec
make_long_spec(const char *name)
{
    vmx_build_spec spec = make_spec(name);
    spec.m = 32;
    spec.ef_construction = 500;
    spec.clean_up_failed = true;
    return spec;
}

/* --- what is left -------------------------------------------------------------------------------------------------- */

static void
await_idle_builder(void)
{
    Build__BuilderDescription at;
    int64_t limit = now_ms() + slow_ms(SOON_MS);
    do {
        build__builder_description__init(&at);
        vmxd_builds_describe(the_service.parts.builds, &at);
        sleep_ms(2);
    } while (at.running + at.queued > 0 && now_ms() < limit);
    ck_assert_msg(at.running + at.queued == 0, "%u builds run, %u wait", at.running, at.queued);
}

/* Cancels, and everything is as if it had never been. */
static void
cancel(vmx_op *op, const char *name)
{
    char part[64], state[64];
    int64_t begin = now_ms();
    vmx_op_cancel(op);
    vmx_op_wait(op, slow_ms(20000));
    int64_t took_ms = now_ms() - begin;
    ck_assert_msg(vmx_op_status(op) == VMX_ERR_CANCELLED, "%s", vmx_op_error(op)->message);
    ck_assert_msg(took_ms < slow_ms(SOON_MS), "%lld ms", (long long)took_ms);
    vmx_op_free(op);
    await_idle_builder();
    ck_assert_msg(await_entries(0, 0, slow_ms(SOON_MS)) >= 0, "%zu blobs, %zu uploads",
                  count_entries("repository/blobs"), count_entries("repository/uploads"));
    ck_assert_uint_eq(count_entries("repository/new"), 0);
    snprintf(part, sizeof part, "%s.part", name);
    snprintf(state, sizeof state, "%s.part.state", name);
    const char *const names[] = {name, part, state};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(!file_exists(names[i]), "%s", names[i]);
    printf("cancelled within %lld ms\n", (long long)took_ms);
}

static void
begin(void)
{
    service_start(0);
}

/* --- while a call is under way ------------------------------------------------------------------------------------- */

/* The call has been served, and its answer is on its way: what it has begun has no id here yet. */
static void
cancel_during(const char *method, vmx_build_phase phase)
{
    char rule[64];
    faulty late;
    begin();
    snprintf(rule, sizeof rule, "%s:delay=%llds:times=1", method, (long long)slow_ms(LATE_MS) / 1000);
    faulty_start(&late, rule);
    vmx_client *client = open_patient_builder(late.endpoint);
    vmx_build_spec spec = make_long_spec("out");
    vmx_op *op = start_patient_build(client, make_long_source(), &spec);
    ck_assert(await_phase(op, phase, 0));
    for (int64_t limit = now_ms() + slow_ms(10000); faulty_hits(&late) == 0 && now_ms() < limit;)
        sleep_ms(1);
    ck_assert_uint_eq(faulty_hits(&late), 1);
    cancel(op, "out");
    close_client(client);
    faulty_stop(&late);
    service_stop();
    faulty_free(&late);
}

START_TEST(while_the_server_is_asked)
{
    cancel_during("DescribeBuilder", VMX_BUILD_CHECK);
}
END_TEST

START_TEST(while_an_upload_is_begun)
{
    cancel_during("BeginUpload", VMX_BUILD_UPLOAD);
}
END_TEST

START_TEST(while_an_upload_is_completed)
{
    cancel_during("CompleteUpload", VMX_BUILD_UPLOAD);
}
END_TEST

START_TEST(while_it_is_triggered)
{
    cancel_during("TriggerBuild", VMX_BUILD_TRIGGER);
}
END_TEST

/* --- while bytes move ---------------------------------------------------------------------------------------------- */

START_TEST(while_it_uploads)
{
    char endpoint[32];
    begin();
    vmx_mock_proxy *proxy = start_slow_proxy(100000, endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_long_spec("out");
    vmx_op *op = start_patient_build(client, make_long_source(), &spec);
    ck_assert(await_phase(op, VMX_BUILD_UPLOAD, 100000));
    cancel(op, "out");
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    service_stop();
}
END_TEST

START_TEST(while_it_downloads)
{
    char endpoint[32];
    begin();
    vmx_mock_proxy *proxy = start_slow_proxy(0, endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.clean_up_failed = true;
    vmx_op *op = start_patient_build(client, make_source(), &spec);
    vmx_mock_network network;
    vmx_mock_network_init(&network, sizeof network);
    network.bytes_per_second = 20000;
    ck_assert(await_phase(op, VMX_BUILD_UPLOAD, 30000));
    vmx_mock_proxy_set(proxy, 0, &network);
    ck_assert(await_phase(op, VMX_BUILD_DOWNLOAD, 4000));
    cancel(op, "out");
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    service_stop();
}
END_TEST

/* --- while the server builds --------------------------------------------------------------------------------------- */

static void
await_job(const vmx_op *op, bool queued)
{
    vmx_progress at;
    vmx_progress_init(&at, sizeof at);
    for (int64_t limit = now_ms() + slow_ms(20000); now_ms() < limit; sleep_ms(1)) {
        ck_assert_msg(!vmx_op_done(op), "%s", vmx_op_error(op)->message);
        ck_assert(vmx_op_progress(op, &at));
        if (at.phase == VMX_BUILD_AWAIT &&
            (queued ? at.queue_position > 0 : at.vectors_done > 0 && at.queue_position == 0))
            return;
    }
    ck_abort_msg("the build is not %s", queued ? "queued" : "running");
}

START_TEST(while_it_is_queued_and_while_it_runs)
{
    begin();
    vmx_client *client = open_patient_builder(the_service.endpoint);
    vmx_build_spec spec = make_long_spec("first"), other = make_long_spec("second");
    vmx_op *first = start_patient_build(client, make_long_source(), &spec);
    await_job(first, false);
    vmx_op *second = start_patient_build(client, make_source(), &other);
    await_job(second, true);
    vmx_op_cancel(second);
    vmx_op_wait(second, slow_ms(SOON_MS));
    ck_assert_int_eq(vmx_op_status(second), VMX_ERR_CANCELLED);
    ck_assert_int_ge(await_entries(1, 0, slow_ms(SOON_MS)), 0); /* the first's vectors: it goes on */
    vmx_op_free(second);
    await_job(first, false);
    cancel(first, "first");
    close_client(client);
    service_stop();
}
END_TEST

/* --- when it is not asked to clean up ------------------------------------------------------------------------------ */

static void
await_received(uint64_t bytes)
{
    Repository__RepositoryDescription at;
    int64_t limit = now_ms() + slow_ms(10000);
    do {
        ck_assert_int_lt(now_ms(), limit);
        sleep_ms(2);
        vmxd_repository_describe(the_service.parts.repository, &at);
    } while (at.received_bytes < bytes);
}

START_TEST(what_is_there_is_kept_for_the_next_run)
{
    char endpoint[32];
    begin();
    build_reference("reference");
    vmx_mock_proxy *proxy = start_slow_proxy(20000, endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.idempotency_key = VMX_STR("again");
    vmx_op *op = start_patient_build(client, make_source(), &spec);
    await_received(sizeof the_vectors + sizeof the_ids + 20000); /* the reference's too */
    vmx_op_cancel(op);
    vmx_op_wait(op, slow_ms(SOON_MS));
    ck_assert_int_eq(vmx_op_status(op), VMX_ERR_CANCELLED);
    vmx_op_free(op);
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    ck_assert_uint_gt(count_entries("repository/uploads") + count_entries("repository/blobs"), 0);

    client = open_patient_builder(the_service.endpoint);
    op = start_patient_build(client, make_source(), &spec);
    ck_assert_msg(vmx_op_wait(op, slow_ms(20000)) == VMX_OK, "%s", vmx_op_error(op)->message);
    vmx_build_info info;
    vmx_build_info_init(&info, sizeof info);
    ck_assert(vmx_op_build(op, &info));
    ck_assert_uint_lt(info.uploaded_bytes, sizeof the_vectors + sizeof the_ids - 10000);
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    vmx_op_free(op);
    close_client(client);
    service_stop();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {while_the_server_is_asked,
                                  while_an_upload_is_begun,
                                  while_an_upload_is_completed,
                                  while_it_is_triggered,
                                  while_it_uploads,
                                  while_it_downloads,
                                  while_it_is_queued_and_while_it_runs,
                                  what_is_there_is_kept_for_the_next_run,
                                  NULL};
    return run_builds("build_cancel", tests, 30000, false);
}
