/* What the bulk writer holds: puts stop at its limits, lent vectors are not copied. In virtual time. */
#include <stdlib.h>
#include <string.h>

#include "core/suite.h"
#include "writer/harness.h"

static size_t room_calls;

static void
on_room(void *user)
{
    (void)user;
    room_calls++;
}

/* Behind the batches in flight a quarter as many stand in line, however little memory they take. */
START_TEST(puts_stop_when_the_line_is_full)
{
    store_open(&s, 10, NULL);
    s.delay_us = 1000000;
    vmx_writer_options options = default_options();
    options.batch_vectors = 10;
    options.max_in_flight = 5;
    options.on_room = on_room;
    vmx_writer *writer = open_writer(&options);
    size_t taken = 0;
    room_calls = 0;
    ck_assert_int_eq(put_rows(writer, 0, 100, 4, 1, 0, &taken), VMX_ERR_WOULD_BLOCK);
    ck_assert_uint_eq(taken, 70);
    ck_assert_ptr_nonnull(strstr(error.message, "batches wait"));
    ck_assert_int_eq(put_rows(writer, 70, 1, 4, 1, 500, &taken), VMX_ERR_TIMEOUT);
    world_run(s.w, 2000000);
    ck_assert_uint_gt(room_calls, 0);
    must_put(writer, 70, 30, 4, 1);
    close_all(writer);
    ck_assert_uint_eq(s.requests, 10);
}
END_TEST

/* Large batches go one after the other as the connection takes them, and are in flight together until they are answered;
 * small ones, of which it says nothing, go at once. */
START_TEST(large_batches_follow_the_connection)
{
    const char *const properties[] = {"channel.count", "1", NULL};
    store_open(&s, 10, properties);
    s.delay_us = 20000;
    vmx_writer_options options = default_options();
    options.batch_vectors = 10;
    options.max_in_flight = 6;
    vmx_writer *writer = open_writer(&options);
    world_run(s.w, 10000); /* connected */
    must_put(writer, 0, 31, 1000, 1);
    ck_assert_uint_eq(account_of(writer).batches_in_flight, 2);
    world_run(s.w, 10000);
    ck_assert_uint_eq(account_of(writer).batches_in_flight, 4);
    world_run(s.w, 100000);
    ck_assert_uint_eq(account_of(writer).stored, 31);
    must_put(writer, 31, 69, 4, 1);
    ck_assert_uint_eq(account_of(writer).batches_in_flight, 6);
    close_all(writer);
    ck_assert_uint_eq(s.requests, 11);
}
END_TEST

START_TEST(puts_stop_at_the_memory_limit)
{
    const char *const properties[] = {"memory.limit.bytes", "1m", NULL};
    store_open(&s, 10, properties);
    s.stalled_until_us = world_now(s.w) + 5000000;
    vmx_writer_options options = default_options();
    options.batch_bytes = 200000;
    options.on_room = on_room;
    vmx_writer *writer = open_writer(&options);
    size_t taken = 0;
    room_calls = 0;
    ck_assert_int_eq(put_rows(writer, 0, 2000, 784, 1, 0, &taken), VMX_ERR_WOULD_BLOCK);
    ck_assert_ptr_nonnull(strstr(error.message, "memory.limit.bytes"));
    ck_assert_uint_gt(taken, 200);
    ck_assert_uint_lt(taken, 400);
    ck_assert_uint_eq(account_of(writer).taken, taken);
    ck_assert_uint_eq(room_calls, 0);
    size_t more = 0;
    ck_assert_int_eq(put_rows(writer, taken, 2000, 784, 1, 1000, &more), VMX_ERR_TIMEOUT);
    taken += more;
    world_run(s.w, 6000000);
    ck_assert_uint_ge(room_calls, 1);
    must_put(writer, taken, 2000 - taken, 784, 1);
    close_all(writer);
    ck_assert_uint_eq(store_count(&s), 2000);
}
END_TEST

START_TEST(what_can_never_fit_is_refused_at_once)
{
    const char *const properties[] = {"memory.limit.bytes", "64k", NULL};
    size_t taken;
    store_open(&s, 11, properties);
    vmx_writer *writer = open_writer(NULL);
    ck_assert_int_eq(put_rows(writer, 0, 1, 19000, 1, 60000, &taken), VMX_ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(error.message, "memory.limit.bytes"));
    ck_assert_uint_eq(taken, 0);
    close_all(writer);
    store_open(&s, 11, NULL);
    vmx_writer_options options = default_options();
    options.batch_bytes = 1000;
    writer = open_writer(&options);
    ck_assert_int_eq(put_rows(writer, 0, 1, 784, 1, 60000, &taken), VMX_ERR_TOO_LARGE);
    close_all(writer);
}
END_TEST

/* A single upsert of one vector of so many floats. */
static vmx_status
start_upsert(size_t dimension, vmx_op **op)
{
    float *values = calloc(dimension, sizeof *values);
    vmx_vector vector;
    vmx_vector_init(&vector, sizeof vector);
    vector.id = VMX_STR("1");
    vector.values = (vmx_floats){values, dimension};
    vmx_vectors vectors = {&vector, 1, 0};
    vmx_status status = vmx_index_upsert(s.w->index, &vectors, NULL, op, &error);
    free(values);
    return status;
}

START_TEST(single_upserts_count_too)
{
    const char *const properties[] = {"memory.limit.bytes", "64k", NULL};
    vmx_op *op, *second;
    store_open(&s, 11, properties);
    s.delay_us = 1000;
    ck_assert_int_eq(start_upsert(19000, &op), VMX_ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(error.message, "memory.limit.bytes"));
    ck_assert_int_eq(start_upsert(10000, &op), VMX_OK);
    ck_assert_uint_ge(used_bytes(), 40000);
    ck_assert_int_eq(start_upsert(10000, &second), VMX_ERR_WOULD_BLOCK);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(error.message, "memory.limit.bytes is in use"));
    ck_assert_int_eq(vmx_op_wait(op, 60000), VMX_OK);
    world_run(s.w, 1000);
    ck_assert_uint_eq(used_bytes(), 0); /* given back by the call, not by the user */
    ck_assert_int_eq(start_upsert(10000, &second), VMX_OK);
    ck_assert_int_eq(vmx_op_wait(second, 60000), VMX_OK);
    vmx_op_free(op);
    vmx_op_free(second);
    world_free(s.w);
}
END_TEST

static vmx_memory_info
memory_now(void)
{
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(s.w->client, &memory);
    return memory;
}

/* What a program reserves for its files is lacking to upserts and writers until it is given back. */
START_TEST(files_count_too)
{
    const char *const properties[] = {"memory.limit.bytes", "64k", NULL};
    vmx_op *op;
    store_open(&s, 11, properties);
    s.delay_us = 1000000;
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 65537, 60000, &error), VMX_ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(error.message, "memory.limit.bytes is 65536"));
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 30000, 0, &error), VMX_OK);
    ck_assert_uint_eq(memory_now().file_bytes, 30000);
    ck_assert_uint_eq(memory_now().used_bytes, 30000);
    ck_assert_uint_eq(memory_now().writer_bytes, 0);
    ck_assert_int_eq(start_upsert(10000, &op), VMX_ERR_WOULD_BLOCK);
    vmx_client_memory_release(s.w->client, 20000);
    ck_assert_int_eq(start_upsert(10000, &op), VMX_OK);
    ck_assert_uint_ge(memory_now().upsert_bytes, 40000);
    ck_assert_uint_eq(memory_now().file_bytes, 10000);
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 50000, 0, &error), VMX_ERR_WOULD_BLOCK);
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 50000, 10, &error), VMX_ERR_TIMEOUT);
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 60000, 10, &error), VMX_ERR_TOO_LARGE);
    ck_assert_int_eq(vmx_client_memory_reserve(s.w->client, 50000, 60000, &error), VMX_OK);
    ck_assert_uint_eq(vmx_op_status(op), VMX_OK);
    ck_assert_uint_eq(memory_now().file_bytes, 60000);
    vmx_client_memory_release(s.w->client, 60000);
    ck_assert_uint_eq(memory_now().used_bytes, 0);
    ck_assert_uint_eq(memory_now().file_bytes, 0);
    vmx_op_free(op);
    world_free(s.w);
}
END_TEST

static size_t releases;

static void
on_release(void *user)
{
    ck_assert_ptr_eq(user, &s);
    releases++;
}

START_TEST(lent_values_are_sent_from_where_they_are)
{
    float values[3][784] = {{1}, {2}, {3}};
    vmx_vector items[3];
    char ids[3][2] = {"0", "1", "2"};
    store_open(&s, 13, NULL);
    vmx_writer *writer = open_writer(NULL);
    for (size_t i = 0; i < 3; i++) {
        vmx_vector_init(&items[i], sizeof items[i]);
        items[i].id = vmx_str_from(ids[i]);
        items[i].values = (vmx_floats){values[i], 784};
    }
    releases = 0;
    vmx_vectors vectors = {items, 3, sizeof items[0]};
    size_t taken, before = used_bytes();
    ck_assert_int_eq(vmx_writer_lend(writer, &vectors, on_release, &s, 0, &taken, &error), VMX_OK);
    ck_assert_uint_eq(taken, 3);
    ck_assert_uint_lt(used_bytes() - before, 200000);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(releases, 1);
    ck_assert_uint_eq(s.reference_count, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_eq(s.references[i], (const uint8_t *)values[i]);
    ck_assert(s.values[2] == 3);
    close_all(writer);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {large_batches_follow_the_connection,
                                  puts_stop_when_the_line_is_full,
                                  puts_stop_at_the_memory_limit,
                                  what_can_never_fit_is_refused_at_once,
                                  single_upserts_count_too,
                                  files_count_too,
                                  lent_values_are_sent_from_where_they_are,
                                  NULL};
    return run_suite("writer_memory", tests);
}
