/* each event of docs/logging.md, once, with its fields; and secrets, never */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/suite.h"
#include "rpc/harness.h"

#define MAX_PROPERTIES 32

static char path[] = "/tmp/vmx-events-XXXXXX";
static json_t *records;

/* A world with a log file, at every level. `properties` as for world_new. */
static world *
world_with_log(vmx_channel_state state, const char *const *properties)
{
    const char *all[MAX_PROPERTIES] = {"log.level",           "debug", "log.file",     path,  "log.format", "json",
                                       "log.rate.per.second", "0",     "retry.jitter", "none"};
    size_t n = 10;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    for (size_t i = 0; properties != NULL && properties[i] != NULL; i++)
        all[n++] = properties[i];
    return world_connecting_to(state, 1, all);
}

/* Reads what has been logged so far. */
static void
read_log(void)
{
    char line[VMX_LOG_LINE_SIZE];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    json_decref(records);
    records = json_array();
    while (fgets(line, sizeof line, file) != NULL) {
        json_t *record = json_loads(line, 0, NULL);
        ck_assert_msg(record != NULL, "%s", line);
        json_array_append_new(records, record);
    }
    fclose(file);
}

static void
end_world(world *w)
{
    world_free(w);
    json_decref(records);
    unlink(path);
}

/* The only record of this event. */
static const json_t *
the(const char *event)
{
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        if (strcmp(json_string_value(json_object_get(record, "event")), event) != 0)
            continue;
        ck_assert_msg(found == NULL, "%s came twice", event);
        found = record;
    }
    ck_assert_msg(found != NULL, "%s did not come", event);
    return found;
}

static size_t
count_of(const char *event)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(records); i++)
        count += strcmp(json_string_value(json_object_get(json_array_get(records, i), "event")), event) == 0;
    return count;
}

static void
check_text(const json_t *record, const char *key, const char *expected)
{
    const char *value = json_string_value(json_object_get(record, key));
    ck_assert_msg(value != NULL, "no %s", key);
    ck_assert_str_eq(value, expected);
}

static void
check_number(const json_t *record, const char *key, double expected)
{
    const json_t *value = json_object_get(record, key);
    ck_assert_msg(json_is_number(value), "no %s", key);
    ck_assert_double_eq_tol(json_number_value(value), expected, 0.001);
}

static void
run_query(world *w, vmx_status expected)
{
    vmx_op *op = world_query(w, NULL);
    vmx_status status = world_wait(op);
    ck_assert_msg(status == expected, "%s: %s", vmx_status_name(status), vmx_op_error(op)->message);
    vmx_op_free(op);
}

static const answer unavailable = {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no"};
static const answer broken = {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_UNKNOWN, .text = "Socket closed"};
static const answer success = {0};

/* --- calls --------------------------------------------------------------------------------------------------------- */

START_TEST(retries_and_the_end_of_them)
{
    world *w = world_with_log(VMX_CHANNEL_READY, (const char *const[]){"retry.max.attempts", "2", NULL});
    world_script(w, &broken, 1);
    run_query(w, VMX_ERR_UNAVAILABLE);
    read_log();
    const json_t *retry = the("retry");
    check_text(retry, "level", "info");
    check_text(retry, "op", "query");
    check_number(retry, "attempt", 1);
    check_text(retry, "code", "UNAVAILABLE");
    check_number(retry, "pause_ms", 100);
    check_text(retry, "why", "retry");
    check_text(retry, "peer", "203.0.113.1:443");
    check_text(retry, "reason", "Socket closed");
    check_text(retry, "endpoint", "fake:443");
    check_number(retry, "pid", getpid());
    const json_t *failed = the("call_failed");
    check_text(failed, "level", "warn");
    check_text(failed, "op", "query");
    check_text(failed, "status", "VMX_ERR_UNAVAILABLE");
    check_text(failed, "code", "UNAVAILABLE");
    check_number(failed, "attempts", 2);
    check_text(failed, "stop", "attempts");
    check_text(failed, "outcome", "unknown");
    check_number(failed, "elapsed_ms", 100);
    check_text(failed, "reason", "Socket closed");
    end_world(w);
}
END_TEST

START_TEST(a_deadline_in_line)
{
    world *w = world_with_log(VMX_CHANNEL_CONNECTING, (const char *const[]){"call.timeout.ms", "70", NULL});
    run_query(w, VMX_ERR_DEADLINE);
    read_log();
    const json_t *failed = the("call_failed");
    check_text(failed, "status", "VMX_ERR_DEADLINE");
    check_text(failed, "code", "none");
    check_text(failed, "stop", "deadline");
    check_text(failed, "outcome", "not_sent");
    check_number(failed, "attempts", 0);
    check_number(failed, "elapsed_ms", 70);
    end_world(w);
}
END_TEST

START_TEST(a_refusal_is_no_warning)
{
    static const answer not_found = {.grpc_code = VMX_GRPC_NOT_FOUND, .reach = VMX_REACH_SERVER, .text = "no such"};
    world *w = world_with_log(VMX_CHANNEL_READY, NULL);
    world_script(w, &not_found, 1);
    run_query(w, VMX_ERR_NOT_FOUND);
    read_log();
    check_text(the("call_refused"), "level", "info");
    check_text(the("call_refused"), "stop", "final");
    check_text(the("call_refused"), "outcome", "rejected");
    ck_assert_uint_eq(count_of("call_failed"), 0);
    end_world(w);
}
END_TEST

START_TEST(a_cancelled_call_is_nobodys_concern)
{
    static const answer never = {.delay_us = ANSWER_NEVER};
    world *w = world_with_log(VMX_CHANNEL_READY, NULL);
    world_script(w, &never, 1);
    vmx_op *op = world_query(w, NULL);
    vmx_op_cancel(op);
    ck_assert_int_eq(world_wait(op), VMX_ERR_CANCELLED);
    vmx_op_free(op);
    read_log();
    ck_assert_uint_eq(count_of("call_failed") + count_of("call_refused") + count_of("retry"), 0);
    end_world(w);
}
END_TEST

START_TEST(pushback)
{
    static const answer script[] = {{.grpc_code = VMX_GRPC_UNAVAILABLE,
                                     .reach = VMX_REACH_SERVER,
                                     .text = "later",
                                     .key = "grpc-retry-pushback-ms",
                                     .value = "25"},
                                    {0}};
    world *w = world_with_log(VMX_CHANNEL_READY, NULL);
    world_script(w, script, 2);
    run_query(w, VMX_OK);
    read_log();
    check_number(the("pushback"), "wait_ms", 25);
    ck_assert(json_is_false(json_object_get(the("pushback"), "stop")));
    check_text(the("retry"), "why", "pushback");
    check_number(the("retry"), "pause_ms", 25);
    check_text(the("retry"), "reason", "the server's answer");
    end_world(w);
}
END_TEST

START_TEST(the_budget_is_told_when_it_empties_and_fills)
{
    world *w = world_with_log(VMX_CHANNEL_READY,
                              (const char *const[]){"retry.budget.tokens", "10", "retry.budget.ratio", "1",
                                                    "retry.max.attempts", "2", "outlier.consecutive", "0", NULL});
    world_script(w, &unavailable, 1);
    for (int i = 0; i < 8; i++)
        run_query(w, VMX_ERR_UNAVAILABLE);
    read_log();
    check_text(the("budget_empty"), "level", "warn");
    check_number(the("budget_empty"), "tokens", 5);
    check_number(the("budget_empty"), "max_tokens", 10);
    ck_assert_uint_eq(count_of("budget_refilled"), 0);
    check_text(json_array_get(records, json_array_size(records) - 1), "stop", "budget");
    world_script(w, &success, 1);
    for (int i = 0; i < 12; i++)
        run_query(w, VMX_OK);
    read_log();
    check_text(the("budget_refilled"), "level", "info");
    the("budget_empty");
    end_world(w);
}
END_TEST

START_TEST(the_limit_is_told_when_it_is_lowered)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED, .reach = VMX_REACH_SERVER, .text = "slow down"}, {0}};
    world *w = world_with_log(VMX_CHANNEL_READY, NULL);
    world_script(w, script, 2);
    run_query(w, VMX_OK);
    run_query(w, VMX_OK);
    read_log();
    check_text(the("limit_lowered"), "level", "warn");
    check_number(the("limit_lowered"), "limit", 1);
    end_world(w);
}
END_TEST

START_TEST(hedges)
{
    static const answer script[] = {{.delay_us = 500000}, {.delay_us = 3000}};
    world *w = world_with_log(VMX_CHANNEL_READY, (const char *const[]){"hedge.delay.ms", "50", NULL});
    world_script(w, script, 2);
    run_query(w, VMX_OK);
    read_log();
    check_text(the("hedge_sent"), "level", "debug");
    check_number(the("hedge_sent"), "delay_ms", 50);
    check_number(the("hedge_won"), "answered_ms", 3);
    end_world(w);
}
END_TEST

/* --- connections --------------------------------------------------------------------------------------------------- */

START_TEST(ejection_and_return)
{
    world *w = world_with_log(VMX_CHANNEL_READY,
                              (const char *const[]){"channel.count", "1", "outlier.consecutive", "3",
                                                    "outlier.pause.ms", "700", "retry.max.attempts", "1", NULL});
    world_script(w, &broken, 1);
    for (int i = 0; i < 3; i++)
        run_query(w, VMX_ERR_UNAVAILABLE);
    read_log();
    const json_t *ejected = the("channel_ejected");
    check_text(ejected, "level", "warn");
    check_number(ejected, "channel", 0);
    check_number(ejected, "pause_ms", 700);
    check_number(ejected, "failures_in_row", 3);
    world_script(w, &success, 1);
    run_query(w, VMX_OK); /* within the pause: the only channel serves all the same */
    read_log();
    ck_assert_uint_eq(count_of("channel_returned"), 0);
    world_run(w, 800000);
    run_query(w, VMX_OK);
    run_query(w, VMX_OK);
    read_log();
    check_number(the("channel_returned"), "channel", 0);
    end_world(w);
}
END_TEST

START_TEST(the_life_of_a_connection)
{
    world *w = world_with_log(VMX_CHANNEL_READY, (const char *const[]){"channel.count", "1", NULL});
    run_query(w, VMX_OK);
    read_log();
    check_text(the("client_opened"), "engine", "pinecone");
    check_number(the("client_opened"), "channels", 1);
    check_text(the("channel_connecting"), "level", "debug");
    check_text(the("channel_ready"), "target", "fake:443");
    check_number(the("channel_ready"), "reconnects", 0);
    vmx_channel *channel = w->sightings[0].channel;
    vmx_fake_channel_state(channel, VMX_CHANNEL_IDLE, 0); /* connected again by itself */
    world_run(w, 10000);
    read_log();
    check_text(the("channel_lost"), "level", "info");
    ck_assert_uint_eq(count_of("channel_ready"), 2);
    check_number(json_array_get(records, json_array_size(records) - 1), "reconnects", 1);
    for (int i = 0; i < 3; i++) { /* told once */
        vmx_fake_channel_state(channel, VMX_CHANNEL_FAILING, 0);
        world_run(w, 10000);
        vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
        world_run(w, 10000);
    }
    read_log();
    check_text(the("channel_failing"), "level", "warn");
    end_world(w);
}
END_TEST

START_TEST(the_reason_why_nothing_connects)
{
    world *w = world_with_log(VMX_CHANNEL_FAILING, NULL);
    run_query(w, VMX_ERR_UNAVAILABLE);
    read_log();
    check_text(the("connect_failed"), "level", "warn");
    check_text(the("connect_failed"), "reason", "failed to connect");
    ck_assert_uint_eq(count_of("channel_failing"), 4);
    end_world(w);
}
END_TEST

START_TEST(a_connection_is_replaced)
{
    world *w = world_with_log(VMX_CHANNEL_READY,
                              (const char *const[]){"channel.count", "1", "channel.max.age.ms", "1000", NULL});
    world_run(w, 1200000);
    run_query(w, VMX_OK);
    world_run(w, 5000);
    read_log();
    check_text(the("channel_replaced"), "level", "info");
    check_number(the("channel_replaced"), "channel", 0);
    ck_assert_uint_eq(count_of("channel_lost"), 0);
    end_world(w);
}
END_TEST

/* --- the client ---------------------------------------------------------------------------------------------------- */

START_TEST(closing)
{
    static const answer never = {.delay_us = ANSWER_NEVER};
    world *w = world_with_log(VMX_CHANNEL_READY, NULL);
    world_script(w, &never, 1);
    vmx_op *op = world_query(w, NULL);
    ck_assert_int_eq(vmx_client_close(w->client, 20, NULL), VMX_ERR_TIMEOUT);
    read_log();
    check_text(the("close_timeout"), "level", "warn");
    check_number(the("close_timeout"), "timeout_ms", 20);
    check_text(the("close_timeout"), "running", "1 query");
    ck_assert_uint_eq(count_of("client_closed"), 0);
    vmx_op_free(op);
    world_free(w);
    read_log();
    ck_assert(json_is_false(json_object_get(the("client_closed"), "freed")));
    check_text(json_array_get(records, json_array_size(records) - 1), "event", "client_closed");
    json_decref(records);
    unlink(path);
}
END_TEST

static void
look_around(const vmx_log_record *record, void *user)
{
    world *w = user;
    vmx_channel_info info;
    vmx_channel_info_init(&info, sizeof info);
    if (strcmp(record->event, "retry") != 0)
        return;
    ck_assert(vmx_client_channel(w->client, 0, &info)); /* takes the pool's lock */
    ck_assert_int_eq(vmx_client_close(w->client, 1000, NULL), VMX_ERR_WOULD_DEADLOCK);
    vmx_op *op = world_query(w, NULL); /* fails, and is logged too: but not in here again */
    ck_assert_int_eq(vmx_op_wait(op, 1000), VMX_ERR_WOULD_DEADLOCK);
    vmx_op_free(op);
    w->user = (char *)w->user + 1;
}

START_TEST(a_sink_may_use_the_client)
{
    vmx_error error;
    world *w = world_with_log(VMX_CHANNEL_READY, (const char *const[]){"retry.max.attempts", "3", NULL});
    vmx_log_options options = {
        .level = VMX_LOG_DEBUG, .sink = look_around, .user = w, .path = "", .endpoint = "fake:443"};
    vmx_log *old = w->client->caller.log;
    ck_assert_int_eq(vmx_log_open(&options, &w->client->caller.log, &error), VMX_OK);
    world_script(w, &unavailable, 1);
    run_query(w, VMX_ERR_UNAVAILABLE);
    ck_assert_ptr_eq(w->user, (char *)NULL + 2);
    vmx_log_close(w->client->caller.log);
    w->client->caller.log = old;
    unlink(path);
    world_free(w);
}
END_TEST

/* --- secrets ------------------------------------------------------------------------------------------------------- */

/* Everything that could carry one: the key, headers, a filter, metadata, ids, and a server that repeats them. */
static vmx_op *
start_with_secrets(world *w, int i)
{
    static const float values[2] = {1, 2};
    const vmx_header header = {VMX_STR("x-token"), VMX_STR("SECRET-header")};
    vmx_error error;
    vmx_op *op = NULL;
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.headers = &header;
    options.header_count = 1;
    vmx_status status;
    if (i % 2 == 0) {
        vmx_query query;
        vmx_query_init(&query, sizeof query);
        query.dense = (vmx_floats){values, 2};
        query.top_k = 1;
        query.filter = VMX_STR("{\"name\":{\"$eq\":\"SECRET-filter\"}}");
        status = vmx_index_query(w->index, &query, &options, &op, &error);
    } else {
        vmx_vector vector;
        vmx_vector_init(&vector, sizeof vector);
        vector.id = VMX_STR("SECRET-id");
        vector.values = (vmx_floats){values, 2};
        vector.metadata = VMX_STR("{\"name\":\"SECRET-metadata\"}");
        vmx_vectors vectors = {.ptr = &vector, .count = 1};
        status = vmx_index_upsert(w->index, &vectors, &options, &op, &error);
    }
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    return op;
}

START_TEST(secrets_stay_out)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "SECRET-metadata SECRET-key"},
        {.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED,
         .reach = VMX_REACH_SERVER,
         .text = "SECRET-id",
         .key = "retry-after",
         .value = "0"},
        {.grpc_code = VMX_GRPC_INVALID_ARGUMENT, .reach = VMX_REACH_SERVER, .text = "field name: SECRET-metadata"},
        {.grpc_code = VMX_GRPC_UNAUTHENTICATED, .reach = VMX_REACH_SERVER, .text = "unknown key SECRET-key"},
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_UNKNOWN, .text = "Socket closed"},
        {.grpc_code = VMX_GRPC_INTERNAL, .reach = VMX_REACH_SERVER, .key = "x-echo", .value = "SECRET-header"},
    };
    world *w = world_with_log(VMX_CHANNEL_READY, (const char *const[]){"api.key", "SECRET-key", "hedge.delay.ms", "1",
                                                                       "retry.budget.tokens", "0", NULL});
    for (int i = 0; i < 200; i++) {
        world_script(w, &script[i % 6], 1);
        vmx_op *op = start_with_secrets(w, i / 6);
        world_wait(op);
        vmx_op_free(op);
    }
    read_log();
    ck_assert_uint_gt(json_array_size(records), 300);
    ck_assert_uint_gt(count_of("retry"), 50);
    ck_assert_uint_gt(count_of("call_failed"), 50);
    ck_assert_uint_gt(count_of("call_refused"), 20);
    for (size_t i = 0; i < json_array_size(records); i++) {
        char *line = json_dumps(json_array_get(records, i), 0);
        if (strstr(line, "SECRET") != NULL)
            ck_abort_msg("%s", line);
        free(line);
    }
    end_world(w);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {retries_and_the_end_of_them,
                                  a_deadline_in_line,
                                  a_refusal_is_no_warning,
                                  a_cancelled_call_is_nobodys_concern,
                                  pushback,
                                  the_budget_is_told_when_it_empties_and_fills,
                                  the_limit_is_told_when_it_is_lowered,
                                  hedges,
                                  ejection_and_return,
                                  the_life_of_a_connection,
                                  the_reason_why_nothing_connects,
                                  a_connection_is_replaced,
                                  closing,
                                  a_sink_may_use_the_client,
                                  secrets_stay_out,
                                  NULL};
    return run_suite("rpc_log", tests);
}
