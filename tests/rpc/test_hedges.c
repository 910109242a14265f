/* Hedges: when they are sent, where, and what becomes of the losers. */
#include "core/suite.h"
#include "rpc/harness.h"

#define MS     1000u
#define SECOND 1000000u

static vmx_retry
hedging(void)
{
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = 20;
    return retry;
}

START_TEST(a_hedge_takes_another_connection)
{
    static const answer script[] = {{.delay_us = 500 * MS}, {.delay_us = 5 * MS}};
    world *w = world_new(1, NULL);
    vmx_retry retry = hedging();
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 2);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_double_eq(world_ms(w, world_now(w)), 25);
    ck_assert_uint_eq(w->count, 2);
    ck_assert_ptr_ne(w->sightings[0].channel, w->sightings[1].channel);
    vmx_attempt_info info;
    vmx_attempt_info_init(&info, sizeof info);
    ck_assert(vmx_op_attempt(op, 1, &info));
    ck_assert_int_eq(info.why, VMX_ATTEMPT_HEDGE);
    ck_assert(vmx_op_attempt(op, 0, &info));
    ck_assert_int_eq(info.grpc_code, -1); /* dropped */
    world_run(w, 0);
    ck_assert(w->sightings[0].dropped);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(a_hedge_may_save_a_failure)
{
    static const answer script[] = {
        {.grpc_code = VMX_GRPC_UNAVAILABLE, .reach = VMX_REACH_SERVER, .text = "no", .delay_us = 30 * MS},
        {.delay_us = 50 * MS}};
    world *w = world_new(1, NULL);
    vmx_retry retry = hedging();
    vmx_call_options options = world_options(&retry);
    world_script(w, script, 2);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_double_eq(world_ms(w, world_now(w)), 70);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

START_TEST(nothing_is_hedged_that_writes_or_has_no_second_connection)
{
    static const answer slow = {.delay_us = 100 * MS};
    const char *const properties[] = {"channel.count", "1", NULL};
    world *w = world_new(1, properties);
    vmx_retry retry = hedging();
    vmx_call_options options = world_options(&retry);
    world_script(w, &slow, 1);
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 1);
    vmx_op_free(op);
    world_free(w);
    w = world_new(1, NULL);
    world_script(w, &slow, 1);
    op = world_upsert(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(w->count, 1);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

/* The first attempts are slow, the hedges are not. */
static void
answer_hedges_only(world *w, size_t n, const sighting *seen)
{
    (void)w;
    (void)n;
    world_answer(seen->stream, &(answer){.delay_us = seen->previous[0] != '\0' ? 5 * MS : 2 * SECOND});
}

/* Ten calls lose an attempt each; `allowed` of those may be cancelled, the others end by themselves, long after the op. */
static void
check_cancels(const char *per_second, size_t allowed)
{
    const char *const properties[] = {"hedge.cancels.per.second", per_second, NULL};
    world *w = world_new(1, properties);
    vmx_retry retry = hedging();
    vmx_call_options options = world_options(&retry);
    vmx_op *ops[10];
    w->on_stream = answer_hedges_only;
    for (size_t i = 0; i < 10; i++)
        ops[i] = world_query(w, &options);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_int_eq(world_wait(ops[i]), VMX_OK);
        vmx_op_free(ops[i]);
    }
    world_run(w, 1 * MS);
    ck_assert_uint_eq(w->count, 20);
    ck_assert_uint_eq(vmx_fake_counters_of(w->transport)->cancelled, allowed);
    ck_assert_uint_eq(vmx_fake_counters_of(w->transport)->open, 10 - allowed);
    world_run(w, 3 * SECOND);
    ck_assert_uint_eq(vmx_fake_counters_of(w->transport)->open, 0);
    world_free(w);
}

START_TEST(losers_are_cancelled_only_so_fast)
{
    check_cancels("0", 0);
    check_cancels("3", 3);
    check_cancels("50", 10);
}
END_TEST

/* Memory checkers see what happens to it. */
START_TEST(a_client_may_end_before_its_losers)
{
    const char *const properties[] = {"hedge.cancels.per.second", "0", NULL};
    world *w = world_new(1, properties);
    vmx_retry retry = hedging();
    vmx_call_options options = world_options(&retry);
    w->on_stream = answer_hedges_only;
    vmx_op *op = world_query(w, &options);
    ck_assert_int_eq(world_wait(op), VMX_OK);
    ck_assert_uint_eq(vmx_fake_counters_of(w->transport)->open, 1);
    vmx_op_free(op);
    world_free(w);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_hedge_takes_another_connection,
                                  a_hedge_may_save_a_failure,
                                  nothing_is_hedged_that_writes_or_has_no_second_connection,
                                  losers_are_cancelled_only_so_fast,
                                  a_client_may_end_before_its_losers,
                                  NULL};
    return run_suite("rpc_hedges", tests);
}
