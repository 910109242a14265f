/*
 * histogram.h: how often each duration occurred, in buckets that grow with the value.
 *
 * Log-linear: every power of two is divided into 128 buckets of equal width, so that the middle of a bucket is within
 * 0.4 % of every value in it; values below 256 have a bucket each. Recording costs a few instructions and never
 * allocates. Not thread safe.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_HISTOGRAM_BUCKETS = 256 + 56 * 128 };

typedef struct bench_histogram {
    uint64_t counts[BENCH_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t min; /* exact; of no values UINT64_MAX */
    uint64_t max; /* exact */
    uint64_t sum;
} bench_histogram;

void
bench_histogram_reset(bench_histogram *histogram);

void
bench_histogram_record(bench_histogram *histogram, uint64_t value);

void
bench_histogram_merge(bench_histogram *into, const bench_histogram *from);

/* The value that a share `q` (0 to 1) of the values do not exceed; 0 without values. */
uint64_t
bench_histogram_quantile(const bench_histogram *histogram, double q);

/* The middle of bucket `i`. */
uint64_t
bench_histogram_value(size_t i);

#endif
