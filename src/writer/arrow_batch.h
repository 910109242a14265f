/*
 * writer/arrow_batch.h: an Arrow record batch as a source of records.
 */
#ifndef VMX_WRITER_ARROW_BATCH_H
#define VMX_WRITER_ARROW_BATCH_H

#include "core/buffer.h"
#include "writer/arrow_column.h"
#include "writer/columns.h"

typedef struct vmx_arrow_batch {
    vmx_arena arena; /* the columns */
    int64_t offset;  /* of the struct array: its row 0 is this row of its columns */
    size_t row_count;
    vmx_arrow_column *rows; /* the struct itself: a row may be null */
    vmx_arrow_column *id, *vector;
    vmx_arrow_column *fields; /* metadata */
    size_t field_count;
    bool is_json; /* the only field is JSON already */
    bool in_place;
    /* the record that was asked for last */
    char id_text[24];
    float *floats;
    size_t floats_capacity;
    vmx_buffer json;
} vmx_arrow_batch;

/* Finds and checks the columns; array and schema are borrowed until clear. Errors: those of vmx_writer_put_arrow. */
vmx_status
vmx_arrow_batch_open(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema,
                     const vmx_arrow_options *options, vmx_error *error);

/* Also of a batch that could not be opened. */
void
vmx_arrow_batch_clear(vmx_arrow_batch *batch);

/* Row `row`; what `vector` points to lives until the next call. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY. */
vmx_status
vmx_arrow_batch_at(vmx_arrow_batch *batch, size_t row, vmx_vector *vector, vmx_error *error);

/* Appends the row's fields as a JSON object, or nothing when all are null. Errors: VMX_ERR_INVALID, _NO_MEMORY. */
vmx_status
vmx_arrow_fields_to_json(const vmx_arrow_column *fields, size_t count, int64_t row, vmx_buffer *json, vmx_error *error);

/* Whether the column can be a field. */
bool
vmx_arrow_is_field(const vmx_arrow_column *column);

#endif
