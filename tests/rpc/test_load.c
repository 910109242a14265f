/* Many callers at once: storms, hedges and servers that take only so many calls. The figures are printed. */
#include <math.h>
#include <stdio.h>

#include "core/suite.h"
#include "rpc/callers.h"
#include "rpc/harness.h"
#include "rpc/link.h"

#define SECOND 1000000u

static double
ratio(size_t part, size_t whole)
{
    return (double)part / (double)whole;
}

/* --- storms -------------------------------------------------------------------------------------------------------- */

typedef struct storm {
    uint64_t until_us;
    size_t attempts_when_empty; /* the server's count when a call was told that the budget is empty */
} storm;

static void
answer_storm(world *w, size_t n, const sighting *seen)
{
    const storm *s = w->user;
    (void)n;
    bool down = world_now(w) < s->until_us;
    world_answer(seen->stream, &(answer){.grpc_code = down ? VMX_GRPC_UNAVAILABLE : VMX_GRPC_OK,
                                         .reach = VMX_REACH_SERVER,
                                         .text = "no",
                                         .delay_us = 20000});
}

START_TEST(a_server_that_is_down_sees_each_call_about_once)
{
    world *w = world_new(1, NULL);
    storm s = {.until_us = world_now(w) + 10 * SECOND};
    w->on_stream = answer_storm;
    w->user = &s;
    callers first = {.count = 200, .until_us = world_now(w) + SECOND}; /* empties the budget */
    callers_run(w, &first);
    size_t before = w->count;
    ck_assert(!vmx_budget_allows(&w->client->caller.budget));
    callers rest = {.count = 200, .until_us = s.until_us};
    callers_run(w, &rest);
    printf("storm: %zu attempts for %zu calls once the budget was empty\n", w->count - before, rest.calls);
    ck_assert_double_le(ratio(w->count - before, rest.calls), 1.2);
    ck_assert_uint_gt(first.budget_exhausted, 0);
    free(first.durations);
    free(rest.durations);
    world_free(w);
}
END_TEST

START_TEST(calls_succeed_soon_after_the_server_does)
{
    world *w = world_new(1, NULL);
    storm s = {.until_us = world_now(w) + 10 * SECOND};
    uint64_t end_us = s.until_us;
    w->on_stream = answer_storm;
    w->user = &s;
    callers c = {.count = 200, .until_us = end_us + SECOND * 3 / 2, .late_us = end_us};
    callers_run(w, &c);
    printf("storm: first success %g ms after the server's return, %zu of %zu calls in the 1.5 s behind it\n",
           (double)(c.first_success_us - end_us) / 1000, c.late_succeeded, c.late_calls);
    ck_assert_uint_eq(c.late_succeeded, c.late_calls);
    ck_assert_uint_le(c.first_success_us - end_us, SECOND * 3 / 2);
    ck_assert(vmx_budget_allows(&w->client->caller.budget));
    free(c.durations);
    world_free(w);
}
END_TEST

static void
answer_by_chance(world *w, size_t n, const sighting *seen)
{
    (void)n;
    bool down = vmx_random_unit(vmx_fake_random(w->transport)) < 0.1;
    world_answer(seen->stream, &(answer){.grpc_code = down ? VMX_GRPC_UNAVAILABLE : VMX_GRPC_OK,
                                         .reach = VMX_REACH_SERVER,
                                         .text = "no",
                                         .delay_us = 10000});
}

START_TEST(a_tenth_of_failures_is_outlived)
{
    world *w = world_new(7, NULL);
    w->on_stream = answer_by_chance;
    callers c = {.count = 50, .until_us = VMX_NEVER, .max_calls = 10000};
    callers_run(w, &c);
    printf("one in ten: %zu of %zu calls succeeded, %zu attempts\n", c.succeeded, c.calls, w->count);
    ck_assert_double_ge(ratio(c.succeeded, c.calls), 0.95);
    free(c.durations);
    world_free(w);
}
END_TEST

/* --- hedges -------------------------------------------------------------------------------------------------------- */

/* 5 ms and an exponential tail of 3 ms in the mean; one in a hundred is 500 ms late. */
static void
answer_late_sometimes(world *w, size_t n, const sighting *seen)
{
    (void)n;
    vmx_random *random = vmx_fake_random(w->transport);
    double ms = 5 - 3 * log(1 - vmx_random_unit(random));
    if (vmx_random_unit(random) < 0.01)
        ms += 500;
    world_answer(seen->stream, &(answer){.delay_us = (uint64_t)(ms * 1000)});
}

typedef struct measured {
    double p995_ms;
    double extra; /* attempts beyond one a call */
} measured;

static measured
measure_hedges(int64_t delay_ms)
{
    world *w = world_new(3, NULL);
    vmx_retry retry = world_policy(VMX_RETRY_DEFAULT);
    retry.hedge_delay_ms = delay_ms;
    w->on_stream = answer_late_sometimes;
    callers c = {.count = 8, .until_us = VMX_NEVER, .max_calls = 50000, .retry = &retry};
    callers_run(w, &c);
    ck_assert_uint_eq(c.succeeded, c.calls);
    measured m = {callers_quantile(&c, 0.995), ratio(w->count, c.calls) - 1};
    printf("hedge after %lld: p99.5 %.1f ms, %.2f %% more calls\n", (long long)delay_ms, m.p995_ms, 100 * m.extra);
    free(c.durations);
    world_free(w);
    return m;
}

START_TEST(hedging_cuts_the_tail)
{
    measured none = measure_hedges(0);
    measured fixed = measure_hedges(50);
    measured p95 = measure_hedges(VMX_HEDGE_P95);
    ck_assert_double_eq(none.extra, 0);
    ck_assert_double_ge(none.p995_ms, 5 * fixed.p995_ms);
    ck_assert_double_ge(none.p995_ms, 5 * p95.p995_ms);
    ck_assert_double_lt(fixed.extra, 0.02);
    ck_assert_double_lt(p95.extra, 0.06);
    ck_assert_double_gt(p95.extra, 0.01);
}
END_TEST

/* --- the gate ------------------------------------------------------------------------------------------------------ */

/* Takes so many calls at a time, for 20 ms each, and refuses the rest within a millisecond. */
typedef struct small_server {
    size_t takes;
    uint64_t ends_us[64];
    size_t accepted, refused;
    uint64_t settled_us; /* when the limit was last outside 20 % of `takes` */
    double least, most;  /* limits seen in the second half */
    uint64_t half_us;
} small_server;

static bool
take_place(small_server *s, uint64_t now_us, uint64_t end_us)
{
    for (size_t i = 0; i < s->takes; i++)
        if (s->ends_us[i] <= now_us) {
            s->ends_us[i] = end_us;
            return true;
        }
    return false;
}

static void
note_limit(small_server *s, double limit, uint64_t now_us)
{
    if (fabs(limit - (double)s->takes) > 0.2 * (double)s->takes)
        s->settled_us = now_us;
    if (now_us < s->half_us)
        return;
    s->least = s->least == 0 || limit < s->least ? limit : s->least;
    s->most = limit > s->most ? limit : s->most;
}

static void
answer_few(world *w, size_t n, const sighting *seen)
{
    small_server *s = w->user;
    (void)n;
    uint64_t now_us = world_now(w);
    note_limit(s, vmx_pool_limit(w->client->pool), now_us);
    if (take_place(s, now_us, now_us + 20000)) {
        s->accepted++;
        world_answer(seen->stream, &(answer){.delay_us = 20000});
    } else {
        s->refused++;
        world_answer(seen->stream, &(answer){.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED,
                                             .reach = VMX_REACH_SERVER,
                                             .text = "too many requests",
                                             .delay_us = 1000});
    }
}

/* So many callers for a minute; returns how many calls the server took. */
static size_t
load_small_server(const char *const *properties, size_t callers_count, small_server *s)
{
    world *w = world_new(1, properties);
    s->half_us = world_now(w) + 30 * SECOND;
    w->on_stream = answer_few;
    w->user = s;
    callers c = {.count = callers_count, .until_us = world_now(w) + 60 * SECOND};
    callers_run(w, &c);
    s->settled_us -= s->settled_us > w->origin_us ? w->origin_us : s->settled_us;
    free(c.durations);
    world_free(w);
    return s->accepted;
}

START_TEST(the_gate_finds_out_how_many_calls_the_server_takes)
{
    const char *const told[] = {
        "concurrency.adaptive", "false", "channel.count", "1", "channel.max.streams", "8", NULL};
    small_server right = {.takes = 8}, learnt = {.takes = 8};
    size_t most = load_small_server(told, 64, &right);
    size_t taken = load_small_server(NULL, 64, &learnt);
    double accepted = ratio(learnt.accepted, learnt.accepted + learnt.refused);
    printf(
        "gate: limit %.2f to %.2f for 8, settled after %.1f s; %.1f %% accepted; %.1f %% of the calls of a client that "
        "was told\n",
        learnt.least, learnt.most, (double)learnt.settled_us / SECOND, 100 * accepted, 100 * ratio(taken, most));
    ck_assert_uint_eq(right.refused, 0);
    ck_assert_double_ge(learnt.least, 6.4);
    ck_assert_double_le(learnt.most, 9.6);
    ck_assert_double_gt(accepted, 0.95);
    ck_assert_double_ge(ratio(taken, most), 0.9);
}
END_TEST

START_TEST(a_burst_does_not_teach_the_gate_by_refusals)
{
    small_server s = {.takes = 8};
    load_small_server(NULL, 200, &s);
    double accepted = ratio(s.accepted, s.accepted + s.refused);
    printf("gate: 200 at once, settled after %.2f s; %.1f %% accepted\n", (double)s.settled_us / SECOND,
           100 * accepted);
    ck_assert_double_gt(accepted, 0.97);
    ck_assert_uint_lt(s.settled_us, SECOND / 10);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_server_that_is_down_sees_each_call_about_once,
        calls_succeed_soon_after_the_server_does,
        a_tenth_of_failures_is_outlived,
        hedging_cuts_the_tail,
        the_gate_finds_out_how_many_calls_the_server_takes,
        a_burst_does_not_teach_the_gate_by_refusals,
        NULL,
    };
    return run_suite("rpc_load", tests);
}
