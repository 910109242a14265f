/*
 * build/faiss.h: the layout of a FAISS index file, IndexIDMap over IndexHNSWFlat or IndexHNSWSQ, complete or graph-only.
 *
 * Source of the layout: facebookresearch/faiss, faiss/impl/index_write.cpp and io_macros.h, as of 1.7.3. Everything is
 * packed and little endian; a vector is its count as uint64, then its elements. Pure, but for the reading function.
 */
#ifndef VMX_BUILD_FAISS_H
#define VMX_BUILD_FAISS_H

#include <stdbool.h>
#include <vecmux/types.h>

/* A header of an index: fourcc 4, d 4, ntotal 8, twice 1 << 20 8, is_trained 1, metric_type 4. */
#define VMX_FAISS_HEADER 37
/* What stands before the vectors of IndexFlat (header, count) and of IndexScalarQuantizer with QT_fp16. */
#define VMX_FAISS_FLAT_HEAD 45
#define VMX_FAISS_HALF_HEAD 81

typedef struct vmx_faiss_layout {
    uint32_t dimension;
    uint64_t vectors;
    int32_t metric;          /* 0: inner product, 1: L2 */
    uint64_t storage_offset; /* of the storage block, or of "null" */
    uint64_t vectors_offset; /* of the vectors in it; 0: graph-only */
    uint64_t id_map_offset;  /* of its count */
} vmx_faiss_layout;

/* Reads `len` bytes at `offset`; they exist. */
typedef vmx_status (*vmx_faiss_read)(void *user, uint8_t *out, size_t len, uint64_t offset, vmx_error *error);

/*
 * Walks through the file by its five counts, and compares all of them with each other and with `size_bytes`. It reads a
 * few hundred bytes in all. Errors: VMX_ERR_PROTOCOL (the message names what is wrong), those of `read`.
 */
vmx_status
vmx_faiss_parse(vmx_faiss_read read, void *user, uint64_t size_bytes, vmx_faiss_layout *layout, vmx_error *error);

/* Writes what stands before the vectors in the storage block; returns its length. */
size_t
vmx_faiss_storage_head(uint8_t out[VMX_FAISS_HALF_HEAD], bool half, uint32_t dimension, uint64_t vectors,
                       int32_t metric);

#endif
