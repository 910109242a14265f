#include "rpc/latency.h"

#include <string.h>

#define MIN_CALLS 100
#define MAX_CALLS 10000

void
vmx_latency_init(vmx_latency *latency)
{
    memset(latency, 0, sizeof *latency);
    pthread_mutex_init(&latency->lock, NULL);
}

void
vmx_latency_destroy(vmx_latency *latency)
{
    pthread_mutex_destroy(&latency->lock);
}

/* Below 16 us one bucket a microsecond, then 16 to each doubling. */
static size_t
bucket_of(uint64_t us)
{
    if (us < VMX_LATENCY_STEPS)
        return (size_t)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    size_t bucket = (size_t)(top - 3) * VMX_LATENCY_STEPS + (size_t)((us >> (top - 4)) & (VMX_LATENCY_STEPS - 1));
    return bucket < VMX_LATENCY_BUCKETS ? bucket : VMX_LATENCY_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t
upper_bound_of(size_t bucket)
{
    if (bucket < VMX_LATENCY_STEPS)
        return bucket;
    size_t top = bucket / VMX_LATENCY_STEPS + 3;
    uint64_t step = bucket % VMX_LATENCY_STEPS;
    return ((VMX_LATENCY_STEPS + step + 1) << (top - 4)) - 1;
}

static void
forget_half(vmx_latency *latency)
{
    latency->total = 0;
    for (size_t i = 0; i < VMX_LATENCY_BUCKETS; i++) {
        latency->counts[i] /= 2;
        latency->total += latency->counts[i];
    }
}

void
vmx_latency_note(vmx_latency *latency, uint64_t duration_us)
{
    pthread_mutex_lock(&latency->lock);
    latency->counts[bucket_of(duration_us)]++;
    if (++latency->total >= MAX_CALLS)
        forget_half(latency);
    pthread_mutex_unlock(&latency->lock);
}

uint64_t
vmx_latency_quantile(vmx_latency *latency, double quantile)
{
    uint64_t value = 0;
    pthread_mutex_lock(&latency->lock);
    uint64_t wanted = (uint64_t)(quantile * latency->total);
    uint64_t seen = 0;
    for (size_t i = 0; latency->total >= MIN_CALLS && i < VMX_LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen >= wanted) {
            value = upper_bound_of(i);
            break;
        }
    }
    pthread_mutex_unlock(&latency->lock);
    return value;
}
