/* The bulk writer in virtual time, against a store that fails as told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/suite.h"
#include "writer/harness.h"

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

/* Every vector is of a wrong dimension and is sent eleven times until it stands alone. */
START_TEST(halves_do_not_count_against_the_rate)
{
    store_open(&s, 4, NULL);
    s.dimension = 3;
    vmx_writer_options options = default_options();
    options.vectors_per_second = 1000;
    options.batch_vectors = 1000;
    vmx_writer *writer = open_writer(&options);
    uint64_t start_us = world_now(s.w);
    must_put(writer, 0, 3000, 4, 1);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    double seconds = (double)(world_now(s.w) - start_us) / 1e6;
    ck_assert_msg(seconds > 1.9 && seconds < 2.5, "%g s", seconds);
    ck_assert_uint_eq(account_of(writer).failed, 3000);
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

/* --- the end ------------------------------------------------------------------------------------------------------- */

START_TEST(what_a_freed_writer_held_fails_aloud)
{
    char path[] = "/tmp/vecmux-dead-XXXXXX";
    close(mkstemp(path));
    store_open(&s, 14, NULL);
    s.delay_us = 1000000;
    vmx_writer_options options = default_options();
    options.dead_letter_file = vmx_str_from(path);
    options.batch_vectors = 10;
    options.max_in_flight = 5;
    vmx_writer *writer = open_writer(&options);
    must_put(writer, 0, 65, 4, 1); /* 50 are in flight, 10 ready, 5 in an open batch */
    vmx_writer_free(writer);
    world_run(s.w, 10000);
    ck_assert_uint_eq(used_bytes(), 0);
    ck_assert_uint_eq(count_lines(path, "\"code\":\"VMX_ERR_CANCELLED\""), 65);
    ck_assert_uint_eq(count_lines(path, "\"outcome\":\"unknown\""), 50);
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
                                  halves_do_not_count_against_the_rate,
                                  trouble_is_outlived,
                                  a_stalled_server_loses_nothing,
                                  what_cannot_be_delivered_in_time_fails,
                                  unsound_vectors_are_refused_by_name,
                                  bad_vectors_stand_alone,
                                  a_change_of_dimension_begins_a_batch,
                                  what_cannot_be_written_down_is_said,
                                  the_log_has_every_batch,
                                  every_batch_is_reported_when_asked,
                                  writes_of_one_id_keep_their_order,
                                  what_a_freed_writer_held_fails_aloud,
                                  a_client_waits_for_its_writers,
                                  a_freed_client_leaves_the_handle,
                                  NULL};
    return run_suite("writer", tests);
}
