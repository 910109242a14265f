/* The histogram against exact quantiles of the same values. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "../../bench/data.h"
#include "../../bench/histogram.h"

#define VALUES 100000

static bench_histogram histogram, other;

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Spread over 9 powers of ten, as latencies are at most. */
static void
fill(uint64_t *values, uint64_t seed)
{
    bench_random random = seed;
    bench_histogram_reset(&histogram);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = (uint64_t)pow(10, 9 * bench_random_unit(&random));
        bench_histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof *values, compare);
}

START_TEST(quantiles_are_within_one_percent)
{
    static uint64_t values[VALUES];
    static const double quantiles[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        fill(values, seed);
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
            size_t rank = (size_t)ceil(quantiles[i] * VALUES);
            double exact = (double)values[rank > 0 ? rank - 1 : 0];
            double found = (double)bench_histogram_quantile(&histogram, quantiles[i]);
            ck_assert_msg(fabs(found - exact) <= 0.01 * exact, "quantile %g: %g instead of %g", quantiles[i], found,
                          exact);
        }
        ck_assert_uint_eq(histogram.min, values[0]);
        ck_assert_uint_eq(histogram.max, values[VALUES - 1]);
    }
}
END_TEST

START_TEST(every_value_is_near_its_bucket)
{
    for (unsigned exponent = 0; exponent < 64; exponent++)
        for (int step = -1; step <= 1; step++) {
            uint64_t value = (UINT64_C(1) << exponent) + (uint64_t)(int64_t)step;
            bench_histogram_reset(&histogram);
            bench_histogram_record(&histogram, value);
            size_t bucket = 0;
            while (histogram.counts[bucket] == 0)
                bucket++;
            double middle = (double)bench_histogram_value(bucket);
            ck_assert_msg(fabs(middle - (double)value) <= 0.004 * (double)value + 0.5, "%llu is counted as %g",
                          (unsigned long long)value, middle);
            ck_assert_uint_eq(bench_histogram_quantile(&histogram, 0.5), value);
        }
}
END_TEST

START_TEST(merging_is_recording_together)
{
    static bench_histogram both;
    bench_random random = 7;
    bench_histogram_reset(&histogram);
    bench_histogram_reset(&other);
    bench_histogram_reset(&both);
    for (size_t i = 0; i < VALUES; i++) {
        uint64_t value = bench_random_next(&random) >> (i % 60);
        bench_histogram_record(i % 3 == 0 ? &histogram : &other, value);
        bench_histogram_record(&both, value);
    }
    bench_histogram_merge(&histogram, &other);
    ck_assert_mem_eq(&histogram, &both, sizeof both);
}
END_TEST

START_TEST(nothing_recorded_is_zero)
{
    bench_histogram_reset(&histogram);
    ck_assert_uint_eq(bench_histogram_quantile(&histogram, 0.99), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench histogram");
    TCase *tests = tcase_create("histogram");
    tcase_add_test(tests, quantiles_are_within_one_percent);
    tcase_add_test(tests, every_value_is_near_its_bucket);
    tcase_add_test(tests, merging_is_recording_together);
    tcase_add_test(tests, nothing_recorded_is_zero);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
