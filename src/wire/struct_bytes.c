#include "wire/struct_bytes.h"

#include <google/protobuf/struct.pb-c.h>

#include "core/error.h"
#include "core/number.h"
#include "wire/field_reader.h"
#include "wire/struct_json.h"

/* Field numbers. */
enum { STRUCT_FIELDS = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2, LIST_VALUES = 1 };
enum { VALUE_NULL = 1, VALUE_NUMBER = 2, VALUE_STRING = 3, VALUE_BOOL = 4, VALUE_STRUCT = 5, VALUE_LIST = 6 };

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
