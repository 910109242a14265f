/* The small parts of rpc/ by themselves: budget, gate, health, latency, pace. */
#include <math.h>

#include "core/random.h"
#include "core/suite.h"
#include "rpc/budget.h"
#include "rpc/gate.h"
#include "rpc/health.h"
#include "rpc/latency.h"
#include "rpc/pace.h"

#define MS     1000u
#define SECOND 1000000u

/* --- budget -------------------------------------------------------------------------------------------------------- */

START_TEST(the_budget_allows_while_more_than_half_is_there)
{
    vmx_budget budget;
    vmx_budget_init(&budget, 10, 0.2);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(vmx_budget_failure(&budget), VMX_BUDGET_AS_BEFORE);
        ck_assert(vmx_budget_allows(&budget));
    }
    ck_assert_int_eq(vmx_budget_failure(&budget), VMX_BUDGET_EMPTIED);
    ck_assert(!vmx_budget_allows(&budget));
    ck_assert_int_eq(vmx_budget_success(&budget), VMX_BUDGET_REFILLED);
    ck_assert(vmx_budget_allows(&budget));
}
END_TEST

START_TEST(the_budget_stays_within_its_bounds)
{
    vmx_budget budget;
    vmx_budget_init(&budget, 10, 0.5);
    for (int i = 0; i < 100; i++)
        vmx_budget_failure(&budget);
    for (int i = 0; i < 10; i++)
        vmx_budget_success(&budget);
    ck_assert(!vmx_budget_allows(&budget)); /* 5 tokens: not below 0 before */
    vmx_budget_success(&budget);
    ck_assert(vmx_budget_allows(&budget));
    for (int i = 0; i < 100; i++)
        vmx_budget_success(&budget);
    for (int i = 0; i < 5; i++)
        vmx_budget_failure(&budget);
    ck_assert(!vmx_budget_allows(&budget)); /* not above 10 before */
}
END_TEST

START_TEST(a_budget_of_nothing_is_none)
{
    vmx_budget budget;
    vmx_budget_init(&budget, 0, 0.2);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(vmx_budget_failure(&budget), VMX_BUDGET_AS_BEFORE);
    ck_assert(vmx_budget_allows(&budget));
}
END_TEST

/* --- gate ---------------------------------------------------------------------------------------------------------- */

static void
enter(vmx_gate *gate, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vmx_gate_enter(gate);
}

START_TEST(the_gate_stands_open_until_the_server_throttles)
{
    vmx_gate gate;
    vmx_gate_init(&gate, true);
    enter(&gate, 1000);
    ck_assert(vmx_gate_is_open(&gate));
    for (int i = 0; i < 500; i++)
        vmx_gate_leave(&gate, 0, VMX_GATE_ACCEPTED);
    ck_assert_double_eq(gate.limit, 0);
    vmx_gate_leave(&gate, 0, VMX_GATE_THROTTLED);
    ck_assert_double_eq_tol(gate.limit, 450, 1e-9);
    ck_assert(!vmx_gate_is_open(&gate));
}
END_TEST

START_TEST(a_burst_of_refusals_leaves_what_was_taken)
{
    vmx_gate gate;
    vmx_gate_init(&gate, true);
    enter(&gate, 200);
    for (int i = 0; i < 192; i++)
        vmx_gate_leave(&gate, 0, VMX_GATE_THROTTLED);
    ck_assert_double_eq(gate.limit, 8);
    ck_assert_uint_eq(gate.round, 1);
    ck_assert(!vmx_gate_is_open(&gate));
    vmx_gate_leave(&gate, 0, VMX_GATE_ACCEPTED);
    ck_assert(vmx_gate_is_open(&gate));
}
END_TEST

START_TEST(a_full_run_of_successes_adds_a_tenth)
{
    vmx_gate gate;
    vmx_gate_init(&gate, true);
    enter(&gate, 21);
    vmx_gate_leave(&gate, 0, VMX_GATE_THROTTLED);
    ck_assert_double_eq_tol(gate.limit, 18.9, 1e-9);
    for (int i = 0; i < 18; i++) {
        vmx_gate_leave(&gate, 1, VMX_GATE_ACCEPTED);
        vmx_gate_enter(&gate);
    }
    ck_assert_double_eq_tol(gate.limit, 18.9, 1e-9);
    vmx_gate_leave(&gate, 1, VMX_GATE_ACCEPTED);
    ck_assert_double_eq_tol(gate.limit, 19, 1e-9);
    vmx_gate_leave(&gate, 1, VMX_GATE_NEITHER);
    ck_assert_double_eq_tol(gate.limit, 19, 1e-9);
}
END_TEST

START_TEST(a_limit_that_holds_nobody_back_does_not_grow)
{
    vmx_gate gate;
    vmx_gate_init(&gate, true);
    enter(&gate, 20);
    vmx_gate_leave(&gate, 0, VMX_GATE_THROTTLED);
    for (int i = 0; i < 15; i++)
        vmx_gate_leave(&gate, 0, VMX_GATE_NEITHER);
    double limit = gate.limit;
    for (int i = 0; i < 1000; i++) {
        vmx_gate_enter(&gate);
        vmx_gate_leave(&gate, 1, VMX_GATE_ACCEPTED);
    }
    ck_assert_double_eq(gate.limit, limit);
}
END_TEST

START_TEST(one_call_may_always_go)
{
    vmx_gate gate;
    vmx_gate_init(&gate, true);
    for (int i = 0; i < 50; i++) {
        ck_assert(vmx_gate_is_open(&gate));
        uint64_t round = vmx_gate_enter(&gate);
        vmx_gate_leave(&gate, round, VMX_GATE_THROTTLED);
    }
    ck_assert_double_eq(gate.limit, 1);
}
END_TEST

START_TEST(a_gate_that_is_off_stays_open)
{
    vmx_gate gate;
    vmx_gate_init(&gate, false);
    enter(&gate, 10);
    vmx_gate_leave(&gate, 0, VMX_GATE_THROTTLED);
    ck_assert(vmx_gate_is_open(&gate));
    ck_assert_double_eq(gate.limit, 0);
}
END_TEST

/* --- health -------------------------------------------------------------------------------------------------------- */

static const vmx_health_rules rules = {
    .consecutive = 5, .rate_percent = 50, .min_calls = 20, .first_pause_ms = 1000, .max_pause_ms = 5000};

START_TEST(failures_in_a_row_eject)
{
    vmx_health health = {0};
    for (int i = 0; i < 4; i++)
        ck_assert(!vmx_health_note(&health, &rules, true));
    ck_assert(!vmx_health_note(&health, &rules, false)); /* breaks the row */
    for (int i = 0; i < 4; i++)
        ck_assert(!vmx_health_note(&health, &rules, true));
    ck_assert(vmx_health_note(&health, &rules, true));
}
END_TEST

START_TEST(a_rate_of_failures_ejects)
{
    const vmx_health_rules half = {.consecutive = 100, .rate_percent = 50, .min_calls = 20};
    vmx_health health = {0};
    for (int i = 0; i < 500; i++) /* half of them: not more than half */
        ck_assert(!vmx_health_note(&health, &half, i % 2 != 0));
    health = (vmx_health){0};
    for (int i = 0; i < 19; i++) /* too few to tell */
        ck_assert(!vmx_health_note(&health, &half, i % 3 != 0));
    ck_assert(vmx_health_note(&health, &half, true));
}
END_TEST

START_TEST(old_trouble_is_forgotten)
{
    const vmx_health_rules half = {.consecutive = 100000, .rate_percent = 50, .min_calls = 20};
    vmx_health health = {0};
    for (int i = 0; i < 10000; i++)
        vmx_health_note(&health, &half, false);
    int needed = 0;
    while (needed < 10000 && !vmx_health_note(&health, &half, true))
        needed++;
    ck_assert_int_lt(needed, 1500); /* ten thousand good calls do not weigh as much as they are */
}
END_TEST

START_TEST(zero_switches_ejection_off)
{
    const vmx_health_rules off = {.rate_percent = 1, .min_calls = 1};
    vmx_health health = {0};
    for (int i = 0; i < 100; i++)
        ck_assert(!vmx_health_note(&health, &off, true));
}
END_TEST

START_TEST(the_pause_doubles_up_to_a_maximum)
{
    static const uint64_t pauses_ms[] = {1000, 2000, 4000, 5000, 5000};
    vmx_health health = {0};
    uint64_t now_us = 7 * SECOND;
    for (size_t i = 0; i < 5; i++) {
        vmx_health_eject(&health, &rules, now_us);
        ck_assert(vmx_health_is_ejected(&health, now_us + pauses_ms[i] * MS - 1));
        ck_assert(!vmx_health_is_ejected(&health, now_us + pauses_ms[i] * MS));
        now_us += pauses_ms[i] * MS;
    }
    for (int i = 0; i < 20; i++) /* as many good calls as tell a rate */
        vmx_health_note(&health, &rules, false);
    vmx_health_eject(&health, &rules, now_us);
    ck_assert(!vmx_health_is_ejected(&health, now_us + 1000 * MS));
}
END_TEST

/* --- latency ------------------------------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Log-uniform from 10 us to 10 s, against the sorted values. */
START_TEST(quantiles_are_near_the_truth)
{
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];
    static const double quantiles[] = {0.01, 0.5, 0.9, 0.95, 0.99};
    vmx_latency latency;
    vmx_random random;
    vmx_latency_init(&latency);
    vmx_random_seed(&random, 11);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (uint64_t)(10 * pow(10, 6 * vmx_random_unit(&random)));
        vmx_latency_note(&latency, values[i]);
    }
    qsort(values, COUNT, sizeof *values, compare);
    for (size_t i = 0; i < 5; i++) {
        double truth = (double)values[(size_t)(quantiles[i] * COUNT) - 1];
        double value = (double)vmx_latency_quantile(&latency, quantiles[i]);
        ck_assert_double_ge(value, truth);
        ck_assert_double_le(value, truth * 1.07);
    }
    vmx_latency_destroy(&latency);
}
END_TEST

START_TEST(few_calls_tell_nothing)
{
    vmx_latency latency;
    vmx_latency_init(&latency);
    for (int i = 0; i < 99; i++)
        vmx_latency_note(&latency, 500);
    ck_assert_uint_eq(vmx_latency_quantile(&latency, 0.95), 0);
    vmx_latency_note(&latency, 500);
    ck_assert_uint_ge(vmx_latency_quantile(&latency, 0.95), 500);
    vmx_latency_destroy(&latency);
}
END_TEST

START_TEST(every_duration_has_its_place)
{
    for (uint64_t us = 0; us < 1u << 30; us += us / 50 + 1) {
        vmx_latency latency;
        vmx_latency_init(&latency);
        for (int i = 0; i < 100; i++)
            vmx_latency_note(&latency, us);
        uint64_t value = vmx_latency_quantile(&latency, 0.95);
        ck_assert_uint_ge(value, us);
        ck_assert_uint_le(value, us + us / 16);
        vmx_latency_destroy(&latency);
    }
    vmx_latency latency;
    vmx_latency_init(&latency);
    for (int i = 0; i < 100; i++)
        vmx_latency_note(&latency, UINT64_MAX);
    ck_assert_uint_gt(vmx_latency_quantile(&latency, 0.5), 1u << 30);
    vmx_latency_destroy(&latency);
}
END_TEST

START_TEST(a_change_of_the_times_is_noticed)
{
    vmx_latency latency;
    vmx_latency_init(&latency);
    for (int i = 0; i < 100000; i++)
        vmx_latency_note(&latency, 1000);
    for (int i = 0; i < 20000; i++)
        vmx_latency_note(&latency, 50000);
    ck_assert_uint_ge(vmx_latency_quantile(&latency, 0.5), 50000);
    vmx_latency_destroy(&latency);
}
END_TEST

/* --- pace ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_pace_lets_so_many_go_in_a_second)
{
    vmx_pace pace;
    vmx_pace_init(&pace, 50);
    size_t taken = 0;
    for (uint64_t us = SECOND; us < 11 * SECOND; us += 100)
        taken += vmx_pace_take(&pace, us);
    ck_assert_uint_ge(taken, 500);
    ck_assert_uint_le(taken, 550); /* a second's worth at once, then evenly */
}
END_TEST

START_TEST(a_pace_lets_a_seconds_worth_go_at_once)
{
    vmx_pace pace;
    vmx_pace_init(&pace, 3);
    size_t taken = 0;
    for (int i = 0; i < 100; i++)
        taken += vmx_pace_take(&pace, 5 * SECOND);
    ck_assert_uint_eq(taken, 3);
    ck_assert(!vmx_pace_take(&pace, 5 * SECOND + 300 * MS));
    ck_assert(vmx_pace_take(&pace, 5 * SECOND + 334 * MS));
    ck_assert(!vmx_pace_take(&pace, 5 * SECOND + 335 * MS));
}
END_TEST

START_TEST(a_pace_of_nothing_lets_nothing_go)
{
    vmx_pace pace;
    vmx_pace_init(&pace, 0);
    ck_assert(!vmx_pace_take(&pace, 0));
    ck_assert(!vmx_pace_take(&pace, 1000 * (uint64_t)SECOND));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        the_budget_allows_while_more_than_half_is_there,
        the_budget_stays_within_its_bounds,
        a_budget_of_nothing_is_none,
        the_gate_stands_open_until_the_server_throttles,
        a_burst_of_refusals_leaves_what_was_taken,
        a_full_run_of_successes_adds_a_tenth,
        a_limit_that_holds_nobody_back_does_not_grow,
        one_call_may_always_go,
        a_gate_that_is_off_stays_open,
        failures_in_a_row_eject,
        a_rate_of_failures_ejects,
        old_trouble_is_forgotten,
        zero_switches_ejection_off,
        the_pause_doubles_up_to_a_maximum,
        quantiles_are_near_the_truth,
        few_calls_tell_nothing,
        every_duration_has_its_place,
        a_change_of_the_times_is_noticed,
        a_pace_lets_so_many_go_in_a_second,
        a_pace_lets_a_seconds_worth_go_at_once,
        a_pace_of_nothing_lets_nothing_go,
        NULL,
    };
    return run_suite("rpc_parts", tests);
}
