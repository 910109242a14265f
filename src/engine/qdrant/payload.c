#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/qdrant/qdrant.h"
#include "wire/struct_json.h"

typedef Google__Protobuf__Value json_value;
typedef Google__Protobuf__Struct json_object;

/* --- from JSON; the reader has limited the depth ------------------------------------------------------------------- */

static Qdrant__PayloadEntry **
make_entries(vmx_arena *arena, const json_object *object, size_t more);

static bool
fill_value(vmx_arena *arena, const json_value *from, Qdrant__Value *value);

static void
fill_number(double number, Qdrant__Value *value)
{
    const double limit = 9007199254740992.0; /* 2^53 */
    bool whole = number == floor(number) && fabs(number) <= limit && !(number == 0 && signbit(number));
    value->kind_case = whole ? QDRANT__VALUE__KIND_INTEGER_VALUE : QDRANT__VALUE__KIND_DOUBLE_VALUE;
    if (whole)
        value->integer_value = (int64_t)number;
    else
        value->double_value = number;
}

static bool
fill_list(vmx_arena *arena, const Google__Protobuf__ListValue *from, Qdrant__Value *value)
{
    Qdrant__ListValue *list = vmx_arena_alloc(arena, sizeof *list);
    Qdrant__Value **pointers = vmx_arena_calloc(arena, from->n_values + 1, sizeof *pointers);
    Qdrant__Value *items = vmx_arena_calloc(arena, from->n_values + 1, sizeof *items);
    if (list == NULL || pointers == NULL || items == NULL)
        return false;
    qdrant__list_value__init(list);
    list->values = pointers;
    list->n_values = from->n_values;
    value->kind_case = QDRANT__VALUE__KIND_LIST_VALUE;
    value->list_value = list;
    for (size_t i = 0; i < from->n_values; i++) {
        pointers[i] = &items[i];
        if (!fill_value(arena, from->values[i], &items[i]))
            return false;
    }
    return true;
}

static bool
fill_object(vmx_arena *arena, const json_object *from, Qdrant__Value *value)
{
    Qdrant__Struct *object = vmx_arena_alloc(arena, sizeof *object);
    if (object == NULL)
        return false;
    qdrant__struct__init(object);
    object->fields = make_entries(arena, from, 0);
    object->n_fields = from->n_fields;
    value->kind_case = QDRANT__VALUE__KIND_STRUCT_VALUE;
    value->struct_value = object;
    return object->fields != NULL;
}

/* False when memory is out. Texts are shared with what they are read from. */
static bool
fill_value(vmx_arena *arena, const json_value *from, Qdrant__Value *value)
{
    qdrant__value__init(value);
    switch (from->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        fill_number(from->number_value, value);
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        value->kind_case = QDRANT__VALUE__KIND_STRING_VALUE;
        value->string_value = from->string_value;
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        value->kind_case = QDRANT__VALUE__KIND_BOOL_VALUE;
        value->bool_value = from->bool_value;
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        return fill_object(arena, from->struct_value, value);
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        return fill_list(arena, from->list_value, value);
    default:
        value->kind_case = QDRANT__VALUE__KIND_NULL_VALUE;
        return true;
    }
}

/* Room for `more` entries behind those of the object; NULL when memory is out. */
static Qdrant__PayloadEntry **
make_entries(vmx_arena *arena, const json_object *object, size_t more)
{
    typedef struct member {
        Qdrant__PayloadEntry entry;
        Qdrant__Value value;
    } member;
    size_t count = (object != NULL ? object->n_fields : 0) + more;
    Qdrant__PayloadEntry **pointers = vmx_arena_calloc(arena, count + 1, sizeof *pointers);
    member *members = vmx_arena_calloc(arena, count + 1, sizeof *members);
    if (pointers == NULL || members == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        qdrant__payload_entry__init(&members[i].entry);
        qdrant__value__init(&members[i].value);
        members[i].entry.value = &members[i].value;
        pointers[i] = &members[i].entry;
        if (i + more >= count)
            continue;
        members[i].entry.key = object->fields[i]->key;
        if (!fill_value(arena, object->fields[i]->value, &members[i].value))
            return NULL;
    }
    return pointers;
}

static vmx_status
check_keys(const json_object *object, const char *what, vmx_error *error)
{
    for (size_t i = 0; object != NULL && i < object->n_fields; i++)
        if (strcmp(object->fields[i]->key, VMX_QDRANT_ID_KEY) == 0)
            return vmx_error_set(error, VMX_ERR_INVALID,
                                 "%s: the name " VMX_QDRANT_ID_KEY " is vecmux's own; give the member another", what);
    return VMX_OK;
}

vmx_status
vmx_qdrant_payload_from_json(vmx_arena *arena, vmx_str json, vmx_str id, const char *what,
                             Qdrant__PayloadEntry ***payload, size_t *count, vmx_error *error)
{
    json_object *object = NULL;
    size_t more = id.len > 0 && vmx_qdrant_id_is_mapped(id) ? 1 : 0;
    vmx_status status = json.len > 0 ? vmx_struct_from_json(arena, json, what, &object, error) : VMX_OK;
    if (status == VMX_OK)
        status = check_keys(object, what, error);
    if (status != VMX_OK)
        return status;
    Qdrant__PayloadEntry **entries = make_entries(arena, object, more);
    if (entries == NULL)
        return vmx_error_no_memory(error);
    *payload = entries;
    *count = (object != NULL ? object->n_fields : 0) + more;
    if (more > 0) {
        Qdrant__PayloadEntry *last = entries[*count - 1];
        last->key = vmx_qdrant_text(VMX_QDRANT_ID_KEY);
        last->value->kind_case = QDRANT__VALUE__KIND_STRING_VALUE;
        last->value->string_value = vmx_exchange_text(arena, id);
        if (last->value->string_value == NULL)
            return vmx_error_no_memory(error);
    }
    return VMX_OK;
}

/* --- to JSON; the guard has limited the depth ---------------------------------------------------------------------- */

static void
append_value(vmx_buffer *json, const Qdrant__Value *value);

static void
append_entries(vmx_buffer *json, Qdrant__PayloadEntry *const *entries, size_t count, bool hides_id)
{
    const char *separator = "{";
    for (size_t i = 0; i < count; i++) {
        if (hides_id && strcmp(entries[i]->key, VMX_QDRANT_ID_KEY) == 0)
            continue;
        vmx_buffer_append_text(json, separator);
        vmx_json_append_string(json, vmx_str_from(entries[i]->key));
        vmx_buffer_append_byte(json, ':');
        append_value(json, entries[i]->value);
        separator = ",";
    }
    vmx_buffer_append_text(json, separator[0] == '{' ? "{}" : "}");
}

static void
append_list(vmx_buffer *json, const Qdrant__ListValue *list)
{
    vmx_buffer_append_byte(json, '[');
    for (size_t i = 0; i < list->n_values; i++) {
        if (i > 0)
            vmx_buffer_append_byte(json, ',');
        append_value(json, list->values[i]);
    }
    vmx_buffer_append_byte(json, ']');
}

static void
append_value(vmx_buffer *json, const Qdrant__Value *value)
{
    char number[VMX_NUMBER_SIZE];
    switch (value != NULL ? value->kind_case : QDRANT__VALUE__KIND__NOT_SET) {
    case QDRANT__VALUE__KIND_DOUBLE_VALUE:
        vmx_buffer_append(json, number, vmx_number_format(value->double_value, number));
        return;
    case QDRANT__VALUE__KIND_INTEGER_VALUE:
        vmx_buffer_printf(json, "%lld", (long long)value->integer_value);
        return;
    case QDRANT__VALUE__KIND_STRING_VALUE:
        vmx_json_append_string(json, vmx_str_from(value->string_value));
        return;
    case QDRANT__VALUE__KIND_BOOL_VALUE:
        vmx_buffer_append_text(json, value->bool_value ? "true" : "false");
        return;
    case QDRANT__VALUE__KIND_STRUCT_VALUE:
        append_entries(json, value->struct_value->fields, value->struct_value->n_fields, false);
        return;
    case QDRANT__VALUE__KIND_LIST_VALUE:
        append_list(json, value->list_value);
        return;
    default:
        vmx_buffer_append_text(json, "null");
    }
}

bool
vmx_qdrant_payload_to_json(vmx_arena *arena, Qdrant__PayloadEntry *const *payload, size_t count, vmx_str *json)
{
    vmx_buffer text = {0};
    *json = (vmx_str){NULL, 0};
    append_entries(&text, payload, count, true);
    bool empty = text.len == 2;
    if (!text.failed && !empty)
        *json = vmx_arena_str(arena, (vmx_str){(const char *)text.data, text.len});
    bool made = !text.failed && (empty || json->ptr != NULL);
    vmx_buffer_free(&text);
    return made;
}
