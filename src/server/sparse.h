/*
 * server/sparse.h: sparse vectors.
 */
#ifndef VMXD_SPARSE_H
#define VMXD_SPARSE_H

#include <vecmux/types.h>

#include "core/arena.h"

/* A copy of `pairs` with rising indices, in `arena`; false when memory is out. */
bool
vmxd_sparse_sort(vmx_sparse pairs, vmx_arena *arena, vmx_sparse *sorted);

/* The inner product; `query` must have rising indices, `pairs` any order. `*overlaps`: whether any index is in both. */
float
vmxd_sparse_product(vmx_sparse pairs, vmx_sparse query, bool *overlaps);

#endif
