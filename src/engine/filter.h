/*
 * engine/filter.h: the filter language, parsed once into a tree that each engine translates.
 *
 *   {"genre": "drama"}                    same as {"genre": {"$eq": "drama"}}
 *   {"year": {"$gte": 2000, "$lt": 2010}} several conditions: all must hold, as must all fields of an object
 *   {"$and": [{...}, {...}]}, {"$or": [...]}
 *   {"genre": {"$not": {"$eq": "drama"}}}
 *
 * $eq, $ne: text, number, boolean; $gt $gte $lt $lte: number; $in, $nin: lists of texts and numbers; $exists: boolean.
 * What each means, on missing fields and lists too, is in docs/filters.md. Names are taken literally: a dot is a dot.
 * Of the operators the tree has only the positive ones: $ne, $nin and {"$exists": false} are NOT of the others.
 */
#ifndef VMX_ENGINE_FILTER_H
#define VMX_ENGINE_FILTER_H

#include <google/protobuf/struct.pb-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <vecmux/types.h>

#include "core/arena.h"

#define VMX_FILTER_MAX_BYTES  (4u << 20) /* of the JSON text */
#define VMX_FILTER_MAX_NODES  10000      /* conditions of one filter */
#define VMX_FILTER_MAX_VALUES 10000      /* of one $in or $nin */

typedef enum vmx_filter_kind {
    VMX_FILTER_AND = 0, /* of children; true without any */
    VMX_FILTER_OR = 1,  /* of children, at least one */
    VMX_FILTER_NOT = 2, /* of the one child */
    VMX_FILTER_IN = 3,  /* the field equals one of the values; $eq has one. Without any: false */
    VMX_FILTER_GREATER = 4,
    VMX_FILTER_GREATER_EQUAL = 5,
    VMX_FILTER_LESS = 6,
    VMX_FILTER_LESS_EQUAL = 7, /* these four have one value, a number */
    VMX_FILTER_EXISTS = 8
} vmx_filter_kind;

typedef enum vmx_filter_type { VMX_FILTER_TEXT = 0, VMX_FILTER_NUMBER = 1, VMX_FILTER_BOOLEAN = 2 } vmx_filter_type;

/* A constant of a filter. */
typedef struct vmx_filter_value {
    vmx_filter_type type;
    vmx_str text;    /* ends in NUL */
    double number;   /* finite */
    bool is_integer; /* the number is whole and at most 2^53 in size: */
    int64_t integer; /* exactly it */
    bool boolean;
} vmx_filter_value;

typedef struct vmx_filter vmx_filter;

struct vmx_filter {
    vmx_filter_kind kind;
    vmx_str field; /* may be empty, which is a name too; ends in NUL */
    const vmx_filter **children;
    size_t child_count;
    const vmx_filter_value *values;
    size_t value_count;
};

/*
 * Parses a filter into `arena`, where all of it lies. `what` begins the messages ("query: filter"). An empty text gives
 * NULL; an object without members an AND without children: both select everything. `*message` (may be NULL) is the
 * filter as Pinecone takes it, in the arena too. Errors: VMX_ERR_INVALID, VMX_ERR_TOO_LARGE, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_filter_parse(vmx_arena *arena, vmx_str json, const char *what, const vmx_filter **filter,
                 Google__Protobuf__Struct **message, vmx_error *error);

/* A filter as the packed bytes of its message; ptr is NULL for an empty text. Errors: likewise. */
vmx_status
vmx_filter_pack(vmx_arena *arena, vmx_str json, const char *what, vmx_str *bytes, vmx_error *error);

/* True if the filter selects everything: NULL, or an AND without children. */
bool
vmx_filter_is_all(const vmx_filter *filter);

#endif
