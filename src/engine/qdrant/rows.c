/*
 * Rows are the `points` fields of an UpsertPoints: PointStruct{1 id, 3 payload, 4 vectors}, the dense values last, as the
 * old form of a vector has them (Vector{1 packed floats}). With names or sparse values vectors are
 * NamedVectors{1 entries{1 name, 2 Vector}}, the sparse one behind the dense one. In front stand the collection's name,
 * wait and ordering.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/qdrant/qdrant.h"
#include "wire/arena_allocator.h"
#include "wire/field_reader.h"
#include "wire/varint.h"

/* Field numbers. */
enum { COLLECTION = 1, WAIT = 2, POINTS = 3, ORDERING = 4 }; /* of UpsertPoints */
enum { VECTORS = 4 };                                        /* of PointStruct */
enum { UNNAMED = 1, NAMED = 2 };                             /* of Vectors */
enum { ENTRIES = 1, ENTRY_NAME = 1, ENTRY_VECTOR = 2, DATA = 1 };

/* How long the messages around the dense values are, from the inside out; 0: there is none. */
typedef struct nesting {
    size_t data, vector, entry, named, vectors, point;
} nesting;

static nesting
measure_nesting(const vmx_row *row, const char *name)
{
    nesting n = {.data = row->item.values.len * sizeof(float)};
    size_t sparse = row->item.metadata.len;
    n.vector = vmx_field_size(n.data);
    if (name[0] == '\0' && sparse == 0) {
        n.vectors = vmx_field_size(n.vector);
    } else {
        n.entry = n.data > 0 ? vmx_field_size(strlen(name)) + vmx_field_size(n.vector) : 0;
        n.named = (n.entry > 0 ? vmx_field_size(n.entry) : 0) + sparse;
        n.vectors = vmx_field_size(n.named);
    }
    n.point = row->key.len + vmx_field_size(n.vectors);
    return n;
}

static uint8_t *
write_header(const vmx_row *row, const char *name, const nesting *n, uint8_t *at)
{
    at = vmx_field_begin(at, POINTS, n->point);
    memcpy(at, row->key.ptr, row->key.len);
    at = vmx_field_begin(at + row->key.len, VECTORS, n->vectors);
    if (n->named == 0)
        return vmx_field_begin(vmx_field_begin(at, UNNAMED, n->vector), DATA, n->data);
    at = vmx_field_begin(at, NAMED, n->named);
    if (n->entry == 0)
        return at;
    at = vmx_field_begin(at, ENTRIES, n->entry);
    at = vmx_field_write(at, ENTRY_NAME, name, strlen(name));
    return vmx_field_begin(vmx_field_begin(at, ENTRY_VECTOR, n->vector), DATA, n->data);
}

/* Packs a message into the arena; ptr is NULL when memory is out. */
static vmx_str
pack(vmx_arena *arena, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = vmx_arena_alloc(arena, len);
    if (bytes != NULL)
        protobuf_c_message_pack(message, bytes);
    return (vmx_str){(const char *)bytes, len};
}

/* row->key: id and payload, as they begin a PointStruct. */
static vmx_status
make_key(vmx_arena *scratch, const vmx_vector *vector, const char *what, vmx_row *row, vmx_error *error)
{
    char name[VMX_CHECK_NAME_SIZE + 16];
    Qdrant__PointId id;
    Qdrant__PointStruct point = QDRANT__POINT_STRUCT__INIT;
    snprintf(name, sizeof name, "%s: metadata", what);
    vmx_status status = vmx_qdrant_payload_from_json(scratch, vector->metadata, vector->id, name, &point.payload,
                                                     &point.n_payload, error);
    if (status != VMX_OK)
        return status;
    point.id = &id;
    if (!vmx_qdrant_id(scratch, vector->id, &id))
        return vmx_error_no_memory(error);
    row->key = pack(scratch, &point.base);
    return row->key.ptr != NULL ? VMX_OK : vmx_error_no_memory(error);
}

/* row->item.metadata: the sparse values, as an entry of NamedVectors. */
static bool
make_sparse(vmx_arena *scratch, const vmx_qdrant_settings *settings, vmx_sparse sparse, vmx_row *row)
{
    if (sparse.len == 0)
        return true;
    Qdrant__Vectors *vectors = vmx_qdrant_vectors(scratch, settings, (vmx_floats){0}, sparse);
    if (vectors != NULL)
        row->item.metadata = pack(scratch, &vectors->vectors->base);
    return row->item.metadata.ptr != NULL;
}

static vmx_status
measure(const vmx_row_target *target, const vmx_vector *vector, const char *what, vmx_arena *scratch, vmx_row *row,
        vmx_error *error)
{
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(target->engine);
    *row = (vmx_row){.item = {.id = vector->id, .values = vector->values}};
    vmx_status status = make_key(scratch, vector, what, row, error);
    if (status != VMX_OK)
        return status;
    if (!make_sparse(scratch, settings, vector->sparse, row))
        return vmx_error_no_memory(error);
    nesting n = measure_nesting(row, settings->vector_name);
    row->after_bytes = row->item.metadata.len;
    row->before_bytes = vmx_field_size(n.point) - n.data - row->after_bytes;
    row->context = settings;
    return VMX_OK;
}

static uint8_t *
write_before(const vmx_row *row, uint8_t *at)
{
    const vmx_qdrant_settings *settings = row->context;
    nesting n = measure_nesting(row, settings->vector_name);
    return write_header(row, settings->vector_name, &n, at);
}

static uint8_t *
write_after(const vmx_row *row, uint8_t *at)
{
    if (row->after_bytes > 0)
        memcpy(at, row->item.metadata.ptr, row->after_bytes);
    return at + row->after_bytes;
}

/* --- requests and replies ------------------------------------------------------------------------------------------ */

static size_t
overhead_bytes(const vmx_row_target *target)
{
    return vmx_field_size(target->collection.len) + 2 + 4;
}

static vmx_status
compose(const vmx_row_target *target, const vmx_rows *rows, vmx_message *message, vmx_error *error)
{
    vmx_arena scratch = {0};
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(target->engine);
    Qdrant__UpsertPoints head = QDRANT__UPSERT_POINTS__INIT;
    Qdrant__WriteOrdering ordering = QDRANT__WRITE_ORDERING__INIT;
    head.collection_name = vmx_qdrant_text(target->collection.ptr);
    head._wait_case = QDRANT__UPSERT_POINTS___WAIT_WAIT;
    head.wait = settings->wait;
    ordering.type = settings->ordering;
    head.ordering = settings->ordering != QDRANT__WRITE_ORDERING_TYPE__Weak ? &ordering : NULL;
    vmx_str bytes = pack(&scratch, &head.base);
    bool made = bytes.ptr != NULL && vmx_rows_message(rows, bytes, VMX_STR(""), message);
    vmx_arena_reset(&scratch);
    return made ? VMX_OK : vmx_error_no_memory(error);
}

/* The reply counts nothing, but one write is one operation: judged to have been done, it was done whole. */
static bool
read_reply(const vmx_message *reply, uint64_t sent, uint64_t *stored)
{
    (void)reply;
    *stored = sent;
    return true;
}

/* --- reading back -------------------------------------------------------------------------------------------------- */

/* The row's PointStruct, unpacked into the arena; NULL when memory is out. */
static Qdrant__PointStruct *
unpack(const vmx_row_view *view, vmx_arena *arena)
{
    size_t size = view->before.len + view->values.len + view->after.len, at = 0;
    uint8_t *bytes = vmx_arena_alloc(arena, size);
    const vmx_slice *parts[] = {&view->before, &view->values, &view->after};
    if (bytes == NULL)
        return NULL;
    for (size_t i = 0; i < 3; at += parts[i++]->len)
        if (parts[i]->len > 0)
            memcpy(bytes + at, parts[i]->data, parts[i]->len);
    vmx_field field = {.bytes = {"", 0}};
    vmx_field_reader reader = vmx_field_reader_on((vmx_str){(const char *)bytes, size});
    vmx_field_next(&reader, &field);
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    return qdrant__point_struct__unpack(&allocator, field.bytes.len, (const uint8_t *)field.bytes.ptr);
}

static bool
read_id(const vmx_row_view *view, vmx_arena *arena, vmx_str *id)
{
    const Qdrant__PointStruct *point = unpack(view, arena);
    if (point != NULL)
        *id = vmx_qdrant_id_text(arena, point->id, point->payload, point->n_payload);
    return point != NULL && id->ptr != NULL;
}

static bool
read_record(const vmx_row_view *view, vmx_arena *arena, vmx_match *record)
{
    const Qdrant__PointStruct *point = unpack(view, arena);
    if (point == NULL)
        return false;
    record->id = vmx_qdrant_id_text(arena, point->id, point->payload, point->n_payload);
    const Qdrant__Vectors *vectors = point->vectors;
    bool named = vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    for (size_t i = 0; named && i < vectors->vectors->n_vectors; i++)
        vmx_qdrant_read_vector(vectors->vectors->vectors[i]->value, record);
    if (!named)
        vmx_qdrant_read_vector(vectors->vector, record);
    return record->id.ptr != NULL &&
           vmx_qdrant_payload_to_json(arena, point->payload, point->n_payload, &record->metadata_json);
}

const vmx_row_codec vmx_qdrant_rows = {
    .method = "/qdrant.Points/Upsert",
    .judge = vmx_qdrant_judge_write,
    .measure = measure,
    .write_before = write_before,
    .write_after = write_after,
    .overhead_bytes = overhead_bytes,
    .compose = compose,
    .read_reply = read_reply,
    .read_id = read_id,
    .read_record = read_record,
};
