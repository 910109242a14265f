/* The bulk writer in virtual time, against a store that fails as told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/failing_allocator.h"
#include "core/suite.h"
#include "writer/store.h"

static store s;
static vmx_error error;

/* --- helpers ------------------------------------------------------------------------------------------------------- */

static vmx_writer *
open_writer(vmx_writer_options *options)
{
    vmx_writer *writer;
    ck_assert_msg(vmx_writer_open(s.w->index, options, &writer, &error) == VMX_OK, "%s", error.message);
    return writer;
}

static vmx_writer_options
default_options(void)
{
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    return options;
}

/* Ids first ... first + count - 1 as columns of the dimension, values[0] = value. */
static vmx_status
put_rows(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value, int64_t timeout_ms,
         size_t *taken)
{
    float *values = calloc(count * dimension, sizeof *values);
    vmx_columns columns;
    vmx_columns_init(&columns, sizeof columns);
    for (size_t i = 0; i < count; i++)
        values[i * dimension] = value;
    columns.count = count;
    columns.first_id = first;
    columns.values = values;
    columns.dimension = dimension;
    vmx_status status = vmx_writer_put_columns(writer, &columns, timeout_ms, taken, &error);
    free(values);
    return status;
}

static void
must_put(vmx_writer *writer, size_t first, size_t count, size_t dimension, float value)
{
    size_t taken;
    vmx_status status = put_rows(writer, first, count, dimension, value, 600000, &taken);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, count);
}

static vmx_writer_account
account_of(vmx_writer *writer)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(writer, &account);
    ck_assert_uint_eq(account.taken, account.stored + account.failed + account.waiting + account.in_flight);
    return account;
}

static size_t
used_bytes(void)
{
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(s.w->client, &memory);
    ck_assert_uint_le(memory.peak_bytes, memory.limit_bytes);
    return memory.used_bytes;
}

/* Closes writer and world; everything was given back. */
static void
close_all(vmx_writer *writer)
{
    ck_assert_msg(vmx_writer_close(writer, 600000, &error) == VMX_OK, "%s", error.message);
    vmx_writer_free(writer);
    ck_assert_uint_eq(used_bytes(), 0);
    world_free(s.w);
}

/* --- the plain way ------------------------------------------------------------------------------------------------- */

START_TEST(everything_arrives_within_the_limits)
{
    store_open(&s, 1, NULL);
    vmx_writer *writer = open_writer(NULL);
    must_put(writer, 0, 4000, 784, 7);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(store_count(&s), 4000);
    ck_assert_uint_le(s.max_bytes, 2000000);
    ck_assert_uint_gt(s.max_bytes, 1990000);
    vmx_writer_account account = account_of(writer);
    ck_assert_uint_eq(account.stored, 4000);
    ck_assert_uint_eq(account.failed, 0);
    ck_assert_uint_eq(account.batches, s.requests);
    close_all(writer);
    store_open(&s, 1, NULL);
    writer = open_writer(NULL);
    must_put(writer, 0, 3000, 4, 8); /* small ones: the count closes a batch */
    close_all(writer);
    ck_assert_uint_eq(s.max_vectors, 1000);
}
END_TEST

START_TEST(a_batch_goes_when_it_is_old_enough)
{
    store_open(&s, 2, NULL);
    vmx_writer *writer = open_writer(NULL);
    must_put(writer, 0, 1, 4, 1);
    world_run(s.w, 4000);
    ck_assert_uint_eq(s.requests, 0);
    world_run(s.w, 2000);
    ck_assert_uint_eq(s.requests, 1);
    close_all(writer);

    store_open(&s, 2, NULL);
    vmx_writer_options options = default_options();
    options.linger_ms = -1;
    writer = open_writer(&options);
    must_put(writer, 0, 1, 4, 1);
    world_run(s.w, 60000000);
    ck_assert_uint_eq(s.requests, 0);
    close_all(writer);
    ck_assert_uint_eq(s.requests, 1);
}
END_TEST

START_TEST(batches_are_as_large_as_asked)
{
    store_open(&s, 3, NULL);
    vmx_writer_options options = default_options();
    options.batch_vectors = 7;
    options.batch_bytes = 100000;
    options.max_in_flight = 2;
    options.linger_ms = -1;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 70, 16, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(s.requests, 10);
    ck_assert_uint_eq(s.max_vectors, 7);
    close_all(writer);
    options.batch_bytes = 3000000;
    store_open(&s, 3, NULL);
    ck_assert_int_eq(vmx_writer_open(s.w->index, &options, &writer, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "upsert.max.bytes"));
    world_free(s.w);
}
END_TEST

START_TEST(rates_are_kept)
{
    store_open(&s, 4, NULL);
    vmx_writer_options options = default_options();
    options.vectors_per_second = 1000;
    options.batch_vectors = 100;
    vmx_writer *writer = open_writer(&options);
    uint64_t start_us = world_now(s.w);
    must_put(writer, 0, 3000, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    double seconds = (double)(world_now(s.w) - start_us) / 1e6;
    ck_assert_msg(seconds > 2.8 && seconds < 3.2, "%g s", seconds);
    close_all(writer);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(trouble_is_outlived)
{
    store_open(&s, 5, NULL);
    s.delay_us = 2000;
    s.unavailable = 30;
    s.lost = 10;
    vmx_writer_options options = default_options();
    options.batch_vectors = 20;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 4000, 16, 3);
    ck_assert_int_eq(vmx_writer_flush(writer, 600000, &error), VMX_OK);
    ck_assert_uint_eq(store_count(&s), 4000);
    ck_assert_uint_eq(account_of(writer).stored, 4000);
    ck_assert_uint_gt(account_of(writer).retries, 50);
    close_all(writer);
}
END_TEST

START_TEST(a_stalled_server_loses_nothing)
{
    const char *const properties[] = {"memory.limit.bytes", "8m", NULL};
    store_open(&s, 6, properties);
    s.stalled_until_us = world_now(s.w) + 20000000;
    vmx_writer_options options = default_options();
    options.timeout_ms = 1000;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 4000, 784, 5);
    close_all(writer);
    ck_assert_uint_eq(store_count(&s), 4000);
}
END_TEST

START_TEST(what_cannot_be_delivered_in_time_fails)
{
    store_open(&s, 7, NULL);
    s.unavailable = 100;
    vmx_writer_options options = default_options();
    options.delivery_timeout_ms = 5000;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 50, 4, 1);
    uint64_t start_us = world_now(s.w);
    ck_assert_int_eq(vmx_writer_flush(writer, 600000, &error), VMX_OK);
    ck_assert_uint_le(world_now(s.w) - start_us, 60000000);
    ck_assert_uint_eq(account_of(writer).failed, 50);
    close_all(writer);
}
END_TEST

/* --- dead letters and reports -------------------------------------------------------------------------------------- */

static size_t
count_lines(const char *path, const char *word)
{
    char *line = NULL;
    size_t size = 0, count = 0;
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (getline(&line, &size, file) > 0)
        count += strstr(line, word) != NULL;
    free(line);
    fclose(file);
    return count;
}

static void
put_mixed(vmx_writer *writer, size_t count, size_t bad_every)
{
    for (size_t i = 0; i < count; i++) {
        char id[32];
        float values[3] = {1.5f, 0.1f, -2};
        vmx_vector vector;
        vmx_vector_init(&vector, sizeof vector);
        snprintf(id, sizeof id, "%s%zu", i % bad_every == 3 ? "bad" : "", i);
        vector.id = vmx_str_from(id);
        vector.values = (vmx_floats){values, 3};
        vector.metadata = VMX_STR("{\"a\":\"é\"}");
        vmx_vectors vectors = {&vector, 1, 0};
        ck_assert_int_eq(vmx_writer_put(writer, &vectors, 60000, NULL, &error), VMX_OK);
    }
}

START_TEST(bad_vectors_stand_alone)
{
    char path[] = "/tmp/vecmux-dead-XXXXXX";
    close(mkstemp(path));
    store_open(&s, 8, NULL);
    vmx_writer_options options = default_options();
    options.dead_letter_file = vmx_str_from(path);
    options.queue = s.w->queue;
    options.user = &s;
    vmx_writer *writer = open_writer(&options);
    put_mixed(writer, 3000, 100);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(account_of(writer).stored, 2970);
    ck_assert_uint_eq(account_of(writer).failed, 30);
    ck_assert_uint_eq(store_count(&s), 2970);
    ck_assert_uint_eq(count_lines(path, "{\"id\":\"bad"), 30);
    ck_assert_uint_eq(account_of(writer).dead_letters, 30);
    ck_assert_uint_eq(count_lines(path,
                                  "\"values\":[1.5,0.1,-2],\"metadata\":{\"a\":\"é\"},\"error\":{\"code\":\"VMX_ERR_R"
                                  "EJECTED\",\"outcome\":\"rejected\",\"sequence\":"),
                      30);
    ck_assert_uint_eq(count_lines(path, "\"sequence\":203,\"message\":\"write at "), 1);
    ck_assert_uint_eq(count_lines(path, "{\"id\":\"bad203\""), 1);
    vmx_event events[64];
    size_t reports = vmx_queue_poll(s.w->queue, events, 64, 0);
    ck_assert_uint_eq(reports, 30);
    for (size_t i = 0; i < reports; i++) {
        vmx_delivery delivery;
        vmx_delivery_init(&delivery, sizeof delivery);
        ck_assert_ptr_eq(events[i].user, &s);
        ck_assert_int_eq(events[i].status, VMX_ERR_REJECTED);
        ck_assert_str_eq(vmx_op_name(events[i].op), "write");
        ck_assert_uint_eq(vmx_op_delivery_count(events[i].op), 1);
        ck_assert(vmx_op_delivery(events[i].op, 0, &delivery));
        ck_assert_int_eq(strncmp(delivery.id.ptr, "bad", 3), 0);
        ck_assert_int_eq(delivery.outcome, VMX_OUTCOME_REJECTED);
        ck_assert(!vmx_op_delivery(events[i].op, 1, &delivery));
        vmx_op_free(events[i].op);
    }
    close_all(writer);
    unlink(path);
}
END_TEST

START_TEST(a_change_of_dimension_begins_a_batch)
{
    store_open(&s, 8, NULL);
    s.dimension = 4;
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.linger_ms = -1;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 1, 3, 1); /* the first one is wrong: it fails alone */
    must_put(writer, 1, 50, 4, 1);
    must_put(writer, 51, 2, 5, 1);
    must_put(writer, 53, 50, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_eq(account_of(writer).stored, 100);
    ck_assert_uint_eq(account_of(writer).failed, 3);
    ck_assert_uint_eq(s.requests, 6); /* four batches, and the halves of one */
    vmx_event events[8];
    uint64_t wrong = 0;
    ck_assert_uint_eq(vmx_queue_poll(s.w->queue, events, 8, 0), 3);
    for (size_t i = 0; i < 3; i++) {
        vmx_delivery delivery;
        vmx_delivery_init(&delivery, sizeof delivery);
        ck_assert(vmx_op_delivery(events[i].op, 0, &delivery));
        ck_assert_uint_le(delivery.sequence, 52);
        wrong |= (uint64_t)1 << delivery.sequence;
        vmx_op_free(events[i].op);
    }
    ck_assert_uint_eq(wrong, (uint64_t)1 << 0 | (uint64_t)1 << 51 | (uint64_t)1 << 52);
    close_all(writer);
}
END_TEST

/* Open, and no byte can be written to it: "No space left on device". */
START_TEST(what_cannot_be_written_down_is_said)
{
    static const vmx_report_mode modes[] = {VMX_REPORT_FAILURES, VMX_REPORT_NONE};
    for (size_t i = 0; i < 2; i++) {
        store_open(&s, 8, NULL);
        vmx_writer_options options = default_options();
        options.dead_letter_file = VMX_STR("/dev/full");
        options.queue = s.w->queue;
        options.report = modes[i];
        vmx_writer *writer = open_writer(&options);
        put_mixed(writer, 1000, 100);
        ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_ERR_IO);
        ck_assert_ptr_nonnull(strstr(error.message, "10 failed vectors"));
        ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK); /* it was said */
        ck_assert_uint_eq(account_of(writer).failed, 10);
        ck_assert_uint_eq(account_of(writer).dead_letters, 0);
        ck_assert_uint_eq(account_of(writer).dead_letters_lost, 10);
        vmx_event events[16];
        ck_assert_uint_eq(vmx_queue_poll(s.w->queue, events, 16, 0), 10);
        for (size_t k = 0; k < 10; k++) {
            const char *message = vmx_op_error(events[k].op)->message;
            ck_assert_int_eq(events[k].status, VMX_ERR_REJECTED);
            ck_assert_msg(strstr(message, "a bad vector is in it") != NULL, "%s", message);
            ck_assert_msg(strstr(message, "could not be written: No space left") != NULL, "%s", message);
            vmx_op_free(events[k].op);
        }
        close_all(writer);
    }
}
END_TEST

START_TEST(the_log_has_every_batch)
{
    char path[] = "/tmp/vecmux-log-XXXXXX";
    close(mkstemp(path));
    const char *const properties[] = {"log.file", path, "log.level", "info", NULL};
    store_open(&s, 8, properties);
    vmx_writer_options options = default_options();
    options.batch_vectors = 100;
    vmx_writer *writer = open_writer(&options);
    put_mixed(writer, 3000, 1000);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    ck_assert_uint_gt(account_of(writer).batches, 30); /* more than log.rate.per.second */
    ck_assert_uint_eq(count_lines(path, "room=writer event=batch "), account_of(writer).batches);
    ck_assert_uint_eq(count_lines(path, " items=1 bytes=38 result=VMX_ERR_REJECTED attempts=1 "), 2);
    ck_assert_uint_eq(count_lines(path, " result=VMX_ERR_REJECTED attempts=1 "), 3);
    ck_assert_uint_eq(count_lines(path, " number=29 first=2900 items=100 "), 1);
    ck_assert_uint_eq(count_lines(path, " done=3000 left=0"), 1);
    close_all(writer);
    unlink(path);
}
END_TEST

START_TEST(every_batch_is_reported_when_asked)
{
    store_open(&s, 9, NULL);
    vmx_writer_options options = default_options();
    options.queue = s.w->queue;
    options.report = VMX_REPORT_ALL;
    options.batch_vectors = 10;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 95, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    vmx_event events[64];
    size_t vectors = 0, count = vmx_queue_poll(s.w->queue, events, 4, 0);
    ck_assert_uint_eq(count, 4);
    for (size_t i = 0; i < count; i++) {
        vectors += vmx_op_delivery_count(events[i].op);
        vmx_op_free(events[i].op);
    }
    ck_assert_uint_eq(vectors, 40);
    close_all(writer); /* the other reports are freed with the queue */
}
END_TEST

/* --- order --------------------------------------------------------------------------------------------------------- */

START_TEST(writes_of_one_id_keep_their_order)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        store_open(&s, seed, NULL);
        s.delay_us = 1000;
        s.unavailable = 20;
        s.lost = 20;
        vmx_writer_options options = default_options();
        options.batch_vectors = 8;
        vmx_writer *writer = open_writer(&options);
        for (size_t round = 1; round <= 20; round++)
            must_put(writer, vmx_random_up_to(&s.chance, 5), 15, 4, (float)round);
        must_put(writer, 0, 25, 4, 99);
        close_all(writer);
        for (size_t id = 0; id < 20; id++)
            ck_assert_msg(s.values[id] == 99, "seed %zu: id %zu ends with %g", (size_t)seed, id, (double)s.values[id]);
    }
}
END_TEST

/* --- memory -------------------------------------------------------------------------------------------------------- */

static size_t room_calls;

static void
on_room(void *user)
{
    (void)user;
    room_calls++;
}

/* Behind the batches in flight as many stand in line, however little memory they take. */
START_TEST(puts_stop_when_the_line_is_full)
{
    store_open(&s, 10, NULL);
    s.delay_us = 1000000;
    vmx_writer_options options = default_options();
    options.batch_vectors = 10;
    options.max_in_flight = 2;
    options.on_room = on_room;
    vmx_writer *writer = open_writer(&options);
    size_t taken = 0;
    room_calls = 0;
    ck_assert_int_eq(put_rows(writer, 0, 100, 4, 1, 0, &taken), VMX_ERR_WOULD_BLOCK);
    ck_assert_uint_eq(taken, 40);
    ck_assert_ptr_nonnull(strstr(error.message, "batches wait"));
    ck_assert_int_eq(put_rows(writer, 40, 1, 4, 1, 500, &taken), VMX_ERR_TIMEOUT);
    world_run(s.w, 2000000);
    ck_assert_uint_gt(room_calls, 0);
    must_put(writer, 40, 60, 4, 1);
    close_all(writer);
    ck_assert_uint_eq(s.requests, 10);
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

START_TEST(unsound_vectors_are_refused_by_name)
{
    size_t taken;
    store_open(&s, 12, NULL);
    vmx_writer *writer = open_writer(NULL);
    must_put(writer, 0, 3, 4, 1);
    ck_assert_int_eq(put_rows(writer, 5, 1, 4, NAN, 0, &taken), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "NaN"));
    close_all(writer);
    ck_assert_uint_eq(store_count(&s), 3);
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

/* --- pulling ------------------------------------------------------------------------------------------------------- */

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

/* --- the end ------------------------------------------------------------------------------------------------------- */

START_TEST(what_a_freed_writer_held_fails_aloud)
{
    char path[] = "/tmp/vecmux-dead-XXXXXX";
    close(mkstemp(path));
    store_open(&s, 14, NULL);
    s.delay_us = 1000000;
    vmx_writer_options options = default_options();
    options.dead_letter_file = vmx_str_from(path);
    options.batch_vectors = 20;
    options.max_in_flight = 2;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 75, 4, 1);
    vmx_writer_free(writer);
    world_run(s.w, 10000);
    ck_assert_uint_eq(used_bytes(), 0);
    ck_assert_uint_eq(count_lines(path, "\"code\":\"VMX_ERR_CANCELLED\""), 75);
    ck_assert_uint_eq(count_lines(path, "\"outcome\":\"unknown\""), 40);
    world_free(s.w);
    unlink(path);
}
END_TEST

START_TEST(a_client_waits_for_its_writers)
{
    store_open(&s, 15, NULL);
    vmx_writer *writer = open_writer(NULL);
    must_put(writer, 0, 5, 4, 1);
    ck_assert_int_eq(vmx_client_close(s.w->client, 100, &error), VMX_ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(error.message, "1 writer"));
    ck_assert_int_eq(vmx_writer_close(writer, 1000, &error), VMX_OK);
    size_t taken;
    ck_assert_int_eq(put_rows(writer, 0, 1, 4, 1, 0, &taken), VMX_ERR_CLOSED);
    ck_assert_int_eq(vmx_client_close(s.w->client, 100, &error), VMX_OK);
    ck_assert_uint_eq(account_of(writer).stored, 5);
    vmx_writer_free(writer);
    world_free(s.w);
}
END_TEST

/* A real client, whose server does not exist. */
START_TEST(a_freed_client_leaves_the_handle)
{
    vmx_config *config = vmx_config_new();
    vmx_client *client;
    vmx_writer *writer;
    size_t taken;
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("127.0.0.1:1"), &error), VMX_OK);
    ck_assert_int_eq(vmx_client_open(config, &client, &error), VMX_OK);
    vmx_config_free(config);
    vmx_index *index;
    ck_assert_int_eq(vmx_index_open(client, VMX_STR(""), VMX_STR(""), &index, &error), VMX_OK);
    ck_assert_int_eq(vmx_writer_open(index, NULL, &writer, &error), VMX_OK);
    vmx_index_free(index);
    ck_assert_int_eq(put_rows(writer, 0, 5, 4, 1, 1000, &taken), VMX_OK);
    usleep(50000); /* the batch is on its way, or being tried again */
    vmx_client_free(client);
    for (int i = 0; i < 1000 && account_of(writer).failed < 5; i++)
        usleep(10000);
    ck_assert_uint_eq(account_of(writer).failed, 5);
    ck_assert_int_eq(put_rows(writer, 0, 1, 4, 1, 0, &taken), VMX_ERR_CLOSED);
    vmx_writer_free(writer);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {everything_arrives_within_the_limits,
                                  a_batch_goes_when_it_is_old_enough,
                                  batches_are_as_large_as_asked,
                                  rates_are_kept,
                                  trouble_is_outlived,
                                  a_stalled_server_loses_nothing,
                                  what_cannot_be_delivered_in_time_fails,
                                  bad_vectors_stand_alone,
                                  a_change_of_dimension_begins_a_batch,
                                  what_cannot_be_written_down_is_said,
                                  the_log_has_every_batch,
                                  every_batch_is_reported_when_asked,
                                  writes_of_one_id_keep_their_order,
                                  puts_stop_when_the_line_is_full,
                                  puts_stop_at_the_memory_limit,
                                  what_can_never_fit_is_refused_at_once,
                                  single_upserts_count_too,
                                  unsound_vectors_are_refused_by_name,
                                  lent_values_are_sent_from_where_they_are,
                                  a_pull_takes_all_within_the_memory,
                                  a_pull_ends_with_its_iterators_error,
                                  a_pull_is_cancelled_or_closed,
                                  what_a_freed_writer_held_fails_aloud,
                                  a_client_waits_for_its_writers,
                                  a_freed_client_leaves_the_handle,
                                  NULL};
    return run_suite("writer", tests);
}
