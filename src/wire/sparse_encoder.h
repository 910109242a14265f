/*
 * wire/sparse_encoder.h: SparseValues{1 packed uint32 indices, 2 packed float values}, a part of requests, exactly as
 * protobuf-c packs it. The size of the packed indices is counted once and handed around.
 */
#ifndef VMX_WIRE_SPARSE_ENCODER_H
#define VMX_WIRE_SPARSE_ENCODER_H

#include <vecmux/types.h>

#include "wire/varint.h"

/* Bytes of the packed indices. */
static inline size_t
vmx_sparse_indices_size(vmx_sparse sparse)
{
    size_t size = 0;
    for (size_t i = 0; i < sparse.len; i++)
        size += vmx_varint_size(sparse.indices[i]);
    return size;
}

/* Bytes of the message, which is not empty. */
static inline size_t
vmx_sparse_size(vmx_sparse sparse, size_t indices_bytes)
{
    return vmx_field_size(indices_bytes) + vmx_field_size(sparse.len * sizeof(float));
}

/* Writes the message as field `number`; returns the place behind it. */
static inline uint8_t *
vmx_sparse_write(uint8_t *at, unsigned number, vmx_sparse sparse, size_t indices_bytes)
{
    at = vmx_field_begin(at, number, vmx_sparse_size(sparse, indices_bytes));
    at = vmx_field_begin(at, 1, indices_bytes);
    for (size_t i = 0; i < sparse.len; i++)
        at = vmx_varint_write(at, sparse.indices[i]);
    return vmx_field_write(at, 2, sparse.values, sparse.len * sizeof(float));
}

#endif
