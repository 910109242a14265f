/*
 * stats/histogram.h: how long things take, in a fixed memory: a log-linear histogram of microseconds.
 *
 * Below 32 us a bucket a microsecond, then 32 to each doubling: a value read back is at most 1.6 % off. Up to 2^36 us
 * (19 hours); longer ones count as that long. Histograms are added up bucket by bucket.
 */
#ifndef VMX_STATS_HISTOGRAM_H
#define VMX_STATS_HISTOGRAM_H

#include <stddef.h>

#include "stats/counter.h"

#define VMX_HISTOGRAM_STEPS   32
#define VMX_HISTOGRAM_BUCKETS (VMX_HISTOGRAM_STEPS * 32)

/* As it is written; zeroed it is empty. */
typedef struct vmx_live_histogram {
    vmx_counter sum_us;
    vmx_counter max_us;
    vmx_counter counts[VMX_HISTOGRAM_BUCKETS];
} vmx_live_histogram;

/* As it is read. */
typedef struct vmx_histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t counts[VMX_HISTOGRAM_BUCKETS];
} vmx_histogram;

/* Below 32 us one bucket a microsecond, then 32 to each doubling. */
static inline size_t
vmx_histogram_bucket(uint64_t us)
{
    if (us < VMX_HISTOGRAM_STEPS)
        return (size_t)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    size_t bucket = (size_t)(top - 4) * VMX_HISTOGRAM_STEPS + (size_t)((us >> (top - 5)) & (VMX_HISTOGRAM_STEPS - 1));
    return bucket < VMX_HISTOGRAM_BUCKETS ? bucket : VMX_HISTOGRAM_BUCKETS - 1;
}

static inline void
vmx_histogram_note(vmx_live_histogram *histogram, uint64_t us, bool shared)
{
    vmx_counter_add(&histogram->counts[vmx_histogram_bucket(us)], 1, shared);
    vmx_counter_add(&histogram->sum_us, us, shared);
    vmx_counter_raise(&histogram->max_us, us, shared);
}

/* Adds what has been written to `to`. `count` is the sum of the counts that were read: the two never disagree. */
void
vmx_histogram_add(vmx_histogram *to, const vmx_live_histogram *from);

/* The duration that the share `quantile` (0 to 1) of all did not exceed, in microseconds; 0 of an empty one. */
double
vmx_histogram_quantile(const vmx_histogram *histogram, double quantile);

/* How many were shorter than `us`, which is a power of two, or one and a half of one, from 64 on: a bucket's edge. */
uint64_t
vmx_histogram_below(const vmx_histogram *histogram, uint64_t us);

#endif
