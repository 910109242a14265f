/*
 * Queries. One by the id of a record is two calls: the record's values are read, then searched for; Qdrant's own way
 * leaves the record itself out.
 */
#include "core/error.h"
#include "core/sized.h"
#include "engine/check.h"
#include "engine/qdrant/qdrant.h"

/* A request with all that it points at. */
typedef struct search {
    Qdrant__QueryPoints points;
    Qdrant__Query query;
    Qdrant__VectorInput input;
    Qdrant__DenseVector dense;
    Qdrant__SparseVector sparse;
    Qdrant__SearchParams params;
    vmx_qdrant_selection selection;
} search;

/* machine->state: what must be known when replies come. */
typedef struct asking {
    const bool *metadata; /* of each query, whether its metadata is wanted */
    size_t count;
    search *by_id; /* waits for the record's values; NULL: none */
} asking;

/* --- requests ------------------------------------------------------------------------------------------------------ */

static void
set_values(search *s, const vmx_qdrant_settings *settings, vmx_floats dense, vmx_sparse sparse)
{
    const char *name = dense.len > 0 ? settings->vector_name : settings->sparse_name;
    qdrant__dense_vector__init(&s->dense);
    qdrant__sparse_vector__init(&s->sparse);
    s->dense.data = (float *)(uintptr_t)dense.ptr;
    s->dense.n_data = dense.len;
    s->sparse.values = (float *)(uintptr_t)sparse.values;
    s->sparse.indices = (uint32_t *)(uintptr_t)sparse.indices;
    s->sparse.n_values = s->sparse.n_indices = sparse.len;
    s->input.variant_case = dense.len > 0 ? QDRANT__VECTOR_INPUT__VARIANT_DENSE : QDRANT__VECTOR_INPUT__VARIANT_SPARSE;
    if (dense.len > 0)
        s->input.dense = &s->dense;
    else
        s->input.sparse = &s->sparse;
    s->points._using_case =
        name[0] != '\0' ? QDRANT__QUERY_POINTS___USING_USING : QDRANT__QUERY_POINTS___USING__NOT_SET;
    s->points.using_ = vmx_qdrant_text(name);
}

static void
set_params(search *s, const vmx_query *query)
{
    qdrant__search_params__init(&s->params);
    if (query->ef != 0) {
        s->params._hnsw_ef_case = QDRANT__SEARCH_PARAMS___HNSW_EF_HNSW_EF;
        s->params.hnsw_ef = query->ef;
    }
    if (query->exact) {
        s->params._exact_case = QDRANT__SEARCH_PARAMS___EXACT_EXACT;
        s->params.exact = true;
    }
    s->points.params = query->ef != 0 || query->exact ? &s->params : NULL;
}

/* Fills `s`, which stays where it is; the filter's tree is in `arena`. */
static vmx_status
fill_search(vmx_machine *machine, vmx_arena *arena, const vmx_query *query, search *s)
{
    qdrant__query_points__init(&s->points);
    qdrant__query__init(&s->query);
    qdrant__vector_input__init(&s->input);
    s->points.collection_name = vmx_qdrant_text(machine->collection.ptr);
    s->points.query = &s->query;
    s->query.variant_case = QDRANT__QUERY__VARIANT_NEAREST;
    s->query.nearest = &s->input;
    s->points._limit_case = QDRANT__QUERY_POINTS___LIMIT_LIMIT;
    s->points.limit = query->top_k;
    s->selection = vmx_qdrant_select(query->include_metadata, query->include_values);
    s->points.with_payload = vmx_qdrant_payload_selector(&s->selection);
    s->points.with_vectors = &s->selection.vectors;
    set_params(s, query);
    set_values(s, vmx_qdrant_settings_of(machine->engine), query->dense, query->sparse);
    return vmx_qdrant_filter(arena, query->filter, "query: filter", &s->points.filter, machine->error);
}

static asking *
new_asking(vmx_machine *machine, size_t count, bool **metadata)
{
    asking *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    *metadata = vmx_arena_calloc(machine->arena, count, sizeof **metadata);
    if (state == NULL || *metadata == NULL)
        return NULL;
    state->metadata = *metadata;
    state->count = count;
    machine->state = state;
    return state;
}

/* --- one query ----------------------------------------------------------------------------------------------------- */

static void
on_matches(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const asking *state = machine->state;
    const Qdrant__QueryResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__query_response__descriptor, next);
    if (response == NULL)
        return;
    vmx_match *matches = vmx_arena_calloc(machine->arena, response->n_result + 1, sizeof *matches);
    if (matches == NULL ||
        !vmx_qdrant_scored(machine, response->result, response->n_result, state->metadata[0], matches)) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    machine->result->matches = matches;
    machine->result->match_count = response->n_result;
    vmx_exchange_done(machine, next);
}

static vmx_status
call_search(vmx_machine *machine, const search *s, vmx_step *step)
{
    machine->on_reply = on_matches;
    return vmx_exchange_call(machine, "/qdrant.Points/Query", &s->points.base, false, true, step);
}

/* The record's values have come. A record that does not exist is near to nothing. */
static void
on_record(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    asking *state = machine->state;
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(machine->engine);
    const Qdrant__GetResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__get_response__descriptor, next);
    vmx_match record = {0};
    if (response == NULL)
        return;
    if (response->n_result > 0)
        vmx_qdrant_read_vectors(settings, response->result[0]->vectors, &record);
    if (record.values.len == 0 && record.sparse.len == 0) {
        vmx_exchange_done(machine, next);
        return;
    }
    if (record.values.len > 0)
        record.sparse = (vmx_sparse){0};
    set_values(state->by_id, settings, record.values, record.sparse);
    if (call_search(machine, state->by_id, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static vmx_status
ask_record(vmx_machine *machine, vmx_str id, vmx_step *first)
{
    vmx_strs ids = {&id, 1};
    Qdrant__GetPoints request = QDRANT__GET_POINTS__INIT;
    vmx_qdrant_selection selection = vmx_qdrant_select(false, true);
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request.ids = vmx_qdrant_ids(machine->arena, &ids);
    request.n_ids = 1;
    request.with_payload = vmx_qdrant_payload_selector(&selection);
    request.with_vectors = &selection.vectors;
    if (request.ids == NULL)
        return vmx_error_no_memory(machine->error);
    machine->on_reply = on_record;
    return vmx_exchange_call(machine, "/qdrant.Points/Get", &request.base, false, true, first);
}

static vmx_status
query_by_id(vmx_machine *machine, const vmx_query *query, asking *state, vmx_step *first)
{
    state->by_id = vmx_arena_alloc(machine->arena, sizeof *state->by_id);
    if (state->by_id == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = fill_search(machine, machine->arena, query, state->by_id);
    return status == VMX_OK ? ask_record(machine, query->id, first) : status;
}

vmx_status
vmx_qdrant_query(vmx_machine *machine, const vmx_query *query, vmx_step *first)
{
    bool *metadata;
    vmx_status status = vmx_check_query(machine->engine, query, machine->error);
    if (status != VMX_OK)
        return status;
    asking *state = new_asking(machine, 1, &metadata);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    metadata[0] = query->include_metadata;
    if (query->id.len > 0)
        return query_by_id(machine, query, state, first);
    search s;
    vmx_arena scratch = {0};
    status = fill_search(machine, &scratch, query, &s);
    if (status == VMX_OK)
        status = call_search(machine, &s, first);
    vmx_arena_reset(&scratch);
    return status;
}

/* --- several ------------------------------------------------------------------------------------------------------- */

/* Room for all matches of the replies; false when memory is out. */
static bool
begin_batch(vmx_machine *machine, const Qdrant__QueryBatchResponse *response)
{
    size_t matches = 0;
    for (size_t i = 0; i < response->n_result; i++)
        matches += response->result[i]->n_result;
    machine->result->matches = vmx_arena_calloc(machine->arena, matches + 1, sizeof *machine->result->matches);
    machine->result->query_ends =
        vmx_arena_calloc(machine->arena, response->n_result + 1, sizeof *machine->result->query_ends);
    return machine->result->matches != NULL && machine->result->query_ends != NULL;
}

static bool
fill_batch(vmx_machine *machine, const Qdrant__QueryBatchResponse *response, const asking *state)
{
    vmx_result *result = machine->result;
    for (size_t i = 0; i < response->n_result; i++) {
        const Qdrant__BatchResult *one = response->result[i];
        if (!vmx_qdrant_scored(machine, one->result, one->n_result, state->metadata[i],
                               &result->matches[result->match_count]))
            return false;
        result->match_count += one->n_result;
        result->query_ends[i] = result->match_count;
    }
    result->query_count = response->n_result;
    return true;
}

static void
on_batch(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const asking *state = machine->state;
    const Qdrant__QueryBatchResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__query_batch_response__descriptor, next);
    if (response == NULL)
        return;
    if (response->n_result != state->count) {
        vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply has %zu results for %zu queries",
                      response->n_result, state->count);
        return;
    }
    if (begin_batch(machine, response) && fill_batch(machine, response, state))
        vmx_exchange_done(machine, next);
    else
        vmx_exchange_no_memory(machine, next);
}

static void
read_query(const vmx_queries *queries, size_t i, vmx_query *query)
{
    size_t stride = queries->stride != 0 ? queries->stride : queries->ptr->size;
    vmx_sized_read(query, sizeof *query, (const char *)queries->ptr + i * stride);
}

static vmx_status
add_query(vmx_machine *machine, vmx_arena *scratch, const vmx_query *query, search *s)
{
    vmx_status status = vmx_check_query(machine->engine, query, machine->error);
    if (status == VMX_OK && query->id.len > 0)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "batch query: the engine qdrant cannot search by the id of a record in a batch; query it "
                             "alone");
    return status == VMX_OK ? fill_search(machine, scratch, query, s) : status;
}

static vmx_status
call_batch(vmx_machine *machine, vmx_arena *scratch, const vmx_queries *queries, bool *metadata, vmx_step *first)
{
    Qdrant__QueryBatchPoints request = QDRANT__QUERY_BATCH_POINTS__INIT;
    search *searches = vmx_arena_calloc(scratch, queries->count, sizeof *searches);
    Qdrant__QueryPoints **points = vmx_arena_calloc(scratch, queries->count, sizeof(Qdrant__QueryPoints *));
    if (searches == NULL || points == NULL)
        return vmx_error_no_memory(machine->error);
    for (size_t i = 0; i < queries->count; i++) {
        vmx_query query;
        read_query(queries, i, &query);
        vmx_status status = add_query(machine, scratch, &query, &searches[i]);
        if (status != VMX_OK)
            return status;
        points[i] = &searches[i].points;
        metadata[i] = query.include_metadata;
    }
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request.query_points = points;
    request.n_query_points = queries->count;
    machine->on_reply = on_batch;
    return vmx_exchange_call(machine, "/qdrant.Points/QueryBatch", &request.base, false, true, first);
}

vmx_status
vmx_qdrant_batch_query(vmx_machine *machine, const vmx_queries *queries, vmx_step *first)
{
    bool *metadata;
    vmx_arena scratch = {0};
    if (new_asking(machine, queries->count, &metadata) == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = call_batch(machine, &scratch, queries, metadata, first);
    vmx_arena_reset(&scratch);
    return status;
}
