#include "histogram.h"

#include <math.h>
#include <string.h>

/* Values below LINEAR have a bucket each; above, SUB_BUCKETS to each power of two. */
enum { SUB_BITS = 7, SUB_BUCKETS = 1 << SUB_BITS, LINEAR_BITS = SUB_BITS + 1, LINEAR = 1 << LINEAR_BITS };

void
bench_histogram_reset(bench_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
    histogram->min = UINT64_MAX;
}

static size_t
bucket_of(uint64_t value)
{
    if (value < LINEAR)
        return (size_t)value;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(value);
    size_t sub = (size_t)(value >> (exponent - SUB_BITS)) & (SUB_BUCKETS - 1);
    return LINEAR + (exponent - LINEAR_BITS) * SUB_BUCKETS + sub;
}

uint64_t
bench_histogram_value(size_t i)
{
    if (i < LINEAR)
        return i;
    size_t exponent = (i - LINEAR) / SUB_BUCKETS + LINEAR_BITS;
    uint64_t sub = (i - LINEAR) % SUB_BUCKETS;
    uint64_t width = UINT64_C(1) << (exponent - SUB_BITS);
    return (SUB_BUCKETS + sub) * width + width / 2;
}

void
bench_histogram_record(bench_histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->count++;
    histogram->sum += value;
    if (value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
}

void
bench_histogram_merge(bench_histogram *into, const bench_histogram *from)
{
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
}

static uint64_t
clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

uint64_t
bench_histogram_quantile(const bench_histogram *histogram, double q)
{
    if (histogram->count == 0)
        return 0;
    uint64_t rank = clamp((uint64_t)ceil(q * (double)histogram->count), 1, histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return clamp(bench_histogram_value(i), histogram->min, histogram->max);
    }
    return histogram->max;
}
