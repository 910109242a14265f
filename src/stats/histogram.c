#include "stats/histogram.h"

void
vmx_histogram_add(vmx_histogram *to, const vmx_live_histogram *from)
{
    for (size_t i = 0; i < VMX_HISTOGRAM_BUCKETS; i++) {
        uint64_t count = vmx_counter_read(&from->counts[i]);
        to->counts[i] += count;
        to->count += count;
    }
    uint64_t max_us = vmx_counter_read(&from->max_us);
    to->sum_us += vmx_counter_read(&from->sum_us);
    to->max_us = max_us > to->max_us ? max_us : to->max_us;
}

/* What a bucket's values are taken to be. */
static double
middle_of(size_t bucket)
{
    if (bucket < VMX_HISTOGRAM_STEPS)
        return (double)bucket;
    size_t shift = bucket / VMX_HISTOGRAM_STEPS - 1;
    uint64_t width = (uint64_t)1 << shift;
    uint64_t least = (VMX_HISTOGRAM_STEPS + bucket % VMX_HISTOGRAM_STEPS) << shift;
    return (double)least + (double)(width - 1) / 2;
}

double
vmx_histogram_quantile(const vmx_histogram *histogram, double quantile)
{
    double wanted = quantile * (double)histogram->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < VMX_HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->counts[i];
        if (histogram->counts[i] == 0 || (double)seen < wanted)
            continue;
        double us = middle_of(i);
        return us < (double)histogram->max_us ? us : (double)histogram->max_us;
    }
    return (double)histogram->max_us;
}

uint64_t
vmx_histogram_below(const vmx_histogram *histogram, uint64_t us)
{
    uint64_t count = 0;
    for (size_t i = 0; i < vmx_histogram_bucket(us); i++)
        count += histogram->counts[i];
    return count;
}
