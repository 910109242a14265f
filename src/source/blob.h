/*
 * source/blob.h: rows as the bytes that a blob (.knnvec, .knndid) or a FAISS storage holds: converted, row after row,
 * little endian, without header. The upload and the splice read the same blob.
 */
#ifndef VMX_SOURCE_BLOB_H
#define VMX_SOURCE_BLOB_H

#include "source/rows.h"

typedef enum vmx_blob_element {
    VMX_BLOB_AS_IS = 0,  /* float32, or ids */
    VMX_BLOB_FLOAT16 = 1 /* of float32 rows */
} vmx_blob_element;

/* A value; borrows `rows`. One thread at a time may read it, because of `scratch`. */
typedef struct vmx_blob {
    vmx_rows *rows;
    vmx_blob_element element;
    bool normalised;
    size_t row_bytes; /* in the blob */
    uint64_t size_bytes;
    uint8_t *scratch; /* vmx_blob_scratch_bytes of it, the caller's; for vmx_blob_read */
} vmx_blob;

void
vmx_blob_init(vmx_blob *blob, vmx_rows *rows, vmx_blob_element element, bool normalised);

/* What reading needs beside its output. */
size_t
vmx_blob_scratch_bytes(const vmx_blob *blob);

/* The bytes where they are; NULL if they are not: read them. */
const uint8_t *
vmx_blob_view(const vmx_blob *blob, uint64_t offset, size_t len);

/* Copies the bytes from `offset` on, which may be in the middle of a row; of a sequential source only whole rows. */
vmx_status
vmx_blob_read(const vmx_blob *blob, uint64_t offset, size_t len, uint8_t *out, vmx_error *error);

#endif
