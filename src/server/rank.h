/*
 * server/rank.h: which records are nearest. Under the namespace's lock.
 */
#ifndef VMXD_RANK_H
#define VMXD_RANK_H

#include "core/arena.h"
#include "server/filter.h"
#include "server/records.h"

typedef struct vmxd_hit {
    uint32_t slot;
    float score;
} vmxd_hit;

/* The slots that a filter selects; `all` if there is no filter. */
typedef struct vmxd_selection {
    bool all;
    int64_t *slots; /* rising */
    size_t count;   /* also set when all are */
} vmxd_selection;

/* False when memory is out. */
bool
vmxd_select(const vmxd_records *records, const vmxd_filter *filter, vmx_arena *arena, vmxd_selection *selection);

/*
 * The k nearest records of each dense query (vectors: query_count x dimension), nearest first: k <= selection->count
 * hits for each, one query behind the other. Exactly, unless the namespace has a graph that serves better
 * (server/build/near.h). NULL when memory is out.
 */
vmxd_hit *
vmxd_rank_dense(const vmxd_records *records, const vmxd_selection *selection, const float *const *vectors,
                size_t query_count, size_t k, vmx_arena *arena);

/*
 * The nearest by the sum of dense and sparse inner products; `dense` may be NULL. In an index without dense vectors
 * only records that share an index with the query are found. At most k; `*count` says how many. NULL when memory is out.
 */
vmxd_hit *
vmxd_rank_sparse(const vmxd_records *records, const vmxd_selection *selection, const float *dense, vmx_sparse sparse,
                 size_t k, size_t *count, vmx_arena *arena);

#endif
