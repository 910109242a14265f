#include "source/blob.h"

#include <string.h>

#include "source/convert.h"

/* Rows that are converted at a time, as many as fit, one at least. */
#define SCRATCH_BYTES 65536

void
vmx_blob_init(vmx_blob *blob, vmx_rows *rows, vmx_blob_element element, bool normalised)
{
    *blob = (vmx_blob){.rows = rows, .element = element, .normalised = normalised};
    blob->row_bytes = element == VMX_BLOB_FLOAT16 ? rows->row_bytes / 2 : rows->row_bytes;
    blob->size_bytes = rows->count * blob->row_bytes;
}

static size_t
scratch_rows(const vmx_blob *blob)
{
    size_t fit = SCRATCH_BYTES / blob->rows->row_bytes;
    return fit > 0 ? fit : 1;
}

size_t
vmx_blob_scratch_bytes(const vmx_blob *blob)
{
    size_t rows_bytes = blob->element == VMX_BLOB_FLOAT16 ? scratch_rows(blob) * blob->rows->row_bytes : 0;
    return rows_bytes + blob->row_bytes; /* the last for a row of which only a piece is wanted */
}

const uint8_t *
vmx_blob_view(const vmx_blob *blob, uint64_t offset, size_t len)
{
    if (blob->element != VMX_BLOB_AS_IS || blob->normalised || len == 0)
        return NULL;
    uint64_t first = offset / blob->row_bytes, last = (offset + len - 1) / blob->row_bytes;
    const uint8_t *rows = blob->rows->vtable->view(blob->rows, first, last - first + 1);
    return rows != NULL ? rows + offset % blob->row_bytes : NULL;
}

static void
normalise_rows(const vmx_blob *blob, float *rows, uint64_t count)
{
    size_t dimension = blob->rows->row_bytes / sizeof(float);
    for (uint64_t i = 0; blob->normalised && i < count; i++)
        vmx_normalise(rows + i * dimension, dimension);
}

static vmx_status
read_halves(const vmx_blob *blob, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    float *floats = (float *)(void *)blob->scratch;
    vmx_status status = VMX_OK;
    while (count > 0 && status == VMX_OK) {
        uint64_t some = count < scratch_rows(blob) ? count : scratch_rows(blob);
        status = blob->rows->vtable->read(blob->rows, first, some, blob->scratch, error);
        if (status != VMX_OK)
            return status;
        normalise_rows(blob, floats, some);
        vmx_floats_to_halves(floats, (uint16_t *)(void *)out, some * blob->rows->row_bytes / sizeof(float));
        first += some;
        count -= some;
        out += some * blob->row_bytes;
    }
    return status;
}

/* Whole rows, converted. `out` is aligned for floats. */
static vmx_status
read_rows(const vmx_blob *blob, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    if (blob->element == VMX_BLOB_FLOAT16)
        return read_halves(blob, first, count, out, error);
    vmx_status status = blob->rows->vtable->read(blob->rows, first, count, out, error);
    if (status == VMX_OK && blob->normalised)
        normalise_rows(blob, (float *)(void *)out, count);
    return status;
}

/* A piece of one row, by way of the scratch. */
static vmx_status
read_piece(const vmx_blob *blob, uint64_t offset, size_t len, uint8_t *out, vmx_error *error)
{
    uint8_t *row = blob->scratch + vmx_blob_scratch_bytes(blob) - blob->row_bytes;
    vmx_status status = read_rows(blob, offset / blob->row_bytes, 1, row, error);
    if (status == VMX_OK)
        memcpy(out, row + offset % blob->row_bytes, len);
    return status;
}

vmx_status
vmx_blob_read(const vmx_blob *blob, uint64_t offset, size_t len, uint8_t *out, vmx_error *error)
{
    vmx_status status = VMX_OK;
    while (len > 0 && status == VMX_OK) {
        size_t inside = (size_t)(offset % blob->row_bytes), some = blob->row_bytes - inside;
        bool whole = inside == 0 && len >= blob->row_bytes && (uintptr_t)out % sizeof(float) == 0;
        if (whole)
            some = len / blob->row_bytes * blob->row_bytes;
        some = some < len ? some : len;
        status = whole ? read_rows(blob, offset / blob->row_bytes, some / blob->row_bytes, out, error)
                       : read_piece(blob, offset, some, out, error);
        offset += some;
        len -= some;
        out += some;
    }
    return status;
}
