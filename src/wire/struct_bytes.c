#include "wire/struct_bytes.h"

#include <google/protobuf/struct.pb-c.h>

#include "core/error.h"
#include "core/number.h"
#include "wire/checked_reader.h"
#include "wire/guard.h"
#include "wire/struct_json.h"
#include "wire/text_check.h"

/* Field numbers. */
enum { STRUCT_FIELDS = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2, LIST_VALUES = 1 };
enum { VALUE_NULL = 1, VALUE_NUMBER = 2, VALUE_STRING = 3, VALUE_BOOL = 4, VALUE_STRUCT = 5, VALUE_LIST = 6 };

/* Tags. */
enum { STRUCT_FIELDS_TAG = STRUCT_FIELDS << 3 | VMX_WIRE_BYTES, LIST_VALUES_TAG = LIST_VALUES << 3 | VMX_WIRE_BYTES };
enum { ENTRY_KEY_TAG = ENTRY_KEY << 3 | VMX_WIRE_BYTES, ENTRY_VALUE_TAG = ENTRY_VALUE << 3 | VMX_WIRE_BYTES };
enum {
    VALUE_NULL_TAG = VALUE_NULL << 3 | VMX_WIRE_VARINT,
    VALUE_NUMBER_TAG = VALUE_NUMBER << 3 | VMX_WIRE_64BIT,
    VALUE_STRING_TAG = VALUE_STRING << 3 | VMX_WIRE_BYTES,
    VALUE_BOOL_TAG = VALUE_BOOL << 3 | VMX_WIRE_VARINT,
    VALUE_STRUCT_TAG = VALUE_STRUCT << 3 | VMX_WIRE_BYTES,
    VALUE_LIST_TAG = VALUE_LIST << 3 | VMX_WIRE_BYTES
};

vmx_status
vmx_struct_bytes_from_json(vmx_arena *arena, vmx_str text, const char *what, vmx_str *bytes, vmx_error *error)
{
    vmx_arena scratch = {0};
    Google__Protobuf__Struct *object;
    vmx_status status = vmx_struct_from_json(&scratch, text, what, &object, error);
    if (status == VMX_OK) {
        size_t len = google__protobuf__struct__get_packed_size(object);
        uint8_t *packed = vmx_arena_alloc(arena, len);
        *bytes = (vmx_str){(const char *)packed, len};
        if (packed != NULL)
            google__protobuf__struct__pack(object, packed);
        else
            status = vmx_error_no_memory(error);
    }
    vmx_arena_reset(&scratch);
    return status;
}

/* --- checks -------------------------------------------------------------------------------------------------------- */

static bool
list_is_good(vmx_str bytes, unsigned depth);

/* What is in a field of a Value, which is a message at `depth`, behind its tag; false for what is no such field. */
static bool
kind_is_good(vmx_str bytes, uint32_t tag, unsigned depth)
{
    switch (tag) {
    case VALUE_STRING_TAG:
        return vmx_text_valid(bytes);
    case VALUE_STRUCT_TAG:
        return vmx_struct_bytes_check(bytes, depth + 1);
    case VALUE_LIST_TAG:
        return list_is_good(bytes, depth + 1);
    default:
        return vmx_tag_number(tag) > VALUE_LIST;
    }
}

static bool
value_is_good(vmx_str bytes, unsigned depth)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = depth <= VMX_GUARD_MAX_DEPTH;
    for (uint32_t tag; good && vmx_checked_tag(&reader, &tag);) {
        if ((tag & 7) == VMX_WIRE_BYTES)
            good = kind_is_good(vmx_checked_bytes(&reader), tag, depth);
        else if (tag == VALUE_NUMBER_TAG || tag == VALUE_BOOL_TAG || tag == VALUE_NULL_TAG)
            vmx_checked_skip(&reader, tag);
        else
            vmx_checked_unknown(&reader, tag, VALUE_LIST);
    }
    return good && !reader.broken;
}

static bool
list_is_good(vmx_str bytes, unsigned depth)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = depth <= VMX_GUARD_MAX_DEPTH;
    for (uint32_t tag; good && vmx_checked_tag(&reader, &tag);) {
        if (tag == LIST_VALUES_TAG)
            good = value_is_good(vmx_checked_bytes(&reader), depth + 1);
        else
            vmx_checked_unknown(&reader, tag, LIST_VALUES);
    }
    return good && !reader.broken;
}

/* Of the map in a Struct. */
static bool
entry_is_good(vmx_str bytes, unsigned depth)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = depth <= VMX_GUARD_MAX_DEPTH;
    for (uint32_t tag; good && vmx_checked_tag(&reader, &tag);) {
        if (tag == ENTRY_KEY_TAG)
            good = vmx_text_valid(vmx_checked_bytes(&reader));
        else if (tag == ENTRY_VALUE_TAG)
            good = value_is_good(vmx_checked_bytes(&reader), depth + 1);
        else
            vmx_checked_unknown(&reader, tag, ENTRY_VALUE);
    }
    return good && !reader.broken;
}

bool
vmx_struct_bytes_check(vmx_str bytes, unsigned depth)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = depth <= VMX_GUARD_MAX_DEPTH;
    for (uint32_t tag; good && vmx_checked_tag(&reader, &tag);) {
        if (tag == STRUCT_FIELDS_TAG)
            good = entry_is_good(vmx_checked_bytes(&reader), depth + 1);
        else
            vmx_checked_unknown(&reader, tag, STRUCT_FIELDS);
    }
    return good && !reader.broken;
}

/* --- to JSON; the guard has limited the depth ---------------------------------------------------------------------- */

static void
append_value(vmx_buffer *json, vmx_str bytes);

static void
append_list(vmx_buffer *json, vmx_str bytes)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    const char *separator = "";
    vmx_buffer_append_byte(json, '[');
    while (vmx_field_next(&reader, &field)) {
        if (field.number != LIST_VALUES)
            continue;
        vmx_buffer_append_text(json, separator);
        append_value(json, field.bytes);
        separator = ",";
    }
    vmx_buffer_append_byte(json, ']');
}

static void
append_number(vmx_buffer *json, double number)
{
    char text[VMX_NUMBER_SIZE];
    vmx_buffer_append(json, text, vmx_number_format(number, text));
}

/* A Value is a oneof: the last field that is set counts; none is null. */
static void
append_value(vmx_buffer *json, vmx_str bytes)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field, kind = {.number = VALUE_NULL};
    while (vmx_field_next(&reader, &field))
        if (field.number >= VALUE_NULL && field.number <= VALUE_LIST)
            kind = field;
    switch (kind.number) {
    case VALUE_NUMBER:
        append_number(json, vmx_field_double(&kind));
        break;
    case VALUE_STRING:
        vmx_json_append_string(json, kind.bytes);
        break;
    case VALUE_BOOL:
        vmx_buffer_append_text(json, kind.value != 0 ? "true" : "false");
        break;
    case VALUE_STRUCT:
        vmx_struct_bytes_to_json(kind.bytes, json);
        break;
    case VALUE_LIST:
        append_list(json, kind.bytes);
        break;
    default:
        vmx_buffer_append_text(json, "null");
    }
}

static void
append_entry(vmx_buffer *json, vmx_str bytes)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    vmx_str key = {"", 0}, value = {"", 0};
    while (vmx_field_next(&reader, &field)) {
        if (field.number == ENTRY_KEY)
            key = field.bytes;
        else if (field.number == ENTRY_VALUE)
            value = field.bytes;
    }
    vmx_json_append_string(json, key);
    vmx_buffer_append_byte(json, ':');
    append_value(json, value);
}

void
vmx_struct_bytes_to_json(vmx_str bytes, vmx_buffer *json)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    const char *separator = "";
    vmx_buffer_append_byte(json, '{');
    while (vmx_field_next(&reader, &field)) {
        if (field.number != STRUCT_FIELDS)
            continue;
        vmx_buffer_append_text(json, separator);
        append_entry(json, field.bytes);
        separator = ",";
    }
    vmx_buffer_append_byte(json, '}');
}
