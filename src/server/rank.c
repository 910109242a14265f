#include "server/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/build/near.h"
#include "server/exact.h"
#include "server/sparse.h"

bool
vmxd_select(const vmxd_records *records, const vmxd_filter *filter, vmx_arena *arena, vmxd_selection *selection)
{
    *selection = (vmxd_selection){.all = !filter, .count = records->count};
    if (!filter)
        return true;
    selection->count = 0;
    selection->slots = vmx_arena_calloc(arena, records->count, sizeof(int64_t));
    if (!selection->slots)
        return false;
    for (size_t slot = 0; slot < records->count; slot++)
        if (vmxd_filter_match(filter, vmxd_record_metadata(records->slots[slot])))
            selection->slots[selection->count++] = (int64_t)slot;
    return true;
}

static void
scale_to_unit(float *vector, size_t dimension)
{
    double squared = 0;
    for (size_t i = 0; i < dimension; i++)
        squared += (double)vector[i] * (double)vector[i];
    for (size_t i = 0; squared > 0 && i < dimension; i++)
        vector[i] = (float)((double)vector[i] / sqrt(squared));
}

static float *
gather(const vmxd_records *records, const float *const *vectors, size_t count, vmx_arena *arena)
{
    size_t dimension = records->dimension;
    float *matrix = vmx_arena_calloc(arena, count * dimension, sizeof *matrix);
    for (size_t i = 0; matrix && i < count; i++) {
        memcpy(matrix + i * dimension, vectors[i], dimension * sizeof *matrix);
        if (records->kind == VMXD_KEEP_UNIT)
            scale_to_unit(matrix + i * dimension, dimension);
    }
    return matrix;
}

vmxd_hit *
vmxd_rank_dense(const vmxd_records *records, const vmxd_selection *selection, const float *const *vectors,
                size_t query_count, size_t k, vmx_arena *arena)
{
    float *queries = gather(records, vectors, query_count, arena);
    int64_t *rows = vmx_arena_calloc(arena, query_count * k, sizeof *rows);
    float *scores = vmx_arena_calloc(arena, query_count * k, sizeof *scores);
    vmxd_hit *hits = vmx_arena_calloc(arena, query_count * k, sizeof *hits);
    if (!queries || !rows || !scores || !hits)
        return NULL;
    vmxd_exact exact = {.matrix = records->kind == VMXD_KEEP_UNIT ? records->units : records->values,
                        .norms = records->norms,
                        .count = records->count,
                        .dimension = records->dimension,
                        .subset = selection->slots,
                        .subset_len = selection->count,
                        .queries = queries,
                        .query_count = query_count,
                        .k = k};
    vmxd_hit *near = vmxd_near_search(records, selection, &exact, arena);
    if (near)
        return near;
    if (!vmxd_exact_search(&exact, rows, scores))
        return NULL;
    for (size_t i = 0; i < query_count * k; i++)
        hits[i] = (vmxd_hit){(uint32_t)rows[i], scores[i]};
    return hits;
}

static int
compare_hits(const void *a, const void *b)
{
    const vmxd_hit *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return (left->slot > right->slot) - (left->slot < right->slot);
}

vmxd_hit *
vmxd_rank_sparse(const vmxd_records *records, const vmxd_selection *selection, const float *dense, vmx_sparse sparse,
                 size_t k, size_t *count, vmx_arena *arena)
{
    vmxd_hit *hits = vmx_arena_calloc(arena, selection->count, sizeof *hits);
    float *products = vmx_arena_calloc(arena, dense ? records->count : 0, sizeof *products);
    if (!hits || !products)
        return NULL;
    if (dense)
        vmxd_exact_products(records->values, records->count, records->dimension, dense, products);
    size_t found = 0;
    for (size_t i = 0; i < selection->count; i++) {
        uint32_t slot = selection->all ? (uint32_t)i : (uint32_t)selection->slots[i];
        bool overlaps;
        float product = vmxd_sparse_product(records->slots[slot]->sparse, sparse, &overlaps);
        if (records->dimension > 0 || overlaps)
            hits[found++] = (vmxd_hit){slot, product + (dense ? products[slot] : 0)};
    }
    qsort(hits, found, sizeof *hits, compare_hits);
    *count = found < k ? found : k;
    return hits;
}
