#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/filter_tree.h"
#include "server/limits.h"

typedef Google__Protobuf__Value message_value;
typedef Google__Protobuf__Struct message_struct;

typedef struct compiler {
    vmx_arena *arena;
    vmxd_status *status;
} compiler;

typedef enum operand_kinds { SCALARS, TEXTS_AND_NUMBERS, NUMBERS } operand_kinds;

typedef struct operator_row {
    const char *name;
    vmxd_filter_op op;
    bool negated;
    operand_kinds kinds;
    bool list;
} operator_row;

static const operator_row operators[] = {
    {"$eq", VMXD_FILTER_IN, false, SCALARS, false},          {"$ne", VMXD_FILTER_IN, true, SCALARS, false},
    {"$gt", VMXD_FILTER_GREATER, false, NUMBERS, false},     {"$gte", VMXD_FILTER_GREATER_EQUAL, false, NUMBERS, false},
    {"$lt", VMXD_FILTER_LESS, false, NUMBERS, false},        {"$lte", VMXD_FILTER_LESS_EQUAL, false, NUMBERS, false},
    {"$in", VMXD_FILTER_IN, false, TEXTS_AND_NUMBERS, true}, {"$nin", VMXD_FILTER_IN, true, TEXTS_AND_NUMBERS, true},
};

static const vmxd_filter *
compile_object(compiler *self, const message_struct *message);
static const vmxd_filter *
compile_conditions(compiler *self, const char *field, const message_struct *message);

static int
kind_of(const message_value *value)
{
    return value ? (int)value->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET;
}

static vmxd_filter *
new_node(compiler *self, vmxd_filter_op op, size_t children, size_t operands)
{
    vmxd_filter *node = vmx_arena_calloc(self->arena, 1, sizeof *node);
    if (node) {
        node->op = op;
        node->children = vmx_arena_calloc(self->arena, children, sizeof(vmxd_filter *));
        node->child_count = children;
        node->operands = vmx_arena_calloc(self->arena, operands, sizeof *node->operands);
        node->operand_count = operands;
    }
    if (!node || !node->children || !node->operands) {
        vmxd_no_memory(self->status);
        return NULL;
    }
    return node;
}

static const vmxd_filter *
negate(compiler *self, const vmxd_filter *inner)
{
    vmxd_filter *node = inner ? new_node(self, VMXD_FILTER_NOT, 1, 0) : NULL;
    if (node)
        node->children[0] = inner;
    return node;
}

static bool
read_operand(const message_value *value, operand_kinds kinds, vmxd_value *out)
{
    switch (kind_of(value)) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        *out = (vmxd_value){.kind = VMXD_NUMBER, .number = value->number_value};
        return isfinite(value->number_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        *out = (vmxd_value){.kind = VMXD_TEXT, .text = {value->string_value, strlen(value->string_value)}};
        return kinds != NUMBERS;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        *out = (vmxd_value){.kind = VMXD_BOOLEAN, .number = value->bool_value != 0};
        return kinds == SCALARS;
    default:
        return false;
    }
}

static const vmxd_filter *
refuse_operand(compiler *self, const operator_row *row, const char *field)
{
    static const char *const wanted[] = {"a string, a number or a boolean", "strings and numbers", "a finite number"};
    vmxd_invalid(self->status, "Filter: %s on field '%.*s' takes %s%s", row->name, vmxd_clip(field), field,
                 row->list ? "a list of " : "", wanted[row->kinds]);
    return NULL;
}

static const vmxd_filter *
compile_operator(compiler *self, const operator_row *row, const char *field, const message_value *value)
{
    bool is_list = kind_of(value) == GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    if (is_list != row->list)
        return refuse_operand(self, row, field);
    size_t count = is_list ? value->list_value->n_values : 1;
    if (count > VMXD_MAX_OPERATOR_VALUES) {
        vmxd_invalid(self->status, "Filter: %s on field '%.*s' has %zu values; at most %d are allowed", row->name,
                     vmxd_clip(field), field, count, VMXD_MAX_OPERATOR_VALUES);
        return NULL;
    }
    vmxd_filter *node = new_node(self, row->op, 0, count);
    if (!node)
        return NULL;
    node->field = (vmx_str){field, strlen(field)};
    for (size_t i = 0; i < count; i++)
        if (!read_operand(is_list ? value->list_value->values[i] : value, row->kinds, &node->operands[i]))
            return refuse_operand(self, row, field);
    qsort(node->operands, count, sizeof *node->operands, vmxd_value_compare);
    return row->negated ? negate(self, node) : node;
}

static const vmxd_filter *
compile_exists(compiler *self, const char *field, const message_value *value)
{
    if (kind_of(value) != GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE) {
        vmxd_invalid(self->status, "Filter: $exists on field '%.*s' takes a boolean", vmxd_clip(field), field);
        return NULL;
    }
    vmxd_filter *node = new_node(self, VMXD_FILTER_EXISTS, 0, 0);
    if (!node)
        return NULL;
    node->field = (vmx_str){field, strlen(field)};
    return value->bool_value ? node : negate(self, node);
}

static const vmxd_filter *
compile_not(compiler *self, const char *field, const message_value *value)
{
    if (kind_of(value) != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
        vmxd_invalid(self->status, "Filter: $not on field '%.*s' takes an object like {\"$eq\": ...}", vmxd_clip(field),
                     field);
        return NULL;
    }
    return negate(self, compile_conditions(self, field, value->struct_value));
}

static const vmxd_filter *
compile_condition(compiler *self, const char *field, const char *name, const message_value *value)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(operators[i].name, name) == 0)
            return compile_operator(self, &operators[i], field, value);
    if (strcmp(name, "$exists") == 0)
        return compile_exists(self, field, value);
    if (strcmp(name, "$not") == 0)
        return compile_not(self, field, value);
    vmxd_invalid(self->status, "Filter: '%.*s' on field '%.*s' is not a valid operator", vmxd_clip(name), name,
                 vmxd_clip(field), field);
    return NULL;
}

/* {"$gt": 1, "$lt": 5} */
static const vmxd_filter *
compile_conditions(compiler *self, const char *field, const message_struct *message)
{
    if (message->n_fields == 0) {
        vmxd_invalid(self->status, "Filter: field '%.*s' has no condition; write {\"$eq\": ...}", vmxd_clip(field),
                     field);
        return NULL;
    }
    vmxd_filter *all = new_node(self, VMXD_FILTER_AND, message->n_fields, 0);
    for (size_t i = 0; all && i < message->n_fields; i++) {
        const Google__Protobuf__Struct__FieldsEntry *entry = message->fields[i];
        all->children[i] = compile_condition(self, field, entry->key, entry->value);
        if (!all->children[i])
            return NULL;
    }
    return all;
}

/* "$and": [{...}, {...}] */
static const vmxd_filter *
compile_clauses(compiler *self, vmxd_filter_op op, const char *name, const message_value *value)
{
    bool is_list = kind_of(value) == GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    size_t count = is_list ? value->list_value->n_values : 0;
    vmxd_filter *node = count > 0 ? new_node(self, op, count, 0) : NULL;
    if (count == 0)
        vmxd_invalid(self->status, "Filter: %s takes a list of at least one object", name);
    for (size_t i = 0; node && i < count; i++) {
        const message_value *clause = value->list_value->values[i];
        if (kind_of(clause) != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
            vmxd_invalid(self->status, "Filter: item %zu of %s is not an object", i, name);
            return NULL;
        }
        node->children[i] = compile_object(self, clause->struct_value);
        if (!node->children[i])
            return NULL;
    }
    return node;
}

static const vmxd_filter *
compile_member(compiler *self, const char *key, const message_value *value)
{
    if (strcmp(key, "$and") == 0)
        return compile_clauses(self, VMXD_FILTER_AND, key, value);
    if (strcmp(key, "$or") == 0)
        return compile_clauses(self, VMXD_FILTER_OR, key, value);
    if (key[0] == '$') {
        vmxd_invalid(self->status, "Filter: '%.*s' must stand inside a field; here only $and and $or are valid",
                     vmxd_clip(key), key);
        return NULL;
    }
    if (kind_of(value) == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
        return compile_conditions(self, key, value->struct_value);
    return compile_operator(self, &operators[0], key, value);
}

static const vmxd_filter *
compile_object(compiler *self, const message_struct *message)
{
    vmxd_filter *all = new_node(self, VMXD_FILTER_AND, message->n_fields, 0);
    for (size_t i = 0; all && i < message->n_fields; i++) {
        all->children[i] = compile_member(self, message->fields[i]->key, message->fields[i]->value);
        if (!all->children[i])
            return NULL;
    }
    return all;
}

const vmxd_filter *
vmxd_filter_compile(const Google__Protobuf__Struct *message, vmx_arena *arena, vmxd_status *status)
{
    compiler self = {arena, status};
    return compile_object(&self, message);
}
