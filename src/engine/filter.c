#include "engine/filter.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "wire/struct_json.h"

typedef Google__Protobuf__Value message_value;
typedef Google__Protobuf__Struct message_struct;

typedef struct parser {
    vmx_arena *arena;
    const char *what;
    vmx_error *error;
    size_t nodes;
} parser;

typedef enum value_types { SCALARS, TEXTS_AND_NUMBERS, NUMBERS } value_types;

typedef struct operator_row {
    const char *name;
    vmx_filter_kind kind;
    bool negated;
    bool list;
    value_types types;
} operator_row;

static const operator_row operators[] = {
    {"$eq", VMX_FILTER_IN, false, false, SCALARS},          {"$ne", VMX_FILTER_IN, true, false, SCALARS},
    {"$gt", VMX_FILTER_GREATER, false, false, NUMBERS},     {"$gte", VMX_FILTER_GREATER_EQUAL, false, false, NUMBERS},
    {"$lt", VMX_FILTER_LESS, false, false, NUMBERS},        {"$lte", VMX_FILTER_LESS_EQUAL, false, false, NUMBERS},
    {"$in", VMX_FILTER_IN, false, true, TEXTS_AND_NUMBERS}, {"$nin", VMX_FILTER_IN, true, true, TEXTS_AND_NUMBERS},
};

static const vmx_filter *
parse_object(parser *self, const message_struct *message);
static const vmx_filter *
parse_conditions(parser *self, const char *field, const message_struct *message);

/* For "%.*s" of texts that come from outside. */
static int
clip(const char *text)
{
    return vmx_error_clip(vmx_str_from(text));
}

static vmx_filter *
new_node(parser *self, vmx_filter_kind kind, const char *field, size_t children)
{
    if (++self->nodes > VMX_FILTER_MAX_NODES) {
        vmx_error_set(self->error, VMX_ERR_TOO_LARGE, "%s: more than %d conditions; split the filter", self->what,
                      VMX_FILTER_MAX_NODES);
        return NULL;
    }
    vmx_filter *node = vmx_arena_calloc(self->arena, 1, sizeof *node);
    if (node != NULL)
        node->children = vmx_arena_calloc(self->arena, children, sizeof(vmx_filter *));
    if (node == NULL || node->children == NULL) {
        vmx_error_no_memory(self->error);
        return NULL;
    }
    node->kind = kind;
    node->field = vmx_str_from(field);
    node->child_count = children;
    return node;
}

static const vmx_filter *
negate(parser *self, const vmx_filter *inner)
{
    vmx_filter *node = inner != NULL ? new_node(self, VMX_FILTER_NOT, "", 1) : NULL;
    if (node != NULL)
        node->children[0] = inner;
    return node;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static vmx_filter_value
number_value(double number)
{
    const double limit = 9007199254740992.0; /* 2^53: beyond it doubles skip integers */
    bool whole = number == floor(number) && fabs(number) <= limit;
    return (vmx_filter_value){
        .type = VMX_FILTER_NUMBER, .number = number, .is_integer = whole, .integer = whole ? (int64_t)number : 0};
}

static bool
read_value(const message_value *value, value_types types, vmx_filter_value *out)
{
    switch (value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        *out = number_value(value->number_value);
        return isfinite(value->number_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        *out = (vmx_filter_value){.type = VMX_FILTER_TEXT, .text = vmx_str_from(value->string_value)};
        return types != NUMBERS;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        *out = (vmx_filter_value){.type = VMX_FILTER_BOOLEAN, .boolean = value->bool_value != 0};
        return types == SCALARS;
    default:
        return false;
    }
}

static const vmx_filter *
refuse_value(parser *self, const operator_row *row, const char *field, const message_value *value)
{
    static const char *const wanted[] = {"a text, a number or a boolean", "texts and numbers", "a number"};
    bool is_null = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
    vmx_error_set(self->error, VMX_ERR_INVALID, "%s: %s on field \"%.*s\" takes %s%s%s", self->what, row->name,
                  clip(field), field, row->list ? "a list of " : "", wanted[row->types],
                  is_null ? "; for fields that are missing write {\"$exists\": false}" : "");
    return NULL;
}

/* --- conditions ---------------------------------------------------------------------------------------------------- */

static const vmx_filter *
parse_operator(parser *self, const operator_row *row, const char *field, const message_value *value)
{
    bool is_list = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    if (is_list != row->list)
        return refuse_value(self, row, field, value);
    size_t count = is_list ? value->list_value->n_values : 1;
    if (count > VMX_FILTER_MAX_VALUES) {
        vmx_error_set(self->error, VMX_ERR_TOO_LARGE, "%s: %s on field \"%.*s\" has %zu values; at most %d are allowed",
                      self->what, row->name, clip(field), field, count, VMX_FILTER_MAX_VALUES);
        return NULL;
    }
    vmx_filter *node = new_node(self, row->kind, field, 0);
    vmx_filter_value *values = node != NULL ? vmx_arena_calloc(self->arena, count, sizeof *values) : NULL;
    if (values == NULL) {
        if (node != NULL)
            vmx_error_no_memory(self->error);
        return NULL;
    }
    node->values = values;
    node->value_count = count;
    for (size_t i = 0; i < count; i++) {
        const message_value *item = is_list ? value->list_value->values[i] : value;
        if (!read_value(item, row->types, &values[i]))
            return refuse_value(self, row, field, item);
    }
    return row->negated ? negate(self, node) : node;
}

static const vmx_filter *
parse_exists(parser *self, const char *field, const message_value *value)
{
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE) {
        vmx_error_set(self->error, VMX_ERR_INVALID, "%s: $exists on field \"%.*s\" takes true or false", self->what,
                      clip(field), field);
        return NULL;
    }
    const vmx_filter *node = new_node(self, VMX_FILTER_EXISTS, field, 0);
    return value->bool_value ? node : negate(self, node);
}

static const vmx_filter *
parse_not(parser *self, const char *field, const message_value *value)
{
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
        return negate(self, parse_conditions(self, field, value->struct_value));
    vmx_error_set(self->error, VMX_ERR_INVALID, "%s: $not on field \"%.*s\" takes an object like {\"$eq\": ...}",
                  self->what, clip(field), field);
    return NULL;
}

static const vmx_filter *
parse_condition(parser *self, const char *field, const char *name, const message_value *value)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(operators[i].name, name) == 0)
            return parse_operator(self, &operators[i], field, value);
    if (strcmp(name, "$exists") == 0)
        return parse_exists(self, field, value);
    if (strcmp(name, "$not") == 0)
        return parse_not(self, field, value);
    vmx_error_set(self->error, VMX_ERR_INVALID,
                  "%s: \"%.*s\" on field \"%.*s\" is no operator; there are $eq $ne $gt $gte $lt $lte $in $nin $exists "
                  "$not",
                  self->what, clip(name), name, clip(field), field);
    return NULL;
}

/* {"$gt": 1, "$lt": 5} */
static const vmx_filter *
parse_conditions(parser *self, const char *field, const message_struct *message)
{
    if (message->n_fields == 0) {
        vmx_error_set(self->error, VMX_ERR_INVALID, "%s: field \"%.*s\" has no condition; write {\"$eq\": ...}",
                      self->what, clip(field), field);
        return NULL;
    }
    if (message->n_fields == 1)
        return parse_condition(self, field, message->fields[0]->key, message->fields[0]->value);
    vmx_filter *all = new_node(self, VMX_FILTER_AND, "", message->n_fields);
    for (size_t i = 0; all != NULL && i < message->n_fields; i++) {
        all->children[i] = parse_condition(self, field, message->fields[i]->key, message->fields[i]->value);
        if (all->children[i] == NULL)
            return NULL;
    }
    return all;
}

/* --- clauses ------------------------------------------------------------------------------------------------------- */

/* "$and": [{...}, {...}] */
static const vmx_filter *
parse_clauses(parser *self, vmx_filter_kind kind, const char *name, const message_value *value)
{
    bool is_list = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    size_t count = is_list ? value->list_value->n_values : 0;
    if (count == 0) {
        vmx_error_set(self->error, VMX_ERR_INVALID, "%s: %s takes a list of at least one object", self->what, name);
        return NULL;
    }
    vmx_filter *node = new_node(self, kind, "", count);
    for (size_t i = 0; node != NULL && i < count; i++) {
        const message_value *clause = value->list_value->values[i];
        if (clause->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
            vmx_error_set(self->error, VMX_ERR_INVALID, "%s: item %zu of %s is not an object", self->what, i, name);
            return NULL;
        }
        node->children[i] = parse_object(self, clause->struct_value);
        if (node->children[i] == NULL)
            return NULL;
    }
    return node;
}

static const vmx_filter *
parse_member(parser *self, const char *key, const message_value *value)
{
    if (strcmp(key, "$and") == 0)
        return parse_clauses(self, VMX_FILTER_AND, key, value);
    if (strcmp(key, "$or") == 0)
        return parse_clauses(self, VMX_FILTER_OR, key, value);
    if (key[0] == '$') {
        vmx_error_set(self->error, VMX_ERR_INVALID,
                      "%s: \"%.*s\" is no field's name; operators stand inside a field, but for $and and $or",
                      self->what, clip(key), key);
        return NULL;
    }
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
        return parse_conditions(self, key, value->struct_value);
    return parse_operator(self, &operators[0], key, value);
}

static const vmx_filter *
parse_object(parser *self, const message_struct *message)
{
    if (message->n_fields == 1)
        return parse_member(self, message->fields[0]->key, message->fields[0]->value);
    vmx_filter *all = new_node(self, VMX_FILTER_AND, "", message->n_fields);
    for (size_t i = 0; all != NULL && i < message->n_fields; i++) {
        all->children[i] = parse_member(self, message->fields[i]->key, message->fields[i]->value);
        if (all->children[i] == NULL)
            return NULL;
    }
    return all;
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

vmx_status
vmx_filter_parse(vmx_arena *arena, vmx_str json, const char *what, const vmx_filter **filter,
                 Google__Protobuf__Struct **message, vmx_error *error)
{
    vmx_error reason;
    message_struct *object = NULL;
    parser self = {.arena = arena, .what = what, .error = error != NULL ? error : &reason};
    *filter = NULL;
    if (message != NULL)
        *message = NULL;
    if (json.len == 0)
        return VMX_OK;
    if (json.len > VMX_FILTER_MAX_BYTES)
        return vmx_error_set(error, VMX_ERR_TOO_LARGE, "%s: %zu bytes; at most %u are allowed", what, json.len,
                             VMX_FILTER_MAX_BYTES);
    vmx_status status = vmx_struct_from_json(arena, json, what, &object, error);
    if (status != VMX_OK)
        return status;
    *filter = parse_object(&self, object);
    if (*filter != NULL && message != NULL)
        *message = object;
    return *filter != NULL ? VMX_OK : self.error->code;
}

vmx_status
vmx_filter_pack(vmx_arena *arena, vmx_str json, const char *what, vmx_str *bytes, vmx_error *error)
{
    vmx_arena scratch = {0};
    const vmx_filter *filter;
    message_struct *message;
    *bytes = (vmx_str){NULL, 0};
    vmx_status status = vmx_filter_parse(&scratch, json, what, &filter, &message, error);
    if (status == VMX_OK && message != NULL) {
        size_t len = google__protobuf__struct__get_packed_size(message);
        uint8_t *packed = vmx_arena_alloc(arena, len);
        *bytes = (vmx_str){(const char *)packed, len};
        if (packed != NULL)
            google__protobuf__struct__pack(message, packed);
        else
            status = vmx_error_no_memory(error);
    }
    vmx_arena_reset(&scratch);
    return status;
}

bool
vmx_filter_is_all(const vmx_filter *filter)
{
    return filter == NULL || (filter->kind == VMX_FILTER_AND && filter->child_count == 0);
}
