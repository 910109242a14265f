/*
 * engine/result.h: what an operation brought, whatever the engine. Everything lies in the op's arena.
 */
#ifndef VMX_ENGINE_RESULT_H
#define VMX_ENGINE_RESULT_H

#include <vecmux/result.h>

#include "core/arena.h"
#include "wire/reply_decoder.h"

typedef struct vmx_namespace {
    vmx_str name;
    uint64_t vector_count;
    uint64_t size_bytes;
    vmx_str *fields;
    size_t field_count;
} vmx_namespace;

/* A list that grows page by page. */
typedef struct vmx_id_list {
    vmx_str *items;
    size_t count;
    size_t capacity;
} vmx_id_list;

typedef struct vmx_namespace_list {
    vmx_namespace *items;
    size_t count;
    size_t capacity;
} vmx_namespace_list;

typedef struct vmx_result {
    vmx_match *matches;
    size_t match_count;
    size_t *query_ends; /* of a batch query: the matches of query i end before this one */
    size_t query_count;
    vmx_id_list ids;
    vmx_namespace_list namespaces;
    vmx_index_state state;
    vmx_str next_token; /* ptr NULL: none */
    bool has_state, has_count, has_matched, has_read_units, has_egress_bytes, has_lsn, has_total;
    uint64_t count;
    int64_t matched;
    uint32_t read_units;
    uint32_t egress_bytes;
    uint64_t lsn;
    int64_t total;
} vmx_result;

/* Room for `more` further items behind the list's last; NULL when memory is out. Their count is the caller's to raise. */
vmx_str *
vmx_id_list_grow(vmx_id_list *list, size_t more, vmx_arena *arena);
vmx_namespace *
vmx_namespace_list_grow(vmx_namespace_list *list, size_t more, vmx_arena *arena);

#endif
