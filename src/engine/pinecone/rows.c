/* Rows are Vector fields of an UpsertRequest (wire/vector_encoder.h); the namespace stands behind them. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"
#include "wire/field_reader.h"
#include "wire/guard.h"
#include "wire/struct_bytes.h"

static vmx_status
pack_metadata(vmx_str json, const char *what, vmx_arena *scratch, vmx_str *packed, vmx_error *error)
{
    char name[VMX_CHECK_NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s: metadata", what);
    return vmx_struct_bytes_from_json(scratch, json, name, packed, error);
}

static vmx_status
measure(const vmx_row_target *target, const vmx_vector *vector, const char *what, vmx_arena *scratch, vmx_row *row,
        vmx_error *error)
{
    (void)target;
    vmx_vector_item *item = &row->item;
    *item = (vmx_vector_item){.id = vector->id, .values = vector->values, .sparse = vector->sparse};
    if (vector->metadata.len > 0) {
        vmx_status status = pack_metadata(vector->metadata, what, scratch, &item->metadata, error);
        if (status != VMX_OK)
            return status;
    }
    vmx_vector_item_measure(item);
    size_t values_bytes = vmx_vector_values_bytes(item), size_bytes = vmx_field_size(item->size);
    row->before_bytes = size_bytes - item->size + vmx_field_size(item->id.len);
    if (values_bytes > 0)
        row->before_bytes += vmx_field_size(values_bytes) - values_bytes;
    row->after_bytes = size_bytes - row->before_bytes - values_bytes;
    return VMX_OK;
}

static uint8_t *
write_before(const vmx_row *row, uint8_t *at)
{
    return vmx_vector_write_before(&row->item, at);
}

static uint8_t *
write_after(const vmx_row *row, uint8_t *at)
{
    return vmx_vector_write_after(&row->item, at);
}

static size_t
overhead_bytes(const vmx_row_target *target)
{
    return vmx_namespace_size(target->name_space);
}

static vmx_status
compose(const vmx_row_target *target, const vmx_rows *rows, vmx_message *message, vmx_error *error)
{
    vmx_arena scratch = {0};
    size_t len = vmx_namespace_size(target->name_space);
    uint8_t *tail = vmx_arena_alloc(&scratch, len);
    bool made = tail != NULL;
    if (made) {
        vmx_namespace_write(target->name_space, tail);
        made = vmx_rows_message(rows, VMX_STR(""), (vmx_str){(const char *)tail, len}, message);
    }
    vmx_arena_reset(&scratch);
    return made ? VMX_OK : vmx_error_no_memory(error);
}

/* An UpsertResponse is a few bytes, in one piece or, where a network read ended inside it, in several; it is empty where
 * nothing was stored. */
#define MAX_REPLY_BYTES 256

static bool
read_reply(const vmx_message *reply, uint64_t sent, uint64_t *stored)
{
    (void)sent;
    uint8_t bytes[MAX_REPLY_BYTES];
    size_t len = 0;
    *stored = 0;
    if (reply->size_bytes > sizeof bytes)
        return false;
    for (size_t i = 0; i < reply->count; len += reply->slices[i++].len)
        memcpy(bytes + len, reply->slices[i].data, reply->slices[i].len);
    if (vmx_guard_check(&pinecone__upsert_response__descriptor, bytes, len, NULL, NULL) != VMX_OK)
        return false;
    vmx_field_reader reader = vmx_field_reader_on((vmx_str){(const char *)bytes, len});
    for (vmx_field field; vmx_field_next(&reader, &field);)
        if (field.number == 1)
            *stored = (uint32_t)field.value;
    return true;
}

/* The id is the first field of the Vector. */
static bool
read_id(const vmx_row_view *view, vmx_arena *arena, vmx_str *id)
{
    const uint8_t *at = view->before.data;
    vmx_varint_read(&at); /* the tag of the Vector field, */
    vmx_varint_read(&at); /* its length, */
    vmx_varint_read(&at); /* the tag of the id */
    size_t len = (size_t)vmx_varint_read(&at);
    *id = vmx_arena_str(arena, (vmx_str){(const char *)at, len});
    return id->ptr != NULL;
}

static uint8_t *
copy_slice(uint8_t *at, const vmx_slice *slice)
{
    if (slice->len > 0)
        memcpy(at, slice->data, slice->len);
    return at + slice->len;
}

static bool
read_record(const vmx_row_view *view, vmx_arena *arena, vmx_match *record)
{
    size_t size = view->before.len + view->values.len + view->after.len;
    uint8_t *bytes = vmx_arena_alloc(arena, size);
    if (bytes == NULL)
        return false;
    copy_slice(copy_slice(copy_slice(bytes, &view->before), &view->values), &view->after);
    if (!vmx_vector_field_decode((vmx_str){(const char *)bytes, size}, arena, record))
        return false;
    vmx_buffer json = {0};
    if (record->metadata.ptr != NULL)
        vmx_struct_bytes_to_json(record->metadata, &json);
    if (json.len > 0 && !json.failed)
        record->metadata_json = vmx_arena_str(arena, (vmx_str){(const char *)json.data, json.len});
    bool read = !json.failed && (json.len == 0 || record->metadata_json.ptr != NULL);
    vmx_buffer_free(&json);
    return read;
}

const vmx_row_codec vmx_pinecone_rows = {
    .method = "/VectorService/Upsert",
    .framed = true,
    .measure = measure,
    .write_before = write_before,
    .write_after = write_after,
    .overhead_bytes = overhead_bytes,
    .compose = compose,
    .read_reply = read_reply,
    .read_id = read_id,
    .read_record = read_record,
};
