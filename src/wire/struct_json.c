#include "wire/struct_json.h"

#include <jansson.h>
#include <locale.h>
#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "wire/json_scan.h"

typedef Google__Protobuf__Struct Struct;
typedef Google__Protobuf__Struct__FieldsEntry Entry;
typedef Google__Protobuf__Value Value;
typedef Google__Protobuf__ListValue List;

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void
make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* jansson reads numbers with strtod, whose decimal point is the thread's locale's: the C locale while it does. */
static json_t *
load(vmx_str text, json_error_t *reason)
{
    pthread_once(&c_locale_once, make_c_locale);
    locale_t old = uselocale(c_locale);
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, reason);
    uselocale(old);
    return json;
}

/* What is called below never needs a depth of its own: the scan has limited it. */
static Struct *
make_struct(vmx_arena *arena, json_t *json);

static List *
make_list(vmx_arena *arena, json_t *json);

/* Fills the value; false when memory is out. */
static bool
fill_value(vmx_arena *arena, json_t *json, Value *value)
{
    google__protobuf__value__init(value);
    switch (json_typeof(json)) {
    case JSON_NULL:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
        value->null_value = GOOGLE__PROTOBUF__NULL_VALUE__NULL_VALUE;
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
        value->bool_value = json_is_true(json);
        return true;
    case JSON_INTEGER:
    case JSON_REAL:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        value->number_value = json_number_value(json);
        return true;
    case JSON_STRING:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        value->string_value =
            (char *)vmx_arena_str(arena, (vmx_str){json_string_value(json), json_string_length(json)}).ptr;
        return value->string_value != NULL;
    case JSON_OBJECT:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
        value->struct_value = make_struct(arena, json);
        return value->struct_value != NULL;
    case JSON_ARRAY:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
        value->list_value = make_list(arena, json);
        return value->list_value != NULL;
    }
    return false;
}

/* NULL when memory is out. */
static List *
make_list(vmx_arena *arena, json_t *json)
{
    size_t count = json_array_size(json);
    List *list = vmx_arena_alloc(arena, sizeof *list);
    Value **pointers = vmx_arena_calloc(arena, count, sizeof *pointers);
    Value *values = vmx_arena_calloc(arena, count, sizeof *values);
    if (!list || !pointers || !values)
        return NULL;
    google__protobuf__list_value__init(list);
    list->values = pointers;
    list->n_values = count;
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &values[i];
        if (!fill_value(arena, json_array_get(json, i), &values[i]))
            return NULL;
    }
    return list;
}

/* NULL when memory is out. */
static Struct *
make_struct(vmx_arena *arena, json_t *json)
{
    typedef struct member {
        Entry entry;
        Value value;
    } member;
    size_t count = json_object_size(json);
    Struct *object = vmx_arena_alloc(arena, sizeof *object);
    Entry **pointers = vmx_arena_calloc(arena, count, sizeof *pointers);
    member *members = vmx_arena_calloc(arena, count, sizeof *members);
    if (!object || !pointers || !members)
        return NULL;
    google__protobuf__struct__init(object);
    object->fields = pointers;
    object->n_fields = count;
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach(json, key, value)
    {
        google__protobuf__struct__fields_entry__init(&members[i].entry);
        members[i].entry.key = (char *)vmx_arena_str(arena, vmx_str_from(key)).ptr;
        members[i].entry.value = &members[i].value;
        if (!members[i].entry.key || !fill_value(arena, value, &members[i].value))
            return NULL;
        pointers[i] = &members[i].entry;
        i++;
    }
    return object;
}

vmx_status
vmx_struct_from_json(vmx_arena *arena, vmx_str text, const char *what, Google__Protobuf__Struct **out, vmx_error *error)
{
    *out = NULL;
    vmx_status status = vmx_json_scan(text, VMX_JSON_MAX_DEPTH, what, error);
    if (status != VMX_OK)
        return status;
    json_error_t reason;
    json_t *json = load(text, &reason);
    if (!json && json_error_code(&reason) == json_error_out_of_memory)
        return vmx_error_no_memory(error);
    if (!json)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: line %d, column %d: %s", what, reason.line, reason.column,
                             reason.text);
    *out = make_struct(arena, json);
    json_decref(json);
    return *out ? VMX_OK : vmx_error_no_memory(error);
}

static bool
is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void
append_escaped(vmx_buffer *json, unsigned char c)
{
    static const char letters[] = "btnvfr"; /* for 0x08 to 0x0D; JSON has no \v */
    if (c == '"' || c == '\\')
        vmx_buffer_printf(json, "\\%c", c);
    else if (c >= 0x08 && c <= 0x0D && c != 0x0B)
        vmx_buffer_printf(json, "\\%c", letters[c - 0x08]);
    else
        vmx_buffer_printf(json, "\\u%04x", c);
}

void
vmx_json_append_string(vmx_buffer *json, vmx_str text)
{
    vmx_buffer_append_byte(json, '"');
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (run < text.len && is_plain((unsigned char)text.ptr[run]))
            run++;
        vmx_buffer_append(json, text.ptr + i, run - i);
        if (run < text.len)
            append_escaped(json, (unsigned char)text.ptr[run++]);
        i = run;
    }
    vmx_buffer_append_byte(json, '"');
}

static void
append_value(vmx_buffer *json, const Value *value);

static void
append_list(vmx_buffer *json, const List *list)
{
    vmx_buffer_append_byte(json, '[');
    for (size_t i = 0; i < list->n_values; i++) {
        if (i)
            vmx_buffer_append_byte(json, ',');
        append_value(json, list->values[i]);
    }
    vmx_buffer_append_byte(json, ']');
}

static void
append_number(vmx_buffer *json, double number)
{
    char text[VMX_NUMBER_SIZE];
    vmx_buffer_append(json, text, vmx_number_format(number, text));
}

/* `value` may be NULL: a map entry may come without one. */
static void
append_value(vmx_buffer *json, const Value *value)
{
    switch (value ? value->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        append_number(json, value->number_value);
        return;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        vmx_json_append_string(json, vmx_str_from(value->string_value));
        return;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        vmx_buffer_append_text(json, value->bool_value ? "true" : "false");
        return;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        vmx_struct_to_json(value->struct_value, json);
        return;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        append_list(json, value->list_value);
        return;
    default:
        vmx_buffer_append_text(json, "null");
    }
}

void
vmx_struct_to_json(const Google__Protobuf__Struct *value, vmx_buffer *json)
{
    vmx_buffer_append_byte(json, '{');
    for (size_t i = 0; i < value->n_fields; i++) {
        if (i)
            vmx_buffer_append_byte(json, ',');
        vmx_json_append_string(json, vmx_str_from(value->fields[i]->key));
        vmx_buffer_append_byte(json, ':');
        append_value(json, value->fields[i]->value);
    }
    vmx_buffer_append_byte(json, '}');
}
