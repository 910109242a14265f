#include "rpc/retry.h"

#include <math.h>

#include "core/error.h"
#include "core/sized.h"

typedef struct preset {
    uint32_t max_attempts;
    int64_t initial_backoff_ms;
    int64_t max_backoff_ms;
    double multiplier;
} preset;

static const preset presets[] = {
    [VMX_RETRY_DEFAULT] = {6, 100, 5000, 2.0},
    [VMX_RETRY_NONE] = {1, 100, 5000, 2.0},
    [VMX_RETRY_INTERACTIVE] = {3, 20, 200, 2.0},
    [VMX_RETRY_BULK] = {20, 200, 10000, 2.0},
};

void
vmx_retry_init(vmx_retry *retry, size_t size, vmx_retry_preset which)
{
    size_t index = (size_t)which < sizeof presets / sizeof presets[0] ? (size_t)which : VMX_RETRY_DEFAULT;
    vmx_retry ours = {
        .max_attempts = presets[index].max_attempts,
        .initial_backoff_ms = presets[index].initial_backoff_ms,
        .max_backoff_ms = presets[index].max_backoff_ms,
        .multiplier = presets[index].multiplier,
    };
    vmx_sized_init(retry, size);
    vmx_sized_write(retry, &ours, sizeof ours);
}

void
vmx_retry_from_config(vmx_retry *retry, const vmx_config *config)
{
    vmx_retry_init(retry, sizeof *retry, VMX_RETRY_DEFAULT);
    retry->max_attempts = (uint32_t)vmx_config_int(config, "retry.max.attempts");
    retry->initial_backoff_ms = vmx_config_int(config, "retry.initial.backoff.ms");
    retry->max_backoff_ms = vmx_config_int(config, "retry.max.backoff.ms");
    retry->multiplier = vmx_config_float(config, "retry.multiplier");
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
    return VMX_OK;
}

uint64_t
vmx_retry_backoff_us(const vmx_retry *retry, uint32_t attempt, vmx_random *random)
{
    double bound = (double)retry->initial_backoff_ms * pow(retry->multiplier, (double)attempt - 1);
    double max = (double)retry->max_backoff_ms;
    double capped = bound < max ? bound : max;
    return vmx_random_up_to(random, (uint64_t)(capped * 1000));
}
