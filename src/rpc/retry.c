#include "rpc/retry.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "core/sized.h"
#include "core/sync.h"

/* --- policies ------------------------------------------------------------------------------------------------------ */

static const vmx_retry presets[] = {
    [VMX_RETRY_DEFAULT] = {.max_attempts = 6, .initial_backoff_ms = 100, .max_backoff_ms = 5000, .multiplier = 2},
    [VMX_RETRY_NONE] = {.max_attempts = 1, .initial_backoff_ms = 100, .max_backoff_ms = 5000, .multiplier = 2},
    [VMX_RETRY_INTERACTIVE] = {.max_attempts = 3, .initial_backoff_ms = 20, .max_backoff_ms = 200, .multiplier = 2},
    [VMX_RETRY_BULK] = {.max_attempts = 20, .initial_backoff_ms = 200, .max_backoff_ms = 10000, .multiplier = 2},
};

void
vmx_retry_init(vmx_retry *retry, size_t size, vmx_retry_preset which)
{
    size_t index = (size_t)which < sizeof presets / sizeof presets[0] ? (size_t)which : VMX_RETRY_DEFAULT;
    vmx_sized_init(retry, size);
    vmx_sized_write(retry, &presets[index], sizeof presets[index]);
}

static vmx_jitter
jitter_of(const char *name)
{
    static const char *const names[] = {"full", "none", "equal", "decorrelated"};
    size_t i = 0;
    while (i < 3 && strcmp(name, names[i]) != 0)
        i++;
    return (vmx_jitter)i;
}

void
vmx_retry_from_config(vmx_retry *retry, const vmx_config *config)
{
    vmx_retry_init(retry, sizeof *retry, VMX_RETRY_DEFAULT);
    retry->max_attempts = (uint32_t)vmx_config_int(config, "retry.max.attempts");
    retry->initial_backoff_ms = vmx_config_int(config, "retry.initial.backoff.ms");
    retry->max_backoff_ms = vmx_config_int(config, "retry.max.backoff.ms");
    retry->multiplier = vmx_config_float(config, "retry.multiplier");
    retry->jitter = jitter_of(vmx_config_text(config, "retry.jitter"));
    retry->attempt_timeout_ms = vmx_config_int(config, "retry.attempt.timeout.ms");
    retry->hedge_delay_ms = vmx_config_int(config, "hedge.delay.ms");
}

vmx_status
vmx_retry_check(const vmx_retry *retry, vmx_error *error)
{
    if (retry->max_attempts < 1)
        return vmx_error_set(error, VMX_ERR_INVALID, "retry: max_attempts is 0; 1 is a call without retries");
    if (retry->initial_backoff_ms < 0 || retry->max_backoff_ms < retry->initial_backoff_ms)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "retry: backoff from %lld to %lld ms; give 0 <= initial_backoff_ms <= max_backoff_ms",
                             (long long)retry->initial_backoff_ms, (long long)retry->max_backoff_ms);
    if (!(retry->multiplier >= 1 && retry->multiplier <= 1000))
        return vmx_error_set(error, VMX_ERR_INVALID, "retry: multiplier is outside 1 to 1000");
    if ((unsigned)retry->jitter > VMX_JITTER_DECORRELATED)
        return vmx_error_set(error, VMX_ERR_INVALID, "retry: jitter %d is none of vmx_jitter", (int)retry->jitter);
    if (retry->attempt_timeout_ms < 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "retry: attempt_timeout_ms %lld is negative; 0 is none",
                             (long long)retry->attempt_timeout_ms);
    if (retry->hedge_delay_ms < VMX_HEDGE_P95)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "retry: hedge_delay_ms %lld; give milliseconds, 0 for none or VMX_HEDGE_P95",
                             (long long)retry->hedge_delay_ms);
    return VMX_OK;
}

/* --- the server's hints -------------------------------------------------------------------------------------------- */

static const vmx_str *
find_header(const vmx_reply *reply, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = reply->header_count; i-- > 0;)
        if (reply->headers[i].key.len == len && memcmp(reply->headers[i].key.ptr, key, len) == 0)
            return &reply->headers[i].value;
    return NULL;
}

vmx_pushback
vmx_pushback_read(const vmx_reply *reply)
{
    int64_t value;
    const vmx_str *pushback = find_header(reply, "grpc-retry-pushback-ms");
    if (pushback != NULL) {
        bool wait = vmx_integer_parse(*pushback, false, &value) && value >= 0;
        return (vmx_pushback){.given = true, .stop = !wait, .wait_ms = wait ? value : 0};
    }
    const vmx_str *after = find_header(reply, "retry-after");
    if (after != NULL && vmx_integer_parse(*after, false, &value) && value >= 0 && value <= INT64_MAX / 1000)
        return (vmx_pushback){.given = true, .wait_ms = value * 1000};
    return (vmx_pushback){0};
}

/* --- the pause ----------------------------------------------------------------------------------------------------- */

static uint64_t
draw_between(uint64_t low, uint64_t high, vmx_random *random)
{
    return high <= low ? low : low + vmx_random_up_to(random, high - low);
}

static uint64_t
backoff_us(const vmx_retry *policy, uint32_t attempts, uint64_t last_pause_us, vmx_random *random)
{
    uint64_t first = vmx_deadline_us(0, policy->initial_backoff_ms);
    uint64_t max = vmx_deadline_us(0, policy->max_backoff_ms);
    double grown = (double)first * pow(policy->multiplier, (double)attempts - 1);
    uint64_t bound = grown < (double)max ? (uint64_t)grown : max;
    switch (policy->jitter) {
    case VMX_JITTER_NONE:
        return bound;
    case VMX_JITTER_EQUAL:
        return draw_between(bound / 2, bound, random);
    case VMX_JITTER_DECORRELATED:
        grown = 3.0 * (double)(last_pause_us > first ? last_pause_us : first);
        return draw_between(first, grown < (double)max ? (uint64_t)grown : max, random);
    case VMX_JITTER_FULL:
        break;
    }
    return draw_between(0, bound, random);
}

/* --- the choice ---------------------------------------------------------------------------------------------------- */

bool
vmx_retry_may_help(const vmx_retry *policy, vmx_verdict verdict, int grpc_code)
{
    if (policy->retriable_codes == 0 || verdict == VMX_VERDICT_HOPELESS || grpc_code < 0)
        return verdict == VMX_VERDICT_RETRIABLE || verdict == VMX_VERDICT_THROTTLED;
    return (policy->retriable_codes >> grpc_code & 1) != 0;
}

static vmx_retry_choice
stop(vmx_stop reason)
{
    return (vmx_retry_choice){.stop = reason};
}

static vmx_retry_choice
pause_then(const vmx_retry_case *facts, vmx_attempt_why why, uint64_t pause_us)
{
    uint64_t left_us = facts->deadline_us > facts->now_us ? facts->deadline_us - facts->now_us : 0;
    if (pause_us >= left_us)
        return stop(VMX_STOP_DEADLINE);
    return (vmx_retry_choice){.why = why, .pause_us = pause_us};
}

vmx_retry_choice
vmx_retry_choose(const vmx_retry_case *facts, vmx_random *random)
{
    vmx_pushback pushback = vmx_pushback_read(facts->reply);
    bool refused = facts->reply->reach == VMX_REACH_NONE && facts->was_connected;
    if (refused && !facts->transparent_used && !pushback.stop)
        return pause_then(facts, VMX_ATTEMPT_TRANSPARENT, 0);
    if (!facts->timed_out && !vmx_retry_may_help(facts->policy, facts->verdict, facts->reply->grpc_code))
        return stop(VMX_STOP_FINAL);
    if (facts->reply->reach == VMX_REACH_UNKNOWN && !facts->idempotent)
        return stop(VMX_STOP_UNSAFE);
    if (pushback.stop)
        return stop(VMX_STOP_SERVER);
    if (facts->attempts >= facts->policy->max_attempts)
        return stop(VMX_STOP_ATTEMPTS);
    if (!facts->budget_allows)
        return stop(VMX_STOP_BUDGET);
    if (pushback.given)
        return pause_then(facts, VMX_ATTEMPT_PUSHBACK, vmx_deadline_us(0, pushback.wait_ms));
    vmx_attempt_why why = facts->timed_out ? VMX_ATTEMPT_TIMED_OUT : VMX_ATTEMPT_RETRY;
    return pause_then(facts, why, backoff_us(facts->policy, facts->attempts, facts->last_pause_us, random));
}
