/* What a client counts is what happened, to the last byte: against a scripted server in virtual time. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/suite.h"
#include "stats/values.h"
#include "writer/store.h"

#define MS 1000u

static world *w;

static void
check(const char *name, const char *first, const char *second, double wanted)
{
    check_value(w->client, name, first, second, wanted);
}

static double
bytes_seen(void)
{
    double sum = 0;
    for (size_t i = 0; i < w->count; i++)
        sum += (double)w->sightings[i].size_bytes;
    return sum;
}

START_TEST(calls_and_bytes)
{
    static const answer page = {.body = "\x12\x03\x0a\x01x", .delay_us = 3 * MS}, last = {.delay_us = 1 * MS};
    const answer script[] = {page, page, last};
    w = world_new(1, NULL);
    check("vecmux_calls_total", NULL, NULL, 0);
    world_script(w, script, 3);
    vmx_op *op = world_list(w, NULL);
    check("vecmux_operations_running", NULL, NULL, 1);
    check("vecmux_gate_in_flight", NULL, NULL, 1);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    vmx_op_free(op);
    for (int i = 0; i < 100; i++) {
        op = world_query(w, NULL);
        ck_assert_int_eq(world_wait(op), VMX_OK);
        vmx_op_free(op);
    }
    check("vecmux_calls_total", "query", "VMX_OK", 100);
    check("vecmux_calls_total", NULL, NULL, (double)w->count);
    check("vecmux_call_duration_seconds", "query", NULL, 100);
    check("vecmux_attempts_total", "query", "OK", 100);
    check("vecmux_attempts_total", NULL, NULL, (double)w->count);
    check("vecmux_retries_total", NULL, NULL, 0);
    check("vecmux_hedges_total", NULL, NULL, 0);
    check("vecmux_sent_bytes_total", NULL, NULL, bytes_seen());
    ck_assert_double_gt(bytes_seen(), 0);
    check("vecmux_received_bytes_total", NULL, NULL, 5 * (double)(w->count - 101)); /* the pages before the last */
    check("vecmux_channel_calls_total", NULL, NULL, (double)w->count);
    check("vecmux_operations_running", NULL, NULL, 0);
    check("vecmux_gate_in_flight", NULL, NULL, 0);
    check("vecmux_stats_lost_total", NULL, NULL, 0);
    world_free(w);
}
END_TEST

START_TEST(retries_by_their_reason)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no", .delay_us = 7 * MS},
        {.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED,
         .reach = VMX_REACH_SERVER,
         .text = "slower",
         .key = "grpc-retry-pushback-ms",
         .value = "50"},
        {.delay_us = ANSWER_NEVER},
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_NONE, .text = "REFUSED_STREAM"},
        {.delay_us = 3 * MS},
    };
    w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.attempt_timeout_ms = 500;
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 5);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    vmx_op_free(op);
    check("vecmux_calls_total", NULL, NULL, 1);
    check("vecmux_attempts_total", "query", NULL, 5);
    check("vecmux_attempts_total", "query", "UNAVAILABLE", 2);
    check("vecmux_attempts_total", "query", "RESOURCE_EXHAUSTED", 1);
    check("vecmux_attempts_total", "query", "DEADLINE_EXCEEDED", 1);
    check("vecmux_attempts_total", "query", "OK", 1);
    check("vecmux_retries_total", "query", NULL, 4);
    check("vecmux_retries_total", "query", "status", 1);
    check("vecmux_retries_total", "query", "pushback", 1);
    check("vecmux_retries_total", "query", "timed_out", 1);
    check("vecmux_retries_total", "query", "transparent", 1);
    check("vecmux_sent_bytes_total", "query", NULL, bytes_seen());
    ck_assert_double_lt(value_of(w->client, "vecmux_retry_budget_tokens", NULL, NULL),
                        value_of(w->client, "vecmux_retry_budget_max_tokens", NULL, NULL));
    ck_assert_double_ge(value_of(w->client, "vecmux_gate_limit", NULL, NULL), 1);
    world_free(w);
}
END_TEST

START_TEST(failures_by_their_status)
{
    static const answer bad = {.grpc_code = VMX_GRPC_INVALID_ARGUMENT, .reach = VMX_REACH_SERVER, .text = "bad"};
    static const answer never = {.delay_us = ANSWER_NEVER};
    w = world_new(1, NULL);
    world_script(w, &bad, 1);
    vmx_op *op = world_upsert(w, NULL);
    ck_assert_int_eq(world_wait(op), VMX_ERR_REJECTED);
    vmx_op_free(op);
    world_script(w, &never, 1);
    op = world_query(w, NULL);
    vmx_op_cancel(op);
    ck_assert_int_eq(world_wait(op), VMX_ERR_CANCELLED);
    vmx_op_free(op);
    vmx_call_options options = world_options(NULL);
    options.timeout_ms = 250;
    op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
    vmx_op_free(op);
    check("vecmux_calls_total", "upsert", "VMX_ERR_REJECTED", 1);
    check("vecmux_attempts_total", "upsert", "INVALID_ARGUMENT", 1);
    check("vecmux_calls_total", "query", "VMX_ERR_CANCELLED", 1);
    check("vecmux_calls_total", "query", "VMX_ERR_DEADLINE", 1);
    check("vecmux_calls_total", "query", "VMX_OK", 0);
    world_free(w);
}
END_TEST

START_TEST(hedges)
{
    static const answer script[] = {{.delay_us = 1000 * MS}, {.delay_us = 5 * MS}};
    w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = 10;
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 2);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    vmx_op_free(op);
    world_run(w, 2000 * MS); /* the one that lost ends too */
    check("vecmux_calls_total", NULL, NULL, 1);
    check("vecmux_hedges_total", "query", NULL, 1);
    check("vecmux_attempts_total", "query", NULL, 2);
    check("vecmux_retries_total", NULL, NULL, 0);
    world_free(w);
}
END_TEST

/* The duration is the call's: its pauses are part of it, to the microsecond of virtual time. */
START_TEST(durations)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no", .delay_us = 7 * MS},
        {.delay_us = 3 * MS}};
    w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 2);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    vmx_op_free(op);
    vmx_stats *stats;
    vmx_sample sample;
    vmx_sample_init(&sample, sizeof sample);
    ck_assert_int_eq(vmx_client_stats(w->client, &stats, NULL), VMX_OK);
    for (size_t i = 0; vmx_stats_at(stats, i, &sample) && sample.type != VMX_METRIC_HISTOGRAM; i++)
        ;
    ck_assert_uint_eq(sample.count, 1);
    ck_assert_double_eq(sample.max, 0.110); /* 7 ms, the pause of 100 ms, 3 ms */
    ck_assert_double_eq(sample.sum, 0.110);
    ck_assert_double_eq_tol(sample.p50, 0.110, 0.0022);
    vmx_stats_free(stats);
    world_free(w);
}
END_TEST

START_TEST(lines_and_queues)
{
    static const answer never = {.delay_us = ANSWER_NEVER}, soon = {.delay_us = 1 * MS};
    const char *const properties[] = {"channel.count", "1", "channel.max.streams", "2", NULL};
    vmx_op *ops[5];
    w = world_new(1, properties);
    vmx_call_options options = world_options(NULL);
    options.queue = w->queue;
    world_script(w, &never, 1);
    for (size_t i = 0; i < 5; i++)
        ops[i] = world_query(w, &options);
    check("vecmux_gate_waiting", NULL, NULL, 3);
    check("vecmux_channel_calls_in_flight", "0", NULL, 2);
    check("vecmux_channels", "ready", NULL, 1);
    check("vecmux_channels", NULL, NULL, 1);
    check("vecmux_operations_running", NULL, NULL, 5);
    for (size_t i = 0; i < 5; i++)
        vmx_op_cancel(ops[i]);
    for (size_t i = 0; i < 5; i++)
        world_wait(ops[i]);
    check("vecmux_queues", NULL, NULL, 1);
    check("vecmux_queue_events", NULL, NULL, 5);
    vmx_op_free(ops[0]);
    check("vecmux_queue_events", NULL, NULL, 4);
    vmx_event events[8];
    ck_assert_uint_eq(vmx_queue_poll(w->queue, events, 8, 0), 4);
    check("vecmux_queue_events", NULL, NULL, 0);
    check("vecmux_gate_waiting", NULL, NULL, 0);
    for (size_t i = 1; i < 5; i++)
        vmx_op_free(ops[i]);
    world_script(w, &soon, 1);
    world_free(w);
}
END_TEST

/* The connections are gone; the counts are not. */
START_TEST(after_close)
{
    static const answer ok = {.delay_us = 1 * MS};
    vmx_error error;
    w = world_new(1, NULL);
    world_script(w, &ok, 1);
    vmx_op *op = world_query(w, NULL);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    vmx_op_free(op);
    ck_assert_msg(vmx_client_close(w->client, 1000, &error) == VMX_OK, "%s", error.message);
    check("vecmux_calls_total", "query", "VMX_OK", 1);
    check("vecmux_channels", "closed", NULL, (double)vmx_client_channel_count(w->client));
    check("vecmux_channels", "ready", NULL, 0);
    world_free(w);
}
END_TEST

/* --- writers ------------------------------------------------------------------------------------------------------- */

/* Rows of one float; an id that is unsound for the store is none of ours to make: all are stored, or the server fails. */
static void
put(vmx_writer *writer, size_t count)
{
    static const float values[3000];
    vmx_columns columns;
    vmx_error error;
    vmx_columns_init(&columns, sizeof columns);
    columns.count = count;
    columns.values = values;
    columns.dimension = 1;
    vmx_status status = vmx_writer_put_columns(writer, &columns, 600000, NULL, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
}

static void
check_writer(double taken, double stored, double failed)
{
    check("vecmux_writer_vectors_taken_total", NULL, NULL, taken);
    check("vecmux_writer_vectors_stored_total", NULL, NULL, stored);
    check("vecmux_writer_vectors_failed_total", NULL, NULL, failed);
    check("vecmux_writer_vectors_waiting", NULL, NULL, 0);
    check("vecmux_writer_vectors_in_flight", NULL, NULL, 0);
    check("vecmux_writer_batches_in_flight", NULL, NULL, 0);
    check("vecmux_memory_used_bytes", "send", NULL, 0);
}

START_TEST(writers_come_and_go)
{
    store s = {0};
    vmx_error error;
    vmx_writer *first, *second;
    store_open(&s, 1, NULL);
    w = s.w;
    s.delay_us = 2 * MS;
    s.unavailable = 30;
    ck_assert_int_eq(vmx_writer_open(w->index, NULL, &first, &error), VMX_OK);
    ck_assert_int_eq(vmx_writer_open(w->index, NULL, &second, &error), VMX_OK);
    put(first, 3000);
    put(second, 2000);
    double taken = value_of(w->client, "vecmux_writer_vectors_taken_total", NULL, NULL);
    double under_way = value_of(w->client, "vecmux_writer_vectors_waiting", NULL, NULL) +
                       value_of(w->client, "vecmux_writer_vectors_in_flight", NULL, NULL);
    ck_assert_double_eq(taken, 5000);
    ck_assert_double_eq(under_way, 5000);
    ck_assert_double_gt(value_of(w->client, "vecmux_memory_used_bytes", "send", NULL), 0);
    check("vecmux_writers", NULL, NULL, 2);
    ck_assert_msg(vmx_writer_close(first, 600000, &error) == VMX_OK, "%s", error.message);
    ck_assert_msg(vmx_writer_close(second, 600000, &error) == VMX_OK, "%s", error.message);
    check_writer(5000, 5000, 0);
    double retries = value_of(w->client, "vecmux_writer_retries_total", NULL, NULL);
    check("vecmux_retries_total", "write", NULL, retries);
    check("vecmux_attempts_total", "write", NULL, (double)s.requests);
    check("vecmux_sent_bytes_total", "write", NULL, bytes_seen());
    vmx_writer_free(first);
    vmx_writer_free(second);
    check("vecmux_writers", NULL, NULL, 0);
    check_writer(5000, 5000, 0); /* they are remembered */
    check("vecmux_writer_batches_total", NULL, NULL, 5);
    world_free(w);
}
END_TEST

START_TEST(dead_letters)
{
    static const answer broken = {.grpc_code = VMX_GRPC_UNIMPLEMENTED, .reach = VMX_REACH_SERVER, .text = "no"};
    char path[] = "/tmp/vecmux-stats-XXXXXX";
    vmx_writer *writer;
    vmx_error error;
    vmx_writer_options options;
    close(mkstemp(path));
    w = world_new(1, NULL);
    world_script(w, &broken, 1);
    vmx_writer_options_init(&options, sizeof options);
    options.dead_letter_file = VMX_STR(path);
    ck_assert_int_eq(vmx_writer_open(w->index, &options, &writer, &error), VMX_OK);
    put(writer, 20);
    ck_assert_msg(vmx_writer_close(writer, 600000, &error) == VMX_OK, "%s", error.message);
    check_writer(20, 0, 20);
    check("vecmux_writer_dead_letters_total", NULL, NULL, 20);
    vmx_writer_free(writer);
    check("vecmux_writer_dead_letters_total", NULL, NULL, 20);
    unlink(path);
    world_free(w);
}
END_TEST

int
main(void)
{
    return run_suite("stats_client",
                     (const TTest *const[]){calls_and_bytes, retries_by_their_reason, failures_by_their_status, hedges,
                                            durations, lines_and_queues, after_close, writers_come_and_go, dead_letters,
                                            NULL});
}
