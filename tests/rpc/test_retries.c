/* One call and its attempts: what is sent again, what is told of it, and how it ends in every phase. */
#include <string.h>

#include "api/run.h"
#include "core/suite.h"
#include "rpc/harness.h"

static const answer down = {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no"};
static const answer silence = {.delay_us = ANSWER_NEVER};

#define FAIL_THEN_SUCCEED ((const answer[]){down, {0}})
#define MS                1000u

static vmx_attempt_info
record(const vmx_op *op, size_t i)
{
    vmx_attempt_info info;
    vmx_attempt_info_init(&info, sizeof info);
    ck_assert(vmx_op_attempt(op, i, &info));
    return info;
}

/* --- what is sent again -------------------------------------------------------------------------------------------- */

static void
check_same_bytes(size_t vectors, size_t dimension, size_t least_bytes)
{
    const char *const properties[] = {"upsert.max.bytes", "8000000", NULL};
    world *w = world_new(1, properties);
    world_script(w, FAIL_THEN_SUCCEED, 2);
    vmx_op *op = world_upsert_many(w, vectors, dimension, NULL);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 2);
    ck_assert_uint_ge(w->sightings[0].size_bytes, least_bytes);
    ck_assert_uint_eq(w->sightings[0].size_bytes, w->sightings[1].size_bytes);
    ck_assert_ptr_nonnull(w->sightings[0].data);
    ck_assert_ptr_eq(w->sightings[0].data, w->sightings[1].data);
    vmx_op_free(op);
    world_free(w);
}

START_TEST(four_mebibytes_are_sent_again_without_a_copy)
{
    check_same_bytes(256, 4096, 4u << 20);
}
END_TEST

START_TEST(one_kibibyte_is_sent_again_without_a_copy)
{
    check_same_bytes(1, 256, 1024);
}
END_TEST

START_TEST(the_server_learns_how_many_attempts_there_were)
{
    world *w = world_new(1, NULL);
    world_script(w, (const answer[]){down, down, {0}}, 3);
    vmx_op *op = world_query(w, NULL);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 3);
    ck_assert_str_eq(w->sightings[0].previous, "");
    ck_assert_str_eq(w->sightings[1].previous, "1");
    ck_assert_str_eq(w->sightings[2].previous, "2");
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* --- what is told -------------------------------------------------------------------------------------------------- */

START_TEST(each_attempt_leaves_a_record)
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
    static const struct {
        vmx_attempt_why why;
        int grpc_code;
        int64_t start_us, duration_us;
    } expected[] = {
        {VMX_ATTEMPT_FIRST, VMX_GRPC_UNAVAILABLE, 0, 7 * MS},
        {VMX_ATTEMPT_RETRY, VMX_GRPC_RESOURCE_EXHAUSTED, 107 * MS, 0},
        {VMX_ATTEMPT_PUSHBACK, VMX_GRPC_DEADLINE_EXCEEDED, 157 * MS, 500 * MS},
        {VMX_ATTEMPT_TIMED_OUT, VMX_GRPC_UNAVAILABLE, 1057 * MS, 0},
        {VMX_ATTEMPT_TRANSPARENT, VMX_GRPC_OK, 1057 * MS, 3 * MS},
    };
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.attempt_timeout_ms = 500;
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 5);
    vmx_op *op = world_query(w, &options);
    ck_assert_uint_eq(vmx_op_attempt_count(op), 0); /* none while it runs */
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(vmx_op_attempt_count(op), 5);
    for (size_t i = 0; i < 5; i++) {
        vmx_attempt_info info = record(op, i);
        ck_assert_int_eq(info.why, expected[i].why);
        ck_assert_int_eq(info.grpc_code, expected[i].grpc_code);
        ck_assert_int_eq(info.start_us, expected[i].start_us);
        ck_assert_int_eq(info.duration_us, expected[i].duration_us);
        ck_assert_uint_eq(info.peer.len, i == 2 ? 0 : strlen("203.0.113.1:443"));
    }
    vmx_attempt_info info;
    vmx_attempt_info_init(&info, sizeof info);
    ck_assert(!vmx_op_attempt(op, 5, &info));
    ck_assert_uint_eq(vmx_op_error(op)->attempts, 5);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* Of very many attempts the first 16 and the last 16 are kept. */
START_TEST(of_many_attempts_the_first_and_the_last_are_kept)
{
    const char *const properties[] = {"retry.budget.tokens", "0", NULL};
    world *w = world_new(1, properties);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.max_attempts = 1000;
    retry.initial_backoff_ms = retry.max_backoff_ms = 10;
    vmx_call_options options = world_options(&retry);
    world_script(w, &down, 1);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_UNAVAILABLE);
    ck_assert_uint_eq(vmx_op_error(op)->attempts, 1000);
    ck_assert_uint_eq(vmx_op_attempt_count(op), 32);
    for (size_t i = 0; i < 32; i++)
        ck_assert_int_eq(record(op, i).start_us, (int64_t)(i < 16 ? i : i + 968) * 10 * MS);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(an_empty_budget_is_told)
{
    const char *const properties[] = {"retry.budget.tokens", "4", NULL};
    world *w = world_new(1, properties);
    world_script(w, &down, 1);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    vmx_call_options options = world_options(&retry);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_UNAVAILABLE);
    const vmx_error *error = vmx_op_error(op);
    ck_assert(error->budget_exhausted);
    ck_assert_uint_eq(error->attempts, 2); /* 4 tokens: 3 are more than half, 2 are not */
    ck_assert_msg(strstr(error->message, "the retry budget is empty") != NULL, "%s", error->message);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(the_servers_hint_is_told)
{
    static const answer hint = {.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED,
                                .reach = VMX_REACH_SERVER,
                                .text = "slower",
                                .key = "retry-after",
                                .value = "7"};
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_NONE);
    vmx_call_options options = world_options(&retry);
    world_script(w, &hint, 1);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_RESOURCE_EXHAUSTED);
    ck_assert_int_eq(vmx_op_error(op)->retry_after_ms, 7000);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* --- waiting for a connection -------------------------------------------------------------------------------------- */

START_TEST(who_waits_for_a_connection_is_told_why_there_is_none)
{
    world *w = world_connecting_to(VMX_CHANNEL_FAILING, 1, NULL);
    vmx_call_options options = world_options(NULL);
    options.wait_for_ready = 1;
    options.timeout_ms = 900;
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
    const vmx_error *error = vmx_op_error(op);
    ck_assert_msg(strstr(error->message, "failed to connect") != NULL, "%s", error->message);
    ck_assert_uint_eq(error->attempts, 0);
    ck_assert_int_eq(error->outcome, VMX_OUTCOME_NOT_SENT);
    ck_assert(error->retriable);
    ck_assert_double_eq(world_ms(w, world_now(w)), 900);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(who_waits_for_a_connection_gets_it)
{
    world *w = world_connecting_to(VMX_CHANNEL_FAILING, 1, NULL);
    vmx_call_options options = world_options(NULL);
    options.wait_for_ready = 1;
    vmx_op *op = world_query(w, &options);
    world_run(w, 500 * MS);
    ck_assert(!vmx_op_done(op));
    w->connect_to = VMX_CHANNEL_READY;
    vmx_fake_channel_state(world_channel(w, 2), VMX_CHANNEL_READY, 20 * MS);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_double_eq(world_ms(w, world_now(w)), 520);
    ck_assert_uint_eq(vmx_op_error(op)->attempts, 1);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(what_an_earlier_call_has_done_is_not_denied)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_NOT_FOUND, .reach = VMX_REACH_SERVER, .text = "none"}, /* is it there? */
        {0},                                                                          /* it is made */
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_NONE, .text = "down"}, /* as it is now? */
    };
    vmx_op *op;
    vmx_index_spec spec;
    world *w = world_new(1, (const char *const[]){"engine", "qdrant", NULL});
    vmx_retry retry = world_policy(VMX_RETRY_NONE);
    vmx_call_options options = world_options(&retry);
    vmx_index_spec_init(&spec, sizeof spec);
    spec.dimension = 4;
    spec.metric = VMX_STR("cosine");
    world_script(w, script, 3);
    ck_assert_int_eq(vmx_index_ensure(w->index, &spec, &options, &op, NULL), VMX_OK);
    ck_assert_int_eq(world_wait(op), VMX_ERR_UNAVAILABLE);
    ck_assert_str_eq(w->sightings[1].method, "/qdrant.Collections/Create");
    ck_assert_int_eq(vmx_op_error(op)->outcome, VMX_OUTCOME_UNKNOWN);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* --- times beyond all bounds ---------------------------------------------------------------------------------------- */

/* As many milliseconds that their microseconds do not fit into 64 bits, but for a few hundred. */
#define WRAPPING_MS      INT64_C(18446744073709552)
#define WRAPPING_MS_TEXT "18446744073709552"

static void
check_one_attempt(const vmx_retry *retry, const answer *how)
{
    world *w = world_new(1, NULL);
    vmx_call_options options = world_options(retry);
    options.timeout_ms = VMX_FOREVER;
    world_script(w, how, 1);
    vmx_op *op = world_query(w, &options);
    world_run(w, 10000 * MS);
    ck_assert_uint_eq(w->count, 1);
    vmx_op_free(op);
    world_free(w);
}

START_TEST(a_pause_that_never_ends_is_not_a_short_one)
{
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.jitter = VMX_JITTER_NONE;
    retry.initial_backoff_ms = retry.max_backoff_ms = WRAPPING_MS;
    check_one_attempt(&retry, &down);
    retry.initial_backoff_ms = retry.max_backoff_ms = VMX_FOREVER;
    check_one_attempt(&retry, &down);
}
END_TEST

START_TEST(a_hedge_that_never_comes_does_not_come_at_once)
{
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = WRAPPING_MS;
    check_one_attempt(&retry, &silence);
    retry.hedge_delay_ms = VMX_FOREVER;
    check_one_attempt(&retry, &silence);
}
END_TEST

START_TEST(a_pushback_for_ever_is_not_a_short_one)
{
    static const answer wait = {.grpc_code = VMX_GRPC_UNAVAILABLE,
                                .reach = VMX_REACH_SERVER,
                                .text = "no",
                                .key = "grpc-retry-pushback-ms",
                                .value = WRAPPING_MS_TEXT};
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    check_one_attempt(&retry, &wait);
}
END_TEST

/* --- cancel and deadline in every phase ---------------------------------------------------------------------------- */

/* Runs `op` for a while, cancels it, and sees it end now. */
static void
check_cancel(world *w, vmx_op *op, uint64_t after_us, vmx_outcome outcome)
{
    world_run(w, after_us);
    ck_assert(!vmx_op_done(op));
    double before = world_ms(w, world_now(w));
    vmx_op_cancel(op);
    ck_assert_int_eq(world_wait(op), VMX_ERR_CANCELLED);
    ck_assert_double_eq(world_ms(w, world_now(w)), before);
    ck_assert_int_eq(vmx_op_error(op)->outcome, outcome);
    vmx_op_free(op);
    world_free(w);
}

/* As vmx_client_free does it to an operation that another thread is about to start. */
START_TEST(cancel_before_the_start)
{
    vmx_run *run;
    vmx_op *op;
    vmx_error error;
    world *w = world_new(1, NULL);
    world_script(w, &silence, 1);
    ck_assert_int_eq(vmx_run_new(w->client, "stats", VMX_STR(""), NULL, &run, &error), VMX_OK);
    vmx_status begun = run->machine.engine->vtable->stats(&run->machine, &run->step);
    vmx_op_cancel(&run->op);
    ck_assert_int_eq(vmx_run_launch(run, begun, &op, &error), VMX_OK);
    ck_assert(!vmx_op_done(op));
    world_run(w, 1000 * MS);
    ck_assert_int_eq(vmx_op_status(op), VMX_ERR_CANCELLED);
    ck_assert_uint_eq(w->count, 0);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(cancel_in_line)
{
    world *w = world_connecting_to(VMX_CHANNEL_CONNECTING, 1, NULL);
    check_cancel(w, world_upsert(w, NULL), 10 * MS, VMX_OUTCOME_NOT_SENT);
}
END_TEST

START_TEST(cancel_in_an_attempt)
{
    world *w = world_new(1, NULL);
    world_script(w, &silence, 1);
    check_cancel(w, world_upsert(w, NULL), 10 * MS, VMX_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(cancel_in_a_pause)
{
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_BULK);
    vmx_call_options options = world_options(&retry);
    world_script(w, &down, 1);
    check_cancel(w, world_upsert(w, &options), 100 * MS, VMX_OUTCOME_NOT_SENT);
}
END_TEST

START_TEST(cancel_in_a_hedge)
{
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = 10;
    vmx_call_options options = world_options(&retry);
    world_script(w, &silence, 1);
    vmx_op *op = world_query(w, &options);
    world_run(w, 20 * MS);
    ck_assert_uint_eq(w->count, 2);
    check_cancel(w, op, 1 * MS, VMX_OUTCOME_UNKNOWN);
}
END_TEST

START_TEST(cancel_in_a_wait_of_the_machine)
{
    static const answer behind = {.key = "x-pinecone-max-indexed-lsn", .value = "1"};
    world *w = world_new(1, NULL);
    vmx_op *op = NULL;
    vmx_error error;
    world_script(w, &behind, 1);
    ck_assert_int_eq(vmx_index_wait_visible(w->index, 5, NULL, &op, &error), VMX_OK);
    world_run(w, 30 * MS);
    ck_assert_uint_eq(w->count, 2); /* at once, and after 20 ms */
    check_cancel(w, op, 1 * MS, VMX_OUTCOME_NOT_SENT);
}
END_TEST

START_TEST(the_deadline_in_line)
{
    world *w = world_connecting_to(VMX_CHANNEL_CONNECTING, 1, NULL);
    vmx_call_options options = world_options(NULL);
    options.timeout_ms = 250;
    vmx_op *op = world_upsert(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
    ck_assert_double_eq(world_ms(w, world_now(w)), 250);
    ck_assert_int_eq(vmx_op_error(op)->outcome, VMX_OUTCOME_NOT_SENT);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(the_deadline_in_a_hedge)
{
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = 10;
    vmx_call_options options = world_options(&retry);
    options.timeout_ms = 250;
    world_script(w, &silence, 1);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
    ck_assert_double_eq(world_ms(w, world_now(w)), 250);
    ck_assert_uint_eq(w->count, 2);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* Granted a connection, but late. */
START_TEST(the_deadline_before_the_first_attempt)
{
    world *w = world_blank();
    world_open(w, 1, NULL);
    vmx_call_options options = world_options(NULL);
    options.timeout_ms = 250;
    vmx_op *op = world_query(w, &options);
    vmx_fake_advance(w->transport, 300 * MS);
    ck_assert_int_eq(world_wait(op), VMX_ERR_DEADLINE);
    ck_assert_uint_eq(w->count, 0);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* --- several calls in one operation -------------------------------------------------------------------------------- */

START_TEST(each_page_of_a_list_is_retried_by_itself)
{
    const answer script[] = {{.body = world_more_pages}, down, down, {.body = world_more_pages}, down, down, {0}};
    world *w = world_new(1, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_INTERACTIVE); /* three attempts each */
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 7);
    vmx_op *op = world_list(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 7);
    ck_assert_double_eq(world_ms(w, world_now(w)), 120);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        four_mebibytes_are_sent_again_without_a_copy,
        one_kibibyte_is_sent_again_without_a_copy,
        the_server_learns_how_many_attempts_there_were,
        each_attempt_leaves_a_record,
        of_many_attempts_the_first_and_the_last_are_kept,
        an_empty_budget_is_told,
        the_servers_hint_is_told,
        who_waits_for_a_connection_is_told_why_there_is_none,
        who_waits_for_a_connection_gets_it,
        what_an_earlier_call_has_done_is_not_denied,
        a_pause_that_never_ends_is_not_a_short_one,
        a_hedge_that_never_comes_does_not_come_at_once,
        a_pushback_for_ever_is_not_a_short_one,
        cancel_before_the_start,
        cancel_in_line,
        cancel_in_an_attempt,
        cancel_in_a_pause,
        cancel_in_a_hedge,
        cancel_in_a_wait_of_the_machine,
        the_deadline_in_line,
        the_deadline_in_a_hedge,
        the_deadline_before_the_first_attempt,
        each_page_of_a_list_is_retried_by_itself,
        NULL,
    };
    return run_suite("rpc_retries", tests);
}
