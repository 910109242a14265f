/*
 * server/filter_tree.h: what a filter is compiled to; shared by filter_compile.c and filter_match.c only.
 */
#ifndef VMXD_FILTER_TREE_H
#define VMXD_FILTER_TREE_H

#include "server/filter.h"

typedef enum vmxd_filter_op {
    VMXD_FILTER_AND, /* of children; true without any */
    VMXD_FILTER_OR,
    VMXD_FILTER_NOT, /* of the one child */
    VMXD_FILTER_IN,  /* the field equals one of the operands; $eq has one */
    VMXD_FILTER_LESS,
    VMXD_FILTER_LESS_EQUAL,
    VMXD_FILTER_GREATER,
    VMXD_FILTER_GREATER_EQUAL,
    VMXD_FILTER_EXISTS
} vmxd_filter_op;

struct vmxd_filter {
    vmxd_filter_op op;
    vmx_str field;
    const vmxd_filter **children;
    size_t child_count;
    vmxd_value *operands; /* in the order of vmxd_value_compare; kinds BOOLEAN, NUMBER, TEXT */
    size_t operand_count;
};

/* An order of values: by kind, then by number or by bytes. For qsort and bsearch. */
int
vmxd_value_compare(const void *a, const void *b);

#endif
