/* rpc/retry.h: every branch of the choice, the ranges of the pauses, the server's hints. */
#include <string.h>

#include "core/suite.h"
#include "core/sync.h"
#include "rpc/retry.h"

#define MS 1000u

static vmx_random chance;

static vmx_retry
policy_of(vmx_retry_preset preset)
{
    vmx_retry policy;
    vmx_retry_init(&policy, sizeof policy, preset);
    policy.jitter = VMX_JITTER_NONE;
    return policy;
}

static vmx_reply
reply_of(int grpc_code, vmx_reach reach)
{
    return (vmx_reply){.grpc_code = grpc_code, .reach = reach, .text = {"", 0}, .peer = {"", 0}};
}

/* A first attempt that failed in a way worth a retry, with everything allowed. */
static vmx_retry_case
plain_case(const vmx_retry *policy, const vmx_reply *reply)
{
    return (vmx_retry_case){
        .policy = policy,
        .attempts = 1,
        .verdict = VMX_VERDICT_RETRIABLE,
        .reply = reply,
        .idempotent = true,
        .was_connected = true,
        .budget_allows = true,
        .now_us = 1000 * MS,
        .deadline_us = 31000 * MS,
    };
}

static void
check_stop(const vmx_retry_case *facts, vmx_stop stop)
{
    ck_assert_int_eq(vmx_retry_choose(facts, &chance).stop, stop);
}

static void
check_go(const vmx_retry_case *facts, vmx_attempt_why why, uint64_t pause_us)
{
    vmx_retry_choice choice = vmx_retry_choose(facts, &chance);
    ck_assert_int_eq(choice.stop, VMX_STOP_NONE);
    ck_assert_int_eq(choice.why, why);
    ck_assert_uint_eq(choice.pause_us, pause_us);
}

/* --- the choice ---------------------------------------------------------------------------------------------------- */

START_TEST(a_retriable_failure_is_tried_again)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER);
    vmx_retry_case facts = plain_case(&policy, &reply);
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
    facts.verdict = VMX_VERDICT_THROTTLED;
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
    facts.verdict = VMX_VERDICT_FINAL;
    check_stop(&facts, VMX_STOP_FINAL);
    facts.verdict = VMX_VERDICT_HOPELESS;
    check_stop(&facts, VMX_STOP_FINAL);
}
END_TEST

START_TEST(a_policy_may_name_the_codes)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_reply reply = reply_of(VMX_GRPC_INTERNAL, VMX_REACH_SERVER);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.verdict = VMX_VERDICT_FINAL;
    policy.retriable_codes = 1u << VMX_GRPC_INTERNAL;
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
    facts.verdict = VMX_VERDICT_HOPELESS; /* no policy cures that */
    check_stop(&facts, VMX_STOP_FINAL);
    reply.grpc_code = VMX_GRPC_UNAVAILABLE; /* not named */
    facts.verdict = VMX_VERDICT_RETRIABLE;
    check_stop(&facts, VMX_STOP_FINAL);
}
END_TEST

START_TEST(a_timed_out_attempt_is_tried_again)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_reply reply = reply_of(VMX_GRPC_DEADLINE_EXCEEDED, VMX_REACH_UNKNOWN);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.verdict = VMX_VERDICT_FINAL;
    facts.timed_out = true;
    check_go(&facts, VMX_ATTEMPT_TIMED_OUT, 100 * MS);
    facts.timed_out = false;
    check_stop(&facts, VMX_STOP_FINAL);
}
END_TEST

START_TEST(what_may_have_happened_is_not_done_twice)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN);
    vmx_retry_case facts = plain_case(&policy, &reply);
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
    facts.idempotent = false;
    check_stop(&facts, VMX_STOP_UNSAFE);
    reply.reach = VMX_REACH_SERVER; /* it said that it did not act */
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
}
END_TEST

START_TEST(what_never_arrived_is_repeated_once_without_counting)
{
    vmx_retry policy = policy_of(VMX_RETRY_NONE);
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_NONE);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.idempotent = facts.budget_allows = false;
    check_go(&facts, VMX_ATTEMPT_TRANSPARENT, 0);
    facts.transparent_used = true;
    check_stop(&facts, VMX_STOP_ATTEMPTS);
    facts.transparent_used = false;
    facts.was_connected = false; /* no connection could be made: that may last */
    check_stop(&facts, VMX_STOP_ATTEMPTS);
    facts.was_connected = true;
    facts.now_us = facts.deadline_us;
    check_stop(&facts, VMX_STOP_DEADLINE);
}
END_TEST

START_TEST(attempts_and_budget_are_limits)
{
    vmx_retry policy = policy_of(VMX_RETRY_INTERACTIVE);
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.attempts = 2;
    check_go(&facts, VMX_ATTEMPT_RETRY, 40 * MS);
    facts.budget_allows = false;
    check_stop(&facts, VMX_STOP_BUDGET);
    facts.attempts = 3;
    check_stop(&facts, VMX_STOP_ATTEMPTS);
}
END_TEST

START_TEST(no_retry_that_cannot_begin_in_time)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.deadline_us = facts.now_us + 100 * MS;
    check_stop(&facts, VMX_STOP_DEADLINE);
    facts.deadline_us++;
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
    facts.now_us = facts.deadline_us + 1;
    check_stop(&facts, VMX_STOP_DEADLINE);
    facts.deadline_us = VMX_NEVER;
    check_go(&facts, VMX_ATTEMPT_RETRY, 100 * MS);
}
END_TEST

/* --- hints --------------------------------------------------------------------------------------------------------- */

START_TEST(hints_are_read)
{
    static const struct {
        const char *key, *value;
        vmx_pushback read;
    } cases[] = {
        {"grpc-retry-pushback-ms", "0", {.given = true}},
        {"grpc-retry-pushback-ms", "1500", {.given = true, .wait_ms = 1500}},
        {"grpc-retry-pushback-ms", "-1", {.given = true, .stop = true}},
        {"grpc-retry-pushback-ms", "", {.given = true, .stop = true}},
        {"grpc-retry-pushback-ms", "soon", {.given = true, .stop = true}},
        {"grpc-retry-pushback-ms", "12x", {.given = true, .stop = true}},
        {"grpc-retry-pushback-ms", "99999999999999999999", {.given = true, .stop = true}},
        {"retry-after", "2", {.given = true, .wait_ms = 2000}},
        {"retry-after", "0", {.given = true}},
        {"retry-after", "-2", {0}},
        {"retry-after", "Fri, 07 Nov 2031 23:59:59 GMT", {0}},
        {"retry-after", "9223372036854775807", {0}},
        {"retry-later", "2", {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vmx_header header = {vmx_str_from(cases[i].key), vmx_str_from(cases[i].value)};
        vmx_pushback read = vmx_pushback_read(&(vmx_reply){.headers = &header, .header_count = 1});
        ck_assert_msg(read.given == cases[i].read.given && read.stop == cases[i].read.stop &&
                          read.wait_ms == cases[i].read.wait_ms,
                      "%s: %s", cases[i].key, cases[i].value);
    }
    ck_assert(!vmx_pushback_read(&(vmx_reply){0}).given);
}
END_TEST

START_TEST(pushback_beats_retry_after_and_the_last_one_counts)
{
    const vmx_header headers[] = {
        {VMX_STR("grpc-retry-pushback-ms"), VMX_STR("1")},
        {VMX_STR("grpc-retry-pushback-ms"), VMX_STR("5")},
        {VMX_STR("retry-after"), VMX_STR("9")},
    };
    vmx_pushback read = vmx_pushback_read(&(vmx_reply){.headers = headers, .header_count = 3});
    ck_assert_int_eq(read.wait_ms, 5);
}
END_TEST

START_TEST(hints_win)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    vmx_header header = {VMX_STR("grpc-retry-pushback-ms"), VMX_STR("2500")};
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER);
    reply.headers = &header;
    reply.header_count = 1;
    vmx_retry_case facts = plain_case(&policy, &reply);
    check_go(&facts, VMX_ATTEMPT_PUSHBACK, 2500 * MS);
    facts.attempts = 6; /* but not over the number of attempts, the budget and the deadline */
    check_stop(&facts, VMX_STOP_ATTEMPTS);
    facts.attempts = 1;
    facts.budget_allows = false;
    check_stop(&facts, VMX_STOP_BUDGET);
    facts.budget_allows = true;
    facts.deadline_us = facts.now_us + 2500 * MS;
    check_stop(&facts, VMX_STOP_DEADLINE);
    header.value = VMX_STR("-1");
    facts.deadline_us = VMX_NEVER;
    check_stop(&facts, VMX_STOP_SERVER);
    reply.reach = VMX_REACH_NONE; /* even what never arrived */
    check_stop(&facts, VMX_STOP_SERVER);
}
END_TEST

/* --- pauses -------------------------------------------------------------------------------------------------------- */

/* Draws many pauses after attempt `n`; they stay in [low, high] and come near both ends. */
static void
check_range(vmx_jitter jitter, uint32_t n, uint64_t last_us, uint64_t low_us, uint64_t high_us)
{
    vmx_retry policy = policy_of(VMX_RETRY_DEFAULT);
    policy.jitter = jitter;
    policy.max_attempts = 100;
    vmx_reply reply = reply_of(VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER);
    vmx_retry_case facts = plain_case(&policy, &reply);
    facts.attempts = n;
    facts.last_pause_us = last_us;
    uint64_t least = UINT64_MAX, most = 0, near = (high_us - low_us) / 50;
    for (int i = 0; i < 2000; i++) {
        vmx_retry_choice choice = vmx_retry_choose(&facts, &chance);
        ck_assert_int_eq(choice.stop, VMX_STOP_NONE);
        least = choice.pause_us < least ? choice.pause_us : least;
        most = choice.pause_us > most ? choice.pause_us : most;
    }
    ck_assert_uint_ge(least, low_us);
    ck_assert_uint_le(least, low_us + near);
    ck_assert_uint_le(most, high_us);
    ck_assert_uint_ge(most, high_us - near);
}

START_TEST(pauses_are_drawn_from_their_ranges)
{
    vmx_random_seed(&chance, 5);
    check_range(VMX_JITTER_NONE, 1, 0, 100 * MS, 100 * MS);
    check_range(VMX_JITTER_NONE, 4, 0, 800 * MS, 800 * MS);
    check_range(VMX_JITTER_NONE, 7, 0, 5000 * MS, 5000 * MS); /* 6400, but for the maximum */
    check_range(VMX_JITTER_NONE, 99, 0, 5000 * MS, 5000 * MS);
    check_range(VMX_JITTER_FULL, 1, 0, 0, 100 * MS);
    check_range(VMX_JITTER_FULL, 4, 0, 0, 800 * MS);
    check_range(VMX_JITTER_EQUAL, 4, 0, 400 * MS, 800 * MS);
    check_range(VMX_JITTER_EQUAL, 9, 0, 2500 * MS, 5000 * MS);
    check_range(VMX_JITTER_DECORRELATED, 1, 0, 100 * MS, 300 * MS);
    check_range(VMX_JITTER_DECORRELATED, 2, 250 * MS, 100 * MS, 750 * MS);
    check_range(VMX_JITTER_DECORRELATED, 9, 4000 * MS, 100 * MS, 5000 * MS);
}
END_TEST

/* --- policies ------------------------------------------------------------------------------------------------------ */

START_TEST(presets_are_what_the_manual_says)
{
    static const struct {
        vmx_retry_preset preset;
        uint32_t attempts;
        int64_t initial_ms, max_ms;
    } rows[] = {
        {VMX_RETRY_NONE, 1, 100, 5000},
        {VMX_RETRY_INTERACTIVE, 3, 20, 200},
        {VMX_RETRY_DEFAULT, 6, 100, 5000},
        {VMX_RETRY_BULK, 20, 200, 10000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vmx_retry policy;
        vmx_retry_init(&policy, sizeof policy, rows[i].preset);
        ck_assert_uint_eq(policy.max_attempts, rows[i].attempts);
        ck_assert_int_eq(policy.initial_backoff_ms, rows[i].initial_ms);
        ck_assert_int_eq(policy.max_backoff_ms, rows[i].max_ms);
        ck_assert_double_eq(policy.multiplier, 2);
        ck_assert_int_eq(policy.jitter, VMX_JITTER_FULL);
        ck_assert_int_eq(vmx_retry_check(&policy, NULL), VMX_OK);
    }
}
END_TEST

/* A policy that is good but for one field is refused, by that field's name. */
#define REFUSED(field, value)                                                                                          \
    do {                                                                                                               \
        vmx_error error;                                                                                               \
        vmx_retry bad = policy_of(VMX_RETRY_DEFAULT);                                                                  \
        bad.field = (value);                                                                                           \
        ck_assert_int_eq(vmx_retry_check(&bad, &error), VMX_ERR_INVALID);                                              \
        ck_assert_msg(strstr(error.message, #field) != NULL, "%s", error.message);                                     \
    } while (false)

START_TEST(policies_that_make_no_sense_are_refused)
{
    REFUSED(max_attempts, 0);
    REFUSED(initial_backoff_ms, -1);
    REFUSED(max_backoff_ms, 99);
    REFUSED(multiplier, 0.5);
    REFUSED(multiplier, __builtin_nan(""));
    REFUSED(jitter, (vmx_jitter)4);
    REFUSED(attempt_timeout_ms, -1);
    REFUSED(hedge_delay_ms, -2);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        a_retriable_failure_is_tried_again,
        a_policy_may_name_the_codes,
        a_timed_out_attempt_is_tried_again,
        what_may_have_happened_is_not_done_twice,
        what_never_arrived_is_repeated_once_without_counting,
        attempts_and_budget_are_limits,
        no_retry_that_cannot_begin_in_time,
        hints_are_read,
        pushback_beats_retry_after_and_the_last_one_counts,
        hints_win,
        pauses_are_drawn_from_their_ranges,
        presets_are_what_the_manual_says,
        policies_that_make_no_sense_are_refused,
        NULL,
    };
    return run_suite("rpc_policy", tests);
}
