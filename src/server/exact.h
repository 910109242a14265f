/*
 * server/exact.h: exact nearest neighbours by FAISS; the only way to it. Each call runs on the caller's thread alone
 * (FAISS's and OpenBLAS's own threads are off), so the server decides how many cores are busy.
 */
#ifndef VMXD_EXACT_H
#define VMXD_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One batch of queries against one matrix. All borrowed. */
typedef struct vmxd_exact {
    const float *matrix; /* count x dimension */
    const float *norms;  /* count squared lengths: smallest squared distance wins; NULL: largest inner product wins */
    size_t count;
    size_t dimension;
    const int64_t *subset; /* rows to look at, or NULL for all */
    size_t subset_len;
    const float *queries; /* query_count x dimension */
    size_t query_count;
    size_t k; /* at most the number of rows looked at */
} vmxd_exact;

/* Call once in every thread that searches. */
void
vmxd_exact_thread_init(void);

/*
 * The k nearest rows of each query, nearest first, into rows[query * k + i] and scores[query * k + i]. A score is
 * computed from its two vectors alone, so it does not depend on what else is in the batch. False when memory is out.
 */
bool
vmxd_exact_search(const vmxd_exact *exact, int64_t *rows, float *scores);

/* The score of one query and one row, as the search gives it. */
float
vmxd_exact_score(const vmxd_exact *exact, size_t query, size_t row);

/* The inner product of one query with every row. */
void
vmxd_exact_products(const float *matrix, size_t count, size_t dimension, const float *query, float *products);

#ifdef __cplusplus
}
#endif

#endif
