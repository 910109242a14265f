/* The bulk writer pulls its vectors from an iterator, in virtual time. */
#include <stdio.h>

#include "core/suite.h"
#include "writer/harness.h"

enum { PULL_AT_ONCE = 70, PULL_WIDTH = 300 };

typedef struct iterator {
    size_t next, end;
    size_t fails_at; /* SIZE_MAX: never */
    size_t calls;
    float values[PULL_AT_ONCE][PULL_WIDTH];
    char ids[PULL_AT_ONCE][8];
    vmx_vector vectors[PULL_AT_ONCE];
} iterator;

static iterator rows;

static vmx_pull_result
next_rows(void *user, vmx_vectors *vectors, vmx_error *why)
{
    iterator *it = user;
    size_t count = 0;
    it->calls++;
    ck_assert_int_eq(vmx_writer_flush(NULL, 0, NULL), VMX_ERR_WOULD_DEADLOCK);
    for (; count < PULL_AT_ONCE && it->next < it->end && it->next != it->fails_at; count++, it->next++) {
        vmx_vector_init(&it->vectors[count], sizeof it->vectors[count]);
        snprintf(it->ids[count], sizeof it->ids[count], "%zu", it->next);
        it->values[count][0] = 5;
        it->vectors[count].id = vmx_str_from(it->ids[count]);
        it->vectors[count].values = (vmx_floats){it->values[count], PULL_WIDTH};
    }
    *vectors = (vmx_vectors){it->vectors, count, 0};
    if (count == 0 && it->next == it->fails_at) {
        snprintf(why->message, sizeof why->message, "row %zu is torn", it->next);
        why->code = VMX_ERR_IO;
        return VMX_PULL_ERROR;
    }
    return count > 0 ? VMX_PULL_MORE : VMX_PULL_END;
}

static vmx_op *
start_pull(vmx_writer *writer, size_t end, size_t fails_at)
{
    vmx_op *op;
    vmx_pull pull;
    rows.next = rows.calls = 0;
    rows.end = end;
    rows.fails_at = fails_at;
    vmx_pull_init(&pull, sizeof pull);
    pull.next = next_rows;
    pull.user = &rows;
    pull.queue = s.w->queue;
    pull.event_user = &rows;
    ck_assert_msg(vmx_writer_pull(writer, &pull, &op, &error) == VMX_OK, "%s", error.message);
    ck_assert(!vmx_op_done(op));
    return op;
}

static uint64_t
pulled(const vmx_op *op)
{
    uint64_t vectors = 0;
    ck_assert(vmx_op_pulled(op, &vectors));
    return vectors;
}

START_TEST(a_pull_takes_all_within_the_memory)
{
    const char *const properties[] = {"memory.limit.bytes", "256k", NULL};
    store_open(&s, 16, properties);
    s.delay_us = 20000;
    vmx_writer_options options = default_options();
    options.batch_bytes = 50000;
    options.linger_ms = -1;
    vmx_writer *writer = open_writer(&options);
    vmx_op *op = start_pull(writer, 3000, SIZE_MAX);
    world_run(s.w, 5000);
    ck_assert_uint_gt(pulled(op), 50); /* room for some 200 */
    ck_assert_uint_lt(pulled(op), 300);
    ck_assert_int_eq(vmx_op_wait(op, 60000), VMX_OK);
    ck_assert_uint_eq(pulled(op), 3000);
    vmx_event event;
    ck_assert_uint_eq(vmx_queue_poll(s.w->queue, &event, 1, 0), 1);
    ck_assert_ptr_eq(event.op, op);
    ck_assert_ptr_eq(event.user, &rows);
    ck_assert_str_eq(vmx_op_name(op), "pull");
    vmx_op_free(op);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(store_count(&s), 3000);
    close_all(writer);
}
END_TEST

/* There is room, but somebody stands in line for more than that: when he gives up the pull goes on, though no byte was
 * given back. */
START_TEST(a_pull_goes_on_when_nobody_stands_before_it)
{
    enum { KEPT = 150 * 1024 };
    const char *const properties[] = {"memory.limit.bytes", "256k", NULL};
    store_open(&s, 19, properties);
    vmx_writer_options options = default_options();
    options.batch_vectors = 10;
    vmx_writer *writer = open_writer(&options);
    ck_assert(vmx_memory_try(s.w->client->memory, KEPT));
    vmx_op *op = start_pull(writer, 10, SIZE_MAX);
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 120 * 1024, 100, &error), VMX_ERR_TIMEOUT);
    ck_assert_uint_eq(pulled(op), 0);
    ck_assert_int_eq(vmx_op_wait(op, 1000), VMX_OK);
    vmx_op_free(op);
    vmx_memory_release(s.w->client->memory, KEPT);
    close_all(writer);
}
END_TEST

START_TEST(a_pull_ends_with_its_iterators_error)
{
    store_open(&s, 17, NULL);
    vmx_writer *writer = open_writer(NULL);
    vmx_op *op = start_pull(writer, 1000, 500);
    ck_assert_int_eq(vmx_op_wait(op, 60000), VMX_ERR_IO);
    ck_assert_str_eq(vmx_op_error(op)->message, "row 500 is torn");
    ck_assert_uint_eq(pulled(op), 500);
    vmx_op_free(op);
    close_all(writer);
    ck_assert_uint_eq(store_count(&s), 500);
}
END_TEST

START_TEST(a_pull_is_cancelled_or_closed)
{
    const char *const properties[] = {"memory.limit.bytes", "256k", NULL};
    for (int way = 0; way < 3; way++) {
        store_open(&s, 18, properties);
        s.stalled_until_us = world_now(s.w) + 1000000;
        vmx_writer_options options = default_options();
        options.batch_bytes = 50000;
        vmx_writer *writer = open_writer(&options);
        vmx_op *op = start_pull(writer, 3000, SIZE_MAX);
        world_run(s.w, 5000);
        size_t calls = rows.calls;
        if (way == 0)
            vmx_op_cancel(op);
        else if (way == 1)
            ck_assert_int_eq(vmx_writer_close(writer, 60000, &error), VMX_OK);
        else
            vmx_writer_free(writer);
        ck_assert_int_eq(vmx_op_wait(op, 60000), way == 0 ? VMX_ERR_CANCELLED : VMX_ERR_CLOSED);
        ck_assert_uint_lt(pulled(op), 300);
        ck_assert_uint_eq(rows.calls, calls);
        vmx_op_free(op);
        if (way < 2)
            close_all(writer);
        else
            world_free(s.w);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_pull_takes_all_within_the_memory, a_pull_goes_on_when_nobody_stands_before_it,
                                  a_pull_ends_with_its_iterators_error, a_pull_is_cancelled_or_closed, NULL};
    return run_suite("writer_pull", tests);
}
