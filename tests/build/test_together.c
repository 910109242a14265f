/* Two builds at a time that have something in common. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "build/harness.h"

/* --- a source that waits ------------------------------------------------------------------------------------------- */

typedef struct gate {
    uint64_t free_rows; /* so many are given before */
    uint64_t given;
    atomic_bool reached, open;
} gate;

/* The rows; from a certain number on not before the gate is open. */
static bool
read_rows(void *user, uint64_t first, uint64_t count, float *rows)
{
    gate *self = user;
    if (self->given >= self->free_rows) {
        atomic_store(&self->reached, true);
        for (int64_t limit = now_ms() + slow_ms(20000); !atomic_load(&self->open) && now_ms() < limit;)
            sleep_ms(1);
    }
    self->given += count;
    memcpy(rows, the_vectors[first], count * sizeof the_vectors[0]);
    return true;
}

static vmx_source *
make_gated_source(gate *self)
{
    vmx_source *source;
    vmx_error error;
    ck_assert_int_eq(vmx_source_from_reader(read_rows, self, ROWS, COLUMNS, &source, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids(source, the_ids, ROWS, &error), VMX_OK);
    return source;
}

static void
await_reached(gate *self)
{
    for (int64_t limit = now_ms() + slow_ms(10000); !atomic_load(&self->reached) && now_ms() < limit;)
        sleep_ms(1);
    ck_assert(atomic_load(&self->reached));
}

/* --- the same key -------------------------------------------------------------------------------------------------- */

static vmx_build_spec
make_keyed_spec(const char *name)
{
    vmx_build_spec spec = make_spec(name);
    spec.idempotency_key = VMX_STR("shared");
    return spec;
}

/* Uploads every part under the key, and gets no further. */
static void
upload_all_parts(faulty *refusing)
{
    faulty_start(refusing, "CompleteUpload:permission-denied");
    vmx_client *client = open_patient_builder(refusing->endpoint);
    vmx_build_spec spec = make_keyed_spec("other");
    vmx_op *op = start_patient_build(client, make_source(), &spec);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(20000)), VMX_ERR_FALLBACK);
    ck_assert_ptr_nonnull(strstr(vmx_op_error(op)->message, "build (upload): "));
    vmx_op_free(op);
    close_client(client);
    faulty_stop(refusing);
}

/* Repeats soon and often. */
static vmx_op *
start_eager_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec)
{
    vmx_op *op;
    vmx_error error;
    vmx_retry eager;
    vmx_call_options options = to_queue(NULL, NULL);
    vmx_retry_init(&eager, sizeof eager, VMX_RETRY_BULK);
    eager.initial_backoff_ms = 10;
    eager.max_backoff_ms = 50;
    eager.max_attempts = 1000;
    options.retry = &eager;
    vmx_status status = vmx_client_build(client, source, spec, &options, &op, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    vmx_source_free(source);
    return op;
}

/* The stream breaks while the source is read, and the server says that the part is whole. */
START_TEST(a_part_that_another_has_completed_while_it_was_read)
{
    char endpoint[32];
    gate rows = {.free_rows = 0};
    faulty refusing;
    service_start(0);
    build_reference("reference");
    vmx_mock_proxy *proxy = start_slow_proxy(0, endpoint);
    vmx_client *client = open_patient_builder(endpoint);
    vmx_build_spec spec = make_keyed_spec("out");
    vmx_op *op = start_eager_build(client, make_gated_source(&rows), &spec);
    await_reached(&rows);
    upload_all_parts(&refusing);
    vmx_mock_proxy_cut(proxy, 0, true);
    sleep_ms(slow_ms(300)); /* what must not happen would happen meanwhile */
    atomic_store(&rows.open, true);
    ck_assert_msg(vmx_op_wait(op, slow_ms(10000)) == VMX_OK, "%s", vmx_op_error(op)->message);
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    vmx_op_free(op);
    close_client(client);
    vmx_mock_proxy_stop(proxy);
    service_stop();
    faulty_free(&refusing);
}
END_TEST

/* --- the same file ------------------------------------------------------------------------------------------------- */

/* The first waits, in the middle of the file, for the vectors that it puts into it. */
START_TEST(a_file_that_another_build_writes_is_left_alone)
{
    gate rows = {.free_rows = ROWS};
    service_start(0);
    build_reference("reference");
    vmx_client *clients[] = {open_patient_builder(the_service.endpoint), open_patient_builder(the_service.endpoint)};
    vmx_build_spec spec = make_spec("out");
    spec.graph_only = true;
    vmx_op *first = start_patient_build(clients[0], make_gated_source(&rows), &spec);
    await_reached(&rows);
    vmx_op *second = start_patient_build(clients[1], make_source(), &spec);
    vmx_op_wait(second, slow_ms(10000));
    ck_assert_int_eq(vmx_op_status(second), VMX_ERR_FALLBACK);
    ck_assert_ptr_nonnull(strstr(vmx_op_error(second)->message, "out.part: another build writes it"));
    atomic_store(&rows.open, true);
    ck_assert_msg(vmx_op_wait(first, slow_ms(10000)) == VMX_OK, "%s", vmx_op_error(first)->message);
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    ck_assert(!file_exists("out.part") && !file_exists("out.part.state"));
    finish(start_patient_build(clients[1], make_source(), &spec)); /* now it may */
    ck_assert_str_eq(compare_files("out", "reference"), "whole");
    vmx_op_free(first);
    vmx_op_free(second);
    close_client(clients[0]);
    close_client(clients[1]);
    service_stop();
}
END_TEST

/* The other waits for no server: that a build was cancelled is seen in the file at once. */
START_TEST(a_file_is_let_go_before_the_server_has_cleaned_up)
{
    gate rows = {.free_rows = ROWS};
    faulty late;
    service_start(0);
    faulty_start(&late, "DeleteBlob:delay=500ms:times=1");
    vmx_client *client = open_patient_builder(late.endpoint);
    vmx_build_spec spec = make_spec("out");
    spec.graph_only = spec.clean_up_failed = true;
    vmx_op *op = start_patient_build(client, make_gated_source(&rows), &spec);
    await_reached(&rows);
    ck_assert(file_exists("out.part"));
    vmx_op_cancel(op);
    atomic_store(&rows.open, true);
    for (int64_t limit = now_ms() + slow_ms(10000); faulty_hits(&late) == 0 && now_ms() < limit;)
        sleep_ms(1);
    ck_assert_uint_eq(faulty_hits(&late), 1);
    ck_assert(!file_exists("out.part") && !file_exists("out.part.state"));
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(10000)), VMX_ERR_CANCELLED);
    vmx_op_free(op);
    close_client(client);
    faulty_stop(&late);
    service_stop();
    faulty_free(&late);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_part_that_another_has_completed_while_it_was_read,
                                  a_file_that_another_build_writes_is_left_alone,
                                  a_file_is_let_go_before_the_server_has_cleaned_up, NULL};
    return run_builds("build_together", tests, 30000, false);
}
