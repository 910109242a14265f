/* Searches: one query or many in a request, all with the same parameters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/sized.h"
#include "engine/check.h"
#include "engine/milvus/milvus.h"

#define MAX_EF     32768
#define DEFAULT_EF 64 /* at least top_k, as Milvus wants it */

typedef struct search {
    vmx_milvus_op op; /* first */
    vmx_query query;  /* of the first; what it points to is not read but for `filter` */
    const vmx_filter *filter;
    size_t count;
    size_t dimension;
    bool is_sparse;
    bool is_batch;
    ProtobufCBinaryData *vectors; /* of each query, as Milvus wants them; in the arena */
} search;

/* --- the reply ----------------------------------------------------------------------------------------------------- */

/* L2 of Milvus is the squared distance, as ours. */
static bool
read_hits(vmx_machine *machine, const search *state, const Milvus__SearchResultData *data)
{
    size_t rows = data->n_scores;
    vmx_milvus_wanted wanted = {state->query.include_values, state->query.include_metadata};
    if (rows > 0 && data->ids == NULL)
        return vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply has scores and no ids") == VMX_OK;
    if (rows > 0 && !vmx_milvus_read_rows(machine, data->fields_data, data->n_fields_data, data->ids, rows, wanted))
        return false;
    for (size_t i = 0; i < rows; i++)
        machine->result->matches[i].score = data->scores[i];
    return true;
}

/* Where each query's hits end. */
static bool
read_ends(vmx_machine *machine, const search *state, const Milvus__SearchResultData *data)
{
    size_t end = 0;
    size_t *ends = vmx_arena_calloc(machine->arena, state->count, sizeof *ends);
    if (ends == NULL)
        return vmx_error_no_memory(machine->error) == VMX_OK;
    for (size_t i = 0; i < state->count; i++) {
        int64_t hits = i < data->n_topks ? data->topks[i] : 0;
        if (hits < 0 || (uint64_t)hits > machine->result->match_count - end)
            return vmx_error_set(machine->error, VMX_ERR_PROTOCOL,
                                 "the server's reply counts %" PRId64 " hits of query %zu, which it has not sent", hits,
                                 i) == VMX_OK;
        end += (size_t)hits;
        ends[i] = end;
    }
    machine->result->query_ends = ends;
    machine->result->query_count = state->count;
    return true;
}

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const search *state = machine->state;
    static const Milvus__SearchResultData nothing = MILVUS__SEARCH_RESULT_DATA__INIT;
    const Milvus__SearchResults *response =
        vmx_exchange_unpack(machine, message, &milvus__search_results__descriptor, next);
    if (response == NULL)
        return;
    const Milvus__SearchResultData *data = response->results != NULL ? response->results : &nothing;
    if (read_hits(machine, state, data) && (!state->is_batch || read_ends(machine, state, data)))
        vmx_exchange_done(machine, next);
}

/* --- the request --------------------------------------------------------------------------------------------------- */

static vmx_status
pack_vectors(vmx_machine *machine, const search *state, ProtobufCBinaryData *packed)
{
    static char tag[] = "$0";
    Milvus__PlaceholderValue value = MILVUS__PLACEHOLDER_VALUE__INIT;
    Milvus__PlaceholderValue *values[] = {&value};
    Milvus__PlaceholderGroup group = MILVUS__PLACEHOLDER_GROUP__INIT;
    value.tag = tag;
    value.type = state->is_sparse ? VMX_MILVUS_SPARSE_VECTOR : VMX_MILVUS_FLOAT_VECTOR;
    value.n_values = state->count;
    value.values = state->vectors;
    group.n_placeholders = 1;
    group.placeholders = values;
    packed->len = milvus__placeholder_group__get_packed_size(&group);
    packed->data = vmx_arena_alloc(machine->arena, packed->len);
    if (packed->data == NULL)
        return vmx_error_no_memory(machine->error);
    milvus__placeholder_group__pack(&group, packed->data);
    return VMX_OK;
}

#define PARAM_COUNT 4

typedef struct params {
    char top_k[16], params[64];
    Milvus__KeyValuePair pairs[PARAM_COUNT];
    Milvus__KeyValuePair *list[PARAM_COUNT];
} params;

static void
fill_params(const search *state, params *p)
{
    static char keys[][16] = {"anns_field", "topk", "params", "round_decimal"}, no_rounding[] = "-1";
    uint32_t top_k = state->query.top_k, ef = state->query.ef;
    if (ef == 0)
        ef = top_k > DEFAULT_EF ? top_k : DEFAULT_EF;
    snprintf(p->top_k, sizeof p->top_k, "%u", top_k);
    snprintf(p->params, sizeof p->params, state->is_sparse ? "{}" : "{\"ef\":%u}", ef);
    const char *field = state->is_sparse ? state->op.schema.sparse : state->op.schema.vector;
    char *values[PARAM_COUNT] = {(char *)(uintptr_t)field, p->top_k, p->params, no_rounding};
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        milvus__key_value_pair__init(&p->pairs[i]);
        p->pairs[i].key = keys[i];
        p->pairs[i].value = values[i];
        p->list[i] = &p->pairs[i];
    }
}

static vmx_status
check_fit(const search *state, vmx_error *error)
{
    const vmx_milvus_schema *schema = &state->op.schema;
    if (state->is_sparse)
        return schema->sparse[0] != '\0'
                   ? VMX_OK
                   : vmx_error_set(error, VMX_ERR_UNSUPPORTED, "query: the collection has no sparse vectors");
    return state->dimension == schema->dimension
               ? VMX_OK
               : vmx_error_set(error, VMX_ERR_INVALID, "query: %zu dimensions, but the collection has %u",
                               state->dimension, schema->dimension);
}

static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    search *state = machine->state;
    char *partition = vmx_milvus_partition(machine), *fields[VMX_MILVUS_MAX_OUTPUT];
    params p;
    Milvus__SearchRequest request = MILVUS__SEARCH_REQUEST__INIT;
    vmx_status status = check_fit(state, machine->error);
    if (status == VMX_OK)
        status = vmx_milvus_expression(machine->arena, &state->op.schema, state->filter, "query: filter", &request.dsl,
                                       machine->error);
    if (status == VMX_OK)
        status = pack_vectors(machine, state, &request.placeholder_group);
    if (status != VMX_OK)
        return status;
    fill_params(state, &p);
    vmx_milvus_wanted wanted = {state->query.include_values, state->query.include_metadata};
    vmx_milvus_view view = vmx_milvus_view_of(machine);
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_names = &partition;
    request.n_partition_names = 1;
    request.dsl_type = 1;
    request.output_fields = fields;
    request.n_output_fields = vmx_milvus_output_fields(&state->op.schema, false, wanted, fields);
    request.search_params = p.list;
    request.n_search_params = PARAM_COUNT;
    request.nq = (int64_t)state->count;
    request.consistency_level = view.consistency_level;
    request.guarantee_timestamp = view.guarantee_timestamp;
    machine->on_reply = on_reply;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("Search"), &request.base, false, true, step);
}

/* --- input --------------------------------------------------------------------------------------------------------- */

static vmx_status
check_query(const vmx_engine *engine, const vmx_query *query, vmx_error *error)
{
    vmx_status status = vmx_check_query(engine, query, error);
    if (status == VMX_OK && query->ef > MAX_EF)
        status = vmx_error_set(error, VMX_ERR_INVALID, "query: ef %u is over %d (0: %d, or top_k)", query->ef, MAX_EF,
                               DEFAULT_EF);
    return status;
}

static bool
same_text(vmx_str a, vmx_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* One request has one set of parameters. */
static vmx_status
check_alike(const vmx_query *first, const vmx_query *query, size_t i, vmx_error *error)
{
    const char *what = NULL;
    if (query->top_k != first->top_k || query->ef != first->ef)
        what = "top_k and ef";
    else if (!same_text(query->filter, first->filter))
        what = "filters";
    else if (query->include_values != first->include_values || query->include_metadata != first->include_metadata)
        what = "include_values and include_metadata";
    else if (query->dense.len != first->dense.len)
        what = "numbers of dimensions";
    if (what == NULL)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                         "batch query: queries 0 and %zu have different %s, which Milvus cannot do in one request; "
                         "send them as two batches",
                         i, what);
}

/* Copies the vector: dense as it is, sparse as pairs of index and value. */
static vmx_status
keep_vector(vmx_machine *machine, search *state, const vmx_query *query, size_t i)
{
    size_t bytes = state->is_sparse ? query->sparse.len * 8 : query->dense.len * sizeof(float);
    uint8_t *copy = vmx_arena_alloc(machine->arena, bytes);
    if (copy == NULL)
        return vmx_error_no_memory(machine->error);
    state->vectors[i] = (ProtobufCBinaryData){bytes, copy};
    if (!state->is_sparse) {
        memcpy(copy, query->dense.ptr, bytes);
        return VMX_OK;
    }
    for (size_t k = 0; k < query->sparse.len; k++, copy += 8) {
        if (k > 0 && query->sparse.indices[k] <= query->sparse.indices[k - 1])
            return vmx_error_set(machine->error, VMX_ERR_INVALID, "query: sparse indices must rise; %u follows %u",
                                 query->sparse.indices[k], query->sparse.indices[k - 1]);
        memcpy(copy, &query->sparse.indices[k], 4);
        memcpy(copy + 4, &query->sparse.values[k], 4);
    }
    return VMX_OK;
}

static vmx_status
take_query(vmx_machine *machine, search *state, const vmx_query *query, size_t i)
{
    vmx_status status = check_query(machine->engine, query, machine->error);
    if (status == VMX_OK && i == 0) {
        state->query = *query;
        state->dimension = query->dense.len;
        state->is_sparse = query->sparse.len > 0;
        status = vmx_filter_parse(machine->arena, query->filter, "query: filter", &state->filter, NULL, machine->error);
    } else if (status == VMX_OK) {
        status = check_alike(&state->query, query, i, machine->error);
    }
    return status == VMX_OK ? keep_vector(machine, state, query, i) : status;
}

static search *
new_search(vmx_machine *machine, size_t count)
{
    search *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return NULL;
    state->count = count;
    state->vectors = vmx_arena_calloc(machine->arena, count, sizeof *state->vectors);
    return state->vectors != NULL ? state : NULL;
}

vmx_status
vmx_milvus_query(vmx_machine *machine, const vmx_query *query, vmx_step *first)
{
    search *state = new_search(machine, 1);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = take_query(machine, state, query, 0);
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go, first) : status;
}

vmx_status
vmx_milvus_batch_query(vmx_machine *machine, const vmx_queries *queries, vmx_step *first)
{
    search *state = new_search(machine, queries->count);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->is_batch = true;
    size_t stride = queries->stride != 0 ? queries->stride : queries->ptr->size;
    vmx_status status = VMX_OK;
    for (size_t i = 0; i < queries->count && status == VMX_OK; i++) {
        vmx_query query;
        vmx_sized_read(&query, sizeof query, (const char *)queries->ptr + i * stride);
        status = take_query(machine, state, &query, i);
    }
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go, first) : status;
}
