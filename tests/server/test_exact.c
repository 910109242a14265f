/* Exact search against a plain loop: both measures, with and without a subset, k up to all rows. */
#include <math.h>
#include <string.h>

#include "core/suite.h"
#include "server/exact.h"

#define ROWS      9000 /* more than two blocks of a subset search */
#define DIMENSION 16
#define QUERIES   5

static float matrix[ROWS * DIMENSION], norms[ROWS], queries[QUERIES * DIMENSION];
static int64_t subset[ROWS];
static int64_t found_rows[QUERIES * ROWS];
static float found_scores[QUERIES * ROWS];

static float
next_value(void)
{
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static void
fill(void)
{
    for (size_t i = 0; i < QUERIES * DIMENSION; i++)
        queries[i] = next_value();
    for (size_t row = 0; row < ROWS; row++) {
        norms[row] = 0;
        subset[row] = (int64_t)row;
        for (size_t i = 0; i < DIMENSION; i++) {
            float value = matrix[row * DIMENSION + i] = next_value();
            norms[row] += value * value;
        }
    }
}

static double
score_of(bool euclidean, size_t query, size_t row)
{
    double sum = 0;
    for (size_t i = 0; i < DIMENSION; i++) {
        double x = (double)queries[query * DIMENSION + i], y = (double)matrix[row * DIMENSION + i];
        sum += euclidean ? (x - y) * (x - y) : x * y;
    }
    return sum;
}

/* Every row is found once, with its own score, in order; and no row left out is nearer than the last one found. */
static void
check_query(const vmxd_exact *exact, size_t query)
{
    static bool taken[ROWS];
    bool euclidean = exact->norms != NULL;
    double sign = euclidean ? 1 : -1, last = -INFINITY;
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < exact->k; i++) {
        int64_t row = found_rows[query * exact->k + i];
        ck_assert(row >= 0 && row < ROWS && !taken[row]);
        taken[row] = true;
        double score = score_of(euclidean, query, (size_t)row);
        ck_assert_double_eq_tol((double)found_scores[query * exact->k + i], score, 1e-5);
        ck_assert_double_ge(sign * score, last - 1e-5);
        last = sign * score;
    }
    size_t rows = exact->subset ? exact->subset_len : exact->count;
    for (size_t i = 0; i < rows; i++) {
        size_t row = exact->subset ? (size_t)exact->subset[i] : i;
        ck_assert(taken[row] || sign * score_of(euclidean, query, row) >= last - 1e-5);
    }
}

static void
check_search(bool euclidean, bool in_subset, size_t k, size_t query_count)
{
    vmxd_exact exact = {.matrix = matrix,
                        .norms = euclidean ? norms : NULL,
                        .count = ROWS,
                        .dimension = DIMENSION,
                        .subset = in_subset ? subset : NULL,
                        .subset_len = in_subset ? ROWS - 100 : 0,
                        .queries = queries,
                        .query_count = query_count,
                        .k = k};
    ck_assert(vmxd_exact_search(&exact, found_rows, found_scores));
    for (size_t query = 0; query < query_count; query++)
        check_query(&exact, query);
}

START_TEST(search_is_exact)
{
    vmxd_exact_thread_init();
    fill();
    for (int euclidean = 0; euclidean < 2; euclidean++)
        for (int in_subset = 0; in_subset < 2; in_subset++) {
            check_search(euclidean, in_subset, 1, 1);
            check_search(euclidean, in_subset, 10, QUERIES);
            check_search(euclidean, in_subset, 5000, 2);
            check_search(euclidean, in_subset, ROWS - 100, 1);
        }
}
END_TEST

/* Vectors far from the origin and close to each other: where |x|^2 + |y|^2 - 2xy alone would give wrong order. */
START_TEST(close_vectors_keep_their_order)
{
    vmxd_exact_thread_init();
    for (size_t i = 0; i < DIMENSION; i++)
        queries[i] = 1000;
    for (size_t row = 0; row < 20; row++) {
        double squared = 0;
        for (size_t i = 0; i < DIMENSION; i++) {
            matrix[row * DIMENSION + i] = 1000 + (i == 0 ? 0.01f * (float)((row * 7) % 20) : 0);
            squared += (double)matrix[row * DIMENSION + i] * (double)matrix[row * DIMENSION + i];
        }
        norms[row] = (float)squared;
    }
    vmxd_exact exact = {matrix, norms, 20, DIMENSION, NULL, 0, queries, 1, 4};
    ck_assert(vmxd_exact_search(&exact, found_rows, found_scores));
    for (int64_t i = 0; i < 4; i++)
        ck_assert_int_eq((found_rows[i] * 7) % 20, i);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {search_is_exact, close_vectors_keep_their_order, NULL};
    return run_suite("server_exact", tests);
}
