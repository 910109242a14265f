#include <stdlib.h>
#include <string.h>

#include "server/filter_tree.h"

int
vmxd_value_compare(const void *a, const void *b)
{
    const vmxd_value *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->kind != VMXD_TEXT)
        return (left->number > right->number) - (left->number < right->number);
    size_t common = left->text.len < right->text.len ? left->text.len : right->text.len;
    int order = common ? memcmp(left->text.ptr, right->text.ptr, common) : 0;
    return order != 0 ? order : (left->text.len > right->text.len) - (left->text.len < right->text.len);
}

static bool
is_operand(const vmxd_filter *filter, const vmxd_value *value)
{
    return filter->operand_count == 1
               ? vmxd_value_compare(value, filter->operands) == 0
               : bsearch(value, filter->operands, filter->operand_count, sizeof *value, vmxd_value_compare) != NULL;
}

static bool
is_in(const vmxd_filter *filter, const vmxd_value *value)
{
    if (value->kind != VMXD_LIST)
        return is_operand(filter, value);
    vmx_str rest = value->text;
    vmxd_value item = {.kind = VMXD_TEXT};
    while (vmxd_list_next(&rest, &item.text))
        if (is_operand(filter, &item))
            return true;
    return false;
}

static bool
match_field(const vmxd_filter *filter, vmx_str metadata)
{
    vmxd_value value;
    if (!vmxd_metadata_find(metadata, filter->field, &value))
        return false;
    if (filter->op == VMXD_FILTER_EXISTS)
        return true;
    if (filter->op == VMXD_FILTER_IN)
        return is_in(filter, &value);
    if (value.kind != VMXD_NUMBER)
        return false;
    double limit = filter->operands[0].number;
    switch (filter->op) {
    case VMXD_FILTER_LESS:
        return value.number < limit;
    case VMXD_FILTER_LESS_EQUAL:
        return value.number <= limit;
    case VMXD_FILTER_GREATER:
        return value.number > limit;
    default:
        return value.number >= limit;
    }
}

bool
vmxd_filter_match(const vmxd_filter *filter, vmx_str metadata)
{
    switch (filter->op) {
    case VMXD_FILTER_AND:
        for (size_t i = 0; i < filter->child_count; i++)
            if (!vmxd_filter_match(filter->children[i], metadata))
                return false;
        return true;
    case VMXD_FILTER_OR:
        for (size_t i = 0; i < filter->child_count; i++)
            if (vmxd_filter_match(filter->children[i], metadata))
                return true;
        return false;
    case VMXD_FILTER_NOT:
        return !vmxd_filter_match(filter->children[0], metadata);
    default:
        return match_field(filter, metadata);
    }
}
