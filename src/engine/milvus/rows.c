/*
 * A row: before the values its id, as StringArray has it; after them its metadata and then its sparse part, each as its
 * array has it too: a field of the same number. columns.c takes rows apart, and copies the pieces as they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/milvus/columns.h"
#include "engine/milvus/milvus.h"
#include "wire/field_reader.h"
#include "wire/guard.h"
#include "wire/struct_bytes.h"

enum { DATA = 1 }; /* of StringArray, JSONArray and SparseFloatArray */

/* --- writing ------------------------------------------------------------------------------------------------------- */

/* A pair of a sparse vector, as Milvus has it: little-endian, one behind the other, sorted by index. */
typedef struct pair {
    uint32_t index;
    float value;
} pair;

static int
compare_pairs(const void *a, const void *b)
{
    const pair *left = a, *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

static vmx_status
measure_sparse(vmx_sparse sparse, const char *what, vmx_arena *scratch, vmx_str *bytes, vmx_error *error)
{
    *bytes = VMX_STR("");
    if (sparse.len == 0)
        return VMX_OK;
    pair *pairs = vmx_arena_calloc(scratch, sparse.len, sizeof *pairs);
    if (pairs == NULL)
        return vmx_error_no_memory(error);
    for (size_t i = 0; i < sparse.len; i++)
        pairs[i] = (pair){sparse.indices[i], sparse.values[i]};
    qsort(pairs, sparse.len, sizeof *pairs, compare_pairs);
    for (size_t i = 1; i < sparse.len; i++)
        if (pairs[i].index == pairs[i - 1].index)
            return vmx_error_set(error, VMX_ERR_INVALID, "%s: the sparse index %u stands twice", what, pairs[i].index);
    *bytes = (vmx_str){(const char *)pairs, sparse.len * sizeof *pairs};
    return VMX_OK;
}

/* Milvus finds a name in stored JSON only where it is written as in the expression, so it is written in one way: ours. */
static vmx_status
measure_metadata(const vmx_vector *vector, const char *what, vmx_arena *scratch, vmx_str *metadata, vmx_error *error)
{
    char name[VMX_CHECK_NAME_SIZE + 16];
    vmx_str packed;
    *metadata = VMX_STR("{}");
    if (vector->metadata.len == 0)
        return VMX_OK;
    snprintf(name, sizeof name, "%s: metadata", what);
    vmx_status status = vmx_struct_bytes_from_json(scratch, vector->metadata, name, &packed, error);
    if (status != VMX_OK)
        return status;
    vmx_buffer json = {0};
    vmx_struct_bytes_to_json(packed, &json);
    *metadata = json.failed ? (vmx_str){NULL, 0} : vmx_arena_str(scratch, (vmx_str){(const char *)json.data, json.len});
    vmx_buffer_free(&json);
    return metadata->ptr != NULL ? VMX_OK : vmx_error_no_memory(error);
}

static vmx_status
measure(const vmx_row_target *target, const vmx_vector *vector, const char *what, vmx_arena *scratch, vmx_row *row,
        vmx_error *error)
{
    (void)target;
    *row = (vmx_row){.item = {.id = vector->id, .values = vector->values, .sparse = vector->sparse}};
    vmx_status status = measure_metadata(vector, what, scratch, &row->item.metadata, error);
    if (status == VMX_OK)
        status = measure_sparse(vector->sparse, what, scratch, &row->key, error);
    row->before_bytes = vmx_field_size(row->item.id.len);
    row->after_bytes = vmx_field_size(row->item.metadata.len) + vmx_field_size(row->key.len);
    return status;
}

static uint8_t *
write_before(const vmx_row *row, uint8_t *at)
{
    return vmx_field_write(at, DATA, row->item.id.ptr, row->item.id.len);
}

static uint8_t *
write_after(const vmx_row *row, uint8_t *at)
{
    at = vmx_field_write(at, DATA, row->item.metadata.ptr, row->item.metadata.len);
    return vmx_field_write(at, DATA, row->key.ptr, row->key.len);
}

/* --- composing ----------------------------------------------------------------------------------------------------- */

/* Names, types and lengths of four columns; ids that are integers take less than as texts, but for one byte each. */
#define FRAME_BYTES 256

static size_t
overhead_bytes(const vmx_row_target *target)
{
    return FRAME_BYTES + 4 * VMX_MILVUS_NAME_SIZE + target->collection.len + target->name_space.len;
}

static bool
prepare(const vmx_row_target *target, vmx_request *request)
{
    vmx_milvus_schema schema;
    if (vmx_milvus_recall(target->engine->state, target->collection, &schema))
        return false;
    Milvus__DescribeCollectionRequest describe = MILVUS__DESCRIBE_COLLECTION_REQUEST__INIT;
    describe.collection_name = (char *)(uintptr_t)target->collection.ptr;
    uint8_t *data;
    size_t len = protobuf_c_message_get_packed_size(&describe.base);
    vmx_block *block = vmx_block_new(len, &data);
    if (block == NULL)
        return false; /* compose says so */
    protobuf_c_message_pack(&describe.base, data);
    *request =
        (vmx_request){.method = VMX_MILVUS_METHOD("DescribeCollection"), .idempotent = true, .judge = vmx_milvus_judge};
    vmx_message_init_one(&request->message, block, data, len);
    return true;
}

static vmx_status
prepared(const vmx_row_target *target, vmx_message *reply, vmx_error *error)
{
    vmx_arena scratch = {0};
    vmx_machine machine = {.engine = target->engine, .arena = &scratch, .error = error};
    vmx_step step;
    const Milvus__DescribeCollectionResponse *response =
        vmx_exchange_unpack(&machine, reply, &milvus__describe_collection_response__descriptor, &step);
    if (response != NULL) {
        vmx_milvus_schema schema;
        vmx_milvus_schema_read(response->schema, &schema);
        vmx_milvus_remember(target->engine->state, target->collection, &schema);
    }
    vmx_arena_reset(&scratch);
    return response != NULL ? VMX_OK : error->code;
}

static vmx_status
compose(const vmx_row_target *target, const vmx_rows *rows, vmx_message *message, vmx_error *error)
{
    vmx_milvus_schema schema;
    vmx_milvus_columns columns;
    vmx_message gathered;
    vmx_milvus_memory *memory = target->engine->state;
    if (!vmx_milvus_recall(memory, target->collection, &schema))
        return vmx_error_no_memory(error);
    vmx_status status = vmx_milvus_gather(rows, &columns, &gathered, error);
    if (status != VMX_OK)
        return status;
    vmx_str partition = target->name_space.len > 0 ? target->name_space : VMX_STR("_default");
    status = vmx_milvus_frame(&columns, &gathered, &schema, target->collection, partition, message, error);
    vmx_message_clear(&gathered);
    if (status == VMX_OK)
        vmx_milvus_note_rows(memory);
    else
        vmx_milvus_forget(memory, target->collection); /* it may be out of date: the next batch asks anew */
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

static bool
read_reply(const vmx_message *reply, uint64_t sent, uint64_t *stored)
{
    (void)sent;
    vmx_arena scratch = {0};
    vmx_str bytes = vmx_exchange_flatten(&scratch, reply);
    /* the ids that come back are not looked at: to this descriptor they are unknown */
    bool sound = bytes.ptr != NULL && vmx_guard_check(&milvus__any_response__descriptor, (const uint8_t *)bytes.ptr,
                                                      bytes.len, NULL, NULL) == VMX_OK;
    *stored = 0;
    vmx_field_reader reader = vmx_field_reader_on(sound ? bytes : VMX_STR(""));
    for (vmx_field field; vmx_field_next(&reader, &field);)
        if (field.number == 8) /* upsert_cnt */
            *stored = field.value;
    vmx_arena_reset(&scratch);
    return sound;
}

static bool
read_id(const vmx_row_view *view, vmx_arena *arena, vmx_str *id)
{
    const uint8_t *at = view->before.data;
    vmx_varint_read(&at); /* the tag */
    size_t len = (size_t)vmx_varint_read(&at);
    *id = vmx_arena_str(arena, (vmx_str){(const char *)at, len});
    return id->ptr != NULL;
}

static bool
read_sparse(vmx_str bytes, vmx_arena *arena, vmx_sparse *sparse)
{
    size_t count = bytes.len / sizeof(pair);
    uint32_t *indices = vmx_arena_calloc(arena, count + 1, sizeof *indices);
    float *values = vmx_arena_calloc(arena, count + 1, sizeof *values);
    if (indices == NULL || values == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        memcpy(&indices[i], bytes.ptr + i * sizeof(pair), sizeof *indices);
        memcpy(&values[i], bytes.ptr + i * sizeof(pair) + sizeof *indices, sizeof *values);
    }
    *sparse = (vmx_sparse){indices, values, count};
    return true;
}

static bool
read_record(const vmx_row_view *view, vmx_arena *arena, vmx_match *record)
{
    *record = (vmx_match){.values = vmx_row_floats(&view->values, arena)};
    bool sound = read_id(view, arena, &record->id) && record->values.len == view->values.len / sizeof(float);
    vmx_field_reader reader = vmx_field_reader_on((vmx_str){(const char *)view->after.data, view->after.len});
    vmx_field metadata, sparse;
    if (!sound || !vmx_field_next(&reader, &metadata) || !vmx_field_next(&reader, &sparse))
        return false;
    if (metadata.bytes.len > 2 && /* {} is none */
        (record->metadata_json = vmx_arena_str(arena, metadata.bytes)).ptr == NULL)
        return false;
    return read_sparse(sparse.bytes, arena, &record->sparse);
}

const vmx_row_codec vmx_milvus_rows = {
    .method = VMX_MILVUS_METHOD("Upsert"),
    .judge = vmx_milvus_judge,
    .columns = true,
    .measure = measure,
    .write_before = write_before,
    .write_after = write_after,
    .overhead_bytes = overhead_bytes,
    .prepare = prepare,
    .prepared = prepared,
    .compose = compose,
    .read_reply = read_reply,
    .read_id = read_id,
    .read_record = read_record,
};
