/* stats/histogram.h: no value read back is 2 % off, edges are exact, sums of histograms are histograms of sums. */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/suite.h"
#include "stats/histogram.h"

static vmx_live_histogram live, other;

static void
clear(void)
{
    memset(&live, 0, sizeof live);
    memset(&other, 0, sizeof other);
}

static vmx_histogram
read_of(const vmx_live_histogram *from)
{
    vmx_histogram read = {0};
    vmx_histogram_add(&read, from);
    return read;
}

START_TEST(one_value_comes_back)
{
    for (uint64_t us = 1; us < (uint64_t)1 << 36; us += us / 7 + 1) {
        clear();
        vmx_histogram_note(&live, us, false);
        vmx_histogram_note(&live, us * 2, false); /* so that max does not help */
        vmx_histogram read = read_of(&live);
        double found = vmx_histogram_quantile(&read, 0.5);
        ck_assert_msg(fabs(found - (double)us) < 0.02 * (double)us, "%llu us came back as %f", (unsigned long long)us,
                      found);
        ck_assert_uint_eq(read.max_us, us * 2);
        ck_assert_uint_eq(read.sum_us, us * 3);
    }
}
END_TEST

START_TEST(buckets_follow_one_another)
{
    size_t last = 0;
    for (uint64_t us = 0; us < 1 << 20; us++) {
        size_t bucket = vmx_histogram_bucket(us);
        ck_assert(bucket == last || bucket == last + 1);
        last = bucket;
    }
    ck_assert_uint_eq(vmx_histogram_bucket(UINT64_MAX), VMX_HISTOGRAM_BUCKETS - 1);
    ck_assert_uint_eq(vmx_histogram_bucket(((uint64_t)1 << 36) - 1), VMX_HISTOGRAM_BUCKETS - 1);
    ck_assert_uint_eq(vmx_histogram_bucket(((uint64_t)1 << 36) - ((uint64_t)1 << 30)), VMX_HISTOGRAM_BUCKETS - 1);
    ck_assert_uint_eq(vmx_histogram_bucket(((uint64_t)1 << 36) - ((uint64_t)1 << 30) - 1), VMX_HISTOGRAM_BUCKETS - 2);
}
END_TEST

static int
ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

START_TEST(quantiles_of_many)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    vmx_random random;
    clear();
    vmx_random_seed(&random, 7);
    for (size_t i = 0; i < COUNT; i++) { /* from 100 us to seconds, most of them short */
        values[i] = 100 + vmx_random_up_to(&random, (uint64_t)1 << vmx_random_up_to(&random, 22));
        vmx_histogram_note(i % 2 == 0 ? &live : &other, values[i], i % 3 == 0);
    }
    qsort(values, COUNT, sizeof values[0], ascending);
    vmx_histogram read = read_of(&live);
    vmx_histogram_add(&read, &other);
    ck_assert_uint_eq(read.count, COUNT);
    ck_assert_uint_eq(read.max_us, values[COUNT - 1]);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        double exact = (double)values[(size_t)ceil(quantiles[i] * COUNT) - 1];
        double found = vmx_histogram_quantile(&read, quantiles[i]);
        ck_assert_msg(fabs(found - exact) <= 0.02 * exact, "p%f: %f, exactly %f", quantiles[i], found, exact);
    }
}
END_TEST

START_TEST(counts_below_an_edge_are_exact)
{
    clear();
    for (uint64_t us = 0; us < 100000; us++)
        vmx_histogram_note(&live, us, false);
    vmx_histogram read = read_of(&live);
    for (uint64_t edge = 64; edge < 65536; edge *= 2) {
        ck_assert_uint_eq(vmx_histogram_below(&read, edge), edge);
        ck_assert_uint_eq(vmx_histogram_below(&read, edge + edge / 2), edge + edge / 2);
    }
}
END_TEST

START_TEST(an_empty_one_is_zero)
{
    clear();
    vmx_histogram read = read_of(&live);
    ck_assert_double_eq(vmx_histogram_quantile(&read, 0.99), 0);
    ck_assert_uint_eq(read.count, 0);
}
END_TEST

int
main(void)
{
    return run_suite("stats_histogram",
                     (const TTest *const[]){one_value_comes_back, buckets_follow_one_another, quantiles_of_many,
                                            counts_below_an_edge_are_exact, an_empty_one_is_zero, NULL});
}
