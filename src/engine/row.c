#include "engine/row.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "engine/check.h"
#include "engine/engine.h"

static size_t
values_bytes(const vmx_row *row)
{
    return row->item.values.len * sizeof(float);
}

vmx_floats
vmx_row_floats(const vmx_slice *bytes, vmx_arena *arena)
{
    size_t count = bytes->len / sizeof(float);
    float *values = vmx_arena_alloc(arena, bytes->len);
    if (values != NULL && count > 0)
        memcpy(values, bytes->data, bytes->len);
    return (vmx_floats){values, values != NULL ? count : 0};
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

/* Appends the rows' bytes. */
static void
add_rows(vmx_message *message, const vmx_rows *rows)
{
    size_t skip_bytes = rows->skip_bytes, left_bytes = rows->size_bytes;
    for (size_t i = 0; left_bytes > 0; i++) {
        const vmx_slice *slice = &rows->slices[i];
        size_t len = slice->len - skip_bytes < left_bytes ? slice->len - skip_bytes : left_bytes;
        vmx_message_add(message, slice->data + skip_bytes, len, slice->block);
        left_bytes -= len;
        skip_bytes = 0;
    }
}

bool
vmx_rows_message(const vmx_rows *rows, vmx_str head, vmx_str tail, vmx_message *message)
{
    uint8_t *frame;
    *message = (vmx_message){0};
    vmx_block *block = vmx_block_new(head.len + tail.len, &frame);
    if (block == NULL)
        return false;
    message->slices = vmx_alloc((rows->slice_count + 2) * sizeof *message->slices);
    if (message->slices != NULL) {
        memcpy(frame, head.ptr, head.len);
        memcpy(frame + head.len, tail.ptr, tail.len);
        vmx_message_add(message, frame, head.len, block);
        if (rows->whole)
            vmx_message_add_all(message, rows->slices, rows->slice_count, rows->size_bytes);
        else
            add_rows(message, rows);
        vmx_message_add(message, frame + head.len, tail.len, block);
    }
    vmx_block_release(block);
    return message->slices != NULL;
}

/* --- one request --------------------------------------------------------------------------------------------------- */

/* Rows of one request on their way into one block, and lent memory. */
typedef struct encoding {
    const vmx_row_codec *codec;
    const vmx_row_target *target;
    vmx_block *lender;
    vmx_row *rows;
    vmx_row_view *views;
    vmx_slice *slices;
    size_t count;
    size_t slice_count;
    size_t size_bytes;
    size_t copied_bytes;
    vmx_arena scratch;
} encoding;

static bool
is_lent(const encoding *e, const vmx_row *row)
{
    return vmx_values_are_referenced(values_bytes(row), e->lender);
}

/* The vector is only named in an error where there is one: the name costs more than the rest. */
static vmx_status
measure_named(encoding *e, const vmx_vector *vector, size_t i, vmx_error *error)
{
    if (e->codec->measure(e->target, vector, "", &e->scratch, &e->rows[i], NULL) == VMX_OK)
        return VMX_OK;
    char name[VMX_CHECK_NAME_SIZE];
    vmx_check_name_vector(name, "upsert", i, vector->id);
    return e->codec->measure(e->target, vector, name, &e->scratch, &e->rows[i], error);
}

static vmx_status
measure_row(encoding *e, const vmx_vector *vector, size_t i, vmx_error *error)
{
    vmx_status status = measure_named(e, vector, i, error);
    if (status != VMX_OK)
        return status;
    size_t bytes = vmx_row_bytes(&e->rows[i]);
    e->size_bytes += bytes;
    e->copied_bytes += is_lent(e, &e->rows[i]) ? bytes - values_bytes(&e->rows[i]) : bytes;
    return VMX_OK;
}

static vmx_status
measure_rows(encoding *e, const vmx_vectors *vectors, vmx_error *error)
{
    e->count = vectors->count;
    e->rows = vmx_arena_calloc(&e->scratch, e->count, sizeof *e->rows);
    e->views = vmx_arena_calloc(&e->scratch, e->count, sizeof *e->views);
    e->slices = vmx_arena_calloc(&e->scratch, 2 * e->count + 1, sizeof *e->slices);
    if (e->rows == NULL || e->views == NULL || e->slices == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = VMX_OK;
    for (size_t i = 0; i < e->count && status == VMX_OK; i++) {
        vmx_vector room;
        status = measure_row(e, vmx_vectors_item(vectors, i, &room), i, error);
    }
    return status;
}

static vmx_status
check_size(const encoding *e, vmx_error *error)
{
    size_t max_bytes = e->target->engine->limits.upsert_bytes;
    size_t size_bytes = e->size_bytes + e->codec->overhead_bytes(e->target);
    if (size_bytes <= max_bytes)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                         "upsert: %zu bytes in one request; at most %zu are allowed (upsert.max.bytes): split the "
                         "batch of %zu vectors",
                         size_bytes, max_bytes, e->count);
}

/* Bytes that follow the slice before them lengthen it. */
static vmx_slice
take_bytes(encoding *e, const uint8_t *data, size_t len, vmx_block *block)
{
    vmx_slice slice = {data, len, len > 0 ? block : NULL};
    vmx_slice *last = e->slice_count > 0 ? &e->slices[e->slice_count - 1] : NULL;
    if (len == 0)
        return slice;
    if (last != NULL && last->block == block && last->data + last->len == data)
        last->len += len;
    else
        e->slices[e->slice_count++] = slice;
    return slice;
}

static uint8_t *
write_row(encoding *e, const vmx_row *row, vmx_row_view *view, vmx_block *block, uint8_t *at)
{
    uint8_t *begin = at;
    at = e->codec->write_before(row, at);
    view->before = take_bytes(e, begin, (size_t)(at - begin), block);
    if (is_lent(e, row)) {
        view->values = take_bytes(e, (const uint8_t *)row->item.values.ptr, values_bytes(row), e->lender);
    } else if (row->item.values.len > 0) {
        memcpy(at, row->item.values.ptr, values_bytes(row));
        view->values = take_bytes(e, at, values_bytes(row), block);
        at += values_bytes(row);
    }
    begin = at;
    at = e->codec->write_after(row, at);
    view->after = take_bytes(e, begin, (size_t)(at - begin), block);
    return at;
}

static vmx_status
write_rows(encoding *e, vmx_message *message, vmx_error *error)
{
    uint8_t *at;
    vmx_block *block = vmx_block_new(e->copied_bytes, &at);
    if (block == NULL)
        return vmx_error_no_memory(error);
    for (size_t i = 0; i < e->count; i++)
        at = write_row(e, &e->rows[i], &e->views[i], block, at);
    vmx_rows rows = {
        .count = e->count,
        .size_bytes = e->size_bytes,
        .slices = e->slices,
        .slice_count = e->slice_count,
        .views = e->codec->columns ? e->views : NULL,
    };
    vmx_status status = e->codec->compose(e->target, &rows, message, error);
    vmx_block_release(block);
    return status;
}

vmx_status
vmx_rows_encode(const vmx_row_codec *codec, const vmx_row_target *target, const vmx_vectors *vectors, vmx_block *lender,
                vmx_message *message, vmx_error *error)
{
    encoding e = {.codec = codec, .target = target, .lender = lender};
    vmx_status status = measure_rows(&e, vectors, error);
    if (status == VMX_OK)
        status = check_size(&e, error);
    if (status == VMX_OK)
        status = write_rows(&e, message, error);
    vmx_arena_reset(&e.scratch);
    return status;
}
