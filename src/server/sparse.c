#include "server/sparse.h"

#include <stdlib.h>

typedef struct pair {
    uint32_t index;
    float value;
} pair;

static int
compare_pairs(const void *a, const void *b)
{
    uint32_t left = ((const pair *)a)->index, right = ((const pair *)b)->index;
    return (left > right) - (left < right);
}

bool
vmxd_sparse_sort(vmx_sparse pairs, vmx_arena *arena, vmx_sparse *sorted)
{
    pair *work = vmx_arena_calloc(arena, pairs.len, sizeof *work);
    uint32_t *indices = vmx_arena_calloc(arena, pairs.len, sizeof *indices);
    float *values = vmx_arena_calloc(arena, pairs.len, sizeof *values);
    if (!work || !indices || !values)
        return false;
    for (size_t i = 0; i < pairs.len; i++)
        work[i] = (pair){pairs.indices[i], pairs.values[i]};
    qsort(work, pairs.len, sizeof *work, compare_pairs);
    for (size_t i = 0; i < pairs.len; i++) {
        indices[i] = work[i].index;
        values[i] = work[i].value;
    }
    *sorted = (vmx_sparse){indices, values, pairs.len};
    return true;
}

static bool
find(vmx_sparse query, uint32_t index, size_t *at)
{
    size_t low = 0, high = query.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (query.indices[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return low < query.len && query.indices[low] == index;
}

float
vmxd_sparse_product(vmx_sparse pairs, vmx_sparse query, bool *overlaps)
{
    double sum = 0;
    size_t at;
    *overlaps = false;
    for (size_t i = 0; i < pairs.len; i++)
        if (find(query, pairs.indices[i], &at)) {
            sum += (double)pairs.values[i] * (double)query.values[at];
            *overlaps = true;
        }
    return (float)sum;
}
