#include "server/metadata.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/limits.h"
#include "wire/arena_allocator.h"

typedef Google__Protobuf__Struct__FieldsEntry entry;

/* The tags (field number << 3 | wire type) that this file reads */
#define TAG_FIRST_MESSAGE 0x0a /* Struct.fields, an entry's key, ListValue.values */
#define TAG_NUMBER        0x11
#define TAG_TEXT          0x1a
#define TAG_BOOLEAN       0x20
#define TAG_LIST          0x32

static const char *
kind_name(const Google__Protobuf__Value *value)
{
    switch (value ? value->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE:
        return "null";
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        return "a number that is not finite";
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        return "an object";
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        return "a list with other items";
    default:
        return "no value";
    }
}

static bool
is_text_list(const Google__Protobuf__ListValue *list)
{
    for (size_t i = 0; i < list->n_values; i++)
        if (list->values[i]->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE)
            return false;
    return true;
}

static bool
is_storable(const Google__Protobuf__Value *value)
{
    switch (value ? value->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        return isfinite(value->number_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        return is_text_list(value->list_value);
    default:
        return false;
    }
}

/* By key, then by place in the message. */
static int
compare_places(const void *a, const void *b)
{
    entry *const *left = *(entry *const *const *)a, *const *right = *(entry *const *const *)b;
    int order = strcmp((*left)->key, (*right)->key);
    return order != 0 ? order : (left > right) - (left < right);
}

/* Keeps the last entry of each key, in the order in which they stand. */
static bool
drop_duplicates(Google__Protobuf__Struct *metadata, vmx_arena *arena)
{
    size_t count = metadata->n_fields;
    entry ***places = vmx_arena_calloc(arena, count, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < count; i++)
        places[i] = &metadata->fields[i];
    qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 0; i + 1 < count; i++)
        if (strcmp((*places[i])->key, (*places[i + 1])->key) == 0)
            *places[i] = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (metadata->fields[i])
            metadata->fields[kept++] = metadata->fields[i];
    metadata->n_fields = kept;
    return true;
}

bool
vmxd_metadata_check(Google__Protobuf__Struct *metadata, vmx_arena *arena, vmxd_status *status)
{
    for (size_t i = 0; i < metadata->n_fields; i++) {
        const entry *field = metadata->fields[i];
        if (field->key[0] == '$')
            return vmxd_invalid(status, "Metadata key '%.*s' must not start with '$'", vmxd_clip(field->key),
                                field->key);
        if (!is_storable(field->value))
            return vmxd_invalid(status,
                                "Metadata value must be a string, number, boolean or list of strings, got %s for field "
                                "'%.*s'",
                                kind_name(field->value), vmxd_clip(field->key), field->key);
    }
    if (metadata->n_fields > 1 && !drop_duplicates(metadata, arena))
        return vmxd_no_memory(status);
    return vmxd_metadata_check_size(metadata, status);
}

bool
vmxd_metadata_check_size(const Google__Protobuf__Struct *metadata, vmxd_status *status)
{
    size_t size = google__protobuf__struct__get_packed_size(metadata);
    if (size > VMXD_MAX_METADATA_BYTES)
        return vmxd_invalid(status, "Metadata size is %zu bytes, which exceeds the limit of %d bytes per vector", size,
                            VMXD_MAX_METADATA_BYTES);
    return true;
}

Google__Protobuf__Struct *
vmxd_metadata_merge(vmx_str stored, const Google__Protobuf__Struct *changes, vmx_arena *arena)
{
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    Google__Protobuf__Struct *merged =
        google__protobuf__struct__unpack(&allocator, stored.len, (const uint8_t *)stored.ptr);
    if (!merged)
        return NULL;
    size_t total = merged->n_fields + changes->n_fields;
    entry **fields = vmx_arena_calloc(arena, total, sizeof *fields);
    if (!fields)
        return NULL;
    for (size_t i = 0; i < merged->n_fields; i++)
        fields[i] = merged->fields[i];
    for (size_t i = 0; i < changes->n_fields; i++)
        fields[merged->n_fields + i] = changes->fields[i];
    merged->fields = fields;
    merged->n_fields = total;
    return total < 2 || drop_duplicates(merged, arena) ? merged : NULL;
}

/* The bytes were packed by this program, so they are well-formed: nothing here needs to be checked. */
static size_t
take_length(vmx_str *bytes)
{
    size_t length = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t)*bytes->ptr++;
        bytes->len--;
        length |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return length;
    }
}

static vmx_str
take_bytes(vmx_str *bytes)
{
    size_t length = take_length(bytes);
    vmx_str taken = {bytes->ptr, length};
    bytes->ptr += length;
    bytes->len -= length;
    return taken;
}

static uint8_t
take_tag(vmx_str *bytes)
{
    bytes->len--;
    return (uint8_t)*bytes->ptr++;
}

static void
read_value(vmx_str bytes, vmxd_value *value)
{
    *value = (vmxd_value){.kind = VMXD_TEXT};
    switch (take_tag(&bytes)) {
    case TAG_NUMBER:
        value->kind = VMXD_NUMBER;
        memcpy(&value->number, bytes.ptr, sizeof value->number);
        break;
    case TAG_BOOLEAN:
        value->kind = VMXD_BOOLEAN;
        value->number = *bytes.ptr != 0;
        break;
    case TAG_TEXT:
        value->text = take_bytes(&bytes);
        break;
    case TAG_LIST:
        value->kind = VMXD_LIST;
        value->text = take_bytes(&bytes);
        break;
    }
}

bool
vmxd_metadata_find(vmx_str packed, vmx_str key, vmxd_value *value)
{
    while (packed.len > 0) {
        take_tag(&packed);
        vmx_str field = take_bytes(&packed);
        vmx_str name = {NULL, 0}; /* an empty key is not written */
        if ((uint8_t)*field.ptr == TAG_FIRST_MESSAGE) {
            take_tag(&field);
            name = take_bytes(&field);
        }
        if (name.len == key.len && (key.len == 0 || memcmp(name.ptr, key.ptr, key.len) == 0)) {
            take_tag(&field);
            read_value(take_bytes(&field), value);
            return true;
        }
    }
    return false;
}

bool
vmxd_list_next(vmx_str *list, vmx_str *text)
{
    if (list->len == 0)
        return false;
    take_tag(list);
    vmx_str item = take_bytes(list);
    take_tag(&item);
    *text = take_bytes(&item);
    return true;
}
