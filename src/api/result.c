#include <vecmux/result.h>

#include "core/sized.h"
#include "engine/result.h"
#include "op/op.h"
#include "wire/struct_bytes.h"

static const vmx_str none = {NULL, 0};

/* The result of a successful op, else an empty one. */
static const vmx_result *
result_of(const vmx_op *op)
{
    static const vmx_result empty;
    bool there = atomic_load_explicit(&op->done, memory_order_acquire) && op->result != NULL;
    return there ? op->result : &empty;
}

/* Item `i` of the matches, or an empty one. */
static const vmx_match *
match_of(const vmx_op *op, size_t i)
{
    static const vmx_match empty;
    const vmx_result *result = result_of(op);
    return i < result->match_count ? &result->matches[i] : &empty;
}

static const vmx_namespace *
namespace_of(const vmx_op *op, size_t i)
{
    static const vmx_namespace empty;
    const vmx_result *result = result_of(op);
    return i < result->namespaces.count ? &result->namespaces.items[i] : &empty;
}

/* --- matches ------------------------------------------------------------------------------------------------------- */

size_t
vmx_op_match_count(const vmx_op *op)
{
    return result_of(op)->match_count;
}

vmx_str
vmx_op_match_id(const vmx_op *op, size_t i)
{
    return match_of(op, i)->id;
}

float
vmx_op_match_score(const vmx_op *op, size_t i)
{
    return match_of(op, i)->score;
}

vmx_floats
vmx_op_match_values(const vmx_op *op, size_t i)
{
    return match_of(op, i)->values;
}

vmx_sparse
vmx_op_match_sparse(const vmx_op *op, size_t i)
{
    return match_of(op, i)->sparse;
}

vmx_str
vmx_op_match_metadata(vmx_op *op, size_t i)
{
    vmx_match *match = (vmx_match *)(uintptr_t)match_of(op, i);
    if (match->metadata.ptr == NULL || match->metadata_json.ptr != NULL)
        return match->metadata_json;
    vmx_buffer json = {0};
    vmx_struct_bytes_to_json(match->metadata, &json);
    if (!json.failed)
        match->metadata_json = vmx_arena_str(&op->arena, (vmx_str){(const char *)json.data, json.len});
    vmx_buffer_free(&json);
    return match->metadata_json;
}

size_t
vmx_op_query_count(const vmx_op *op)
{
    return result_of(op)->query_count;
}

bool
vmx_op_query_matches(const vmx_op *op, size_t i, size_t *first, size_t *count)
{
    const vmx_result *result = result_of(op);
    if (i >= result->query_count)
        return false;
    *first = i > 0 ? result->query_ends[i - 1] : 0;
    *count = result->query_ends[i] - *first;
    return true;
}

/* --- lists --------------------------------------------------------------------------------------------------------- */

size_t
vmx_op_id_count(const vmx_op *op)
{
    return result_of(op)->ids.count;
}

vmx_str
vmx_op_id(const vmx_op *op, size_t i)
{
    const vmx_id_list *ids = &result_of(op)->ids;
    return i < ids->count ? ids->items[i] : none;
}

vmx_str
vmx_op_next_token(const vmx_op *op)
{
    return result_of(op)->next_token;
}

/* --- numbers ------------------------------------------------------------------------------------------------------- */

bool
vmx_op_count(const vmx_op *op, uint64_t *count)
{
    const vmx_result *result = result_of(op);
    if (result->has_count)
        *count = result->count;
    return result->has_count;
}

bool
vmx_op_matched(const vmx_op *op, int64_t *count)
{
    const vmx_result *result = result_of(op);
    if (result->has_matched)
        *count = result->matched;
    return result->has_matched;
}

bool
vmx_op_read_units(const vmx_op *op, uint32_t *units)
{
    const vmx_result *result = result_of(op);
    if (result->has_read_units)
        *units = result->read_units;
    return result->has_read_units;
}

bool
vmx_op_egress_bytes(const vmx_op *op, uint32_t *bytes)
{
    const vmx_result *result = result_of(op);
    if (result->has_egress_bytes)
        *bytes = result->egress_bytes;
    return result->has_egress_bytes;
}

bool
vmx_op_lsn(const vmx_op *op, uint64_t *lsn)
{
    const vmx_result *result = result_of(op);
    if (result->has_lsn)
        *lsn = result->lsn;
    return result->has_lsn;
}

bool
vmx_op_total_count(const vmx_op *op, int64_t *count)
{
    const vmx_result *result = result_of(op);
    if (result->has_total)
        *count = result->total;
    return result->has_total;
}

/* --- the index and its namespaces ---------------------------------------------------------------------------------- */

void
vmx_index_state_init(vmx_index_state *state, size_t size)
{
    vmx_sized_init(state, size);
}

bool
vmx_op_stats(const vmx_op *op, vmx_index_state *state)
{
    const vmx_result *result = result_of(op);
    if (result->has_state)
        vmx_sized_write(state, &result->state, sizeof result->state);
    return result->has_state;
}

size_t
vmx_op_namespace_count(const vmx_op *op)
{
    return result_of(op)->namespaces.count;
}

vmx_str
vmx_op_namespace_name(const vmx_op *op, size_t i)
{
    return namespace_of(op, i)->name;
}

uint64_t
vmx_op_namespace_vector_count(const vmx_op *op, size_t i)
{
    return namespace_of(op, i)->vector_count;
}

uint64_t
vmx_op_namespace_size_bytes(const vmx_op *op, size_t i)
{
    return namespace_of(op, i)->size_bytes;
}

size_t
vmx_op_namespace_field_count(const vmx_op *op, size_t i)
{
    return namespace_of(op, i)->field_count;
}

vmx_str
vmx_op_namespace_field(const vmx_op *op, size_t i, size_t field)
{
    const vmx_namespace *item = namespace_of(op, i);
    return field < item->field_count ? item->fields[field] : none;
}
