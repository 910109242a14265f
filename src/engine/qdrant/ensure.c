/*
 * ensure: looks at the collection; makes it where there is none, with an index for each field to filter on, and looks
 * again; what is there must have the dimension and the metric that were asked for.
 */
#include <string.h>

#include "core/error.h"
#include "engine/qdrant/qdrant.h"

/* machine->state. Everything is in the op's arena. */
typedef struct ensuring {
    vmx_index_spec spec;
    vmx_qdrant_options options;
    size_t fields_done;
    bool created; /* by this operation */
} ensuring;

static vmx_status
call_next(vmx_machine *machine, vmx_step *step);

/* --- verifying ----------------------------------------------------------------------------------------------------- */

static void
verify(vmx_machine *machine, const vmx_index_spec *spec)
{
    const vmx_index_state *state = &machine->result->state;
    if (state->dimension != spec->dimension)
        vmx_error_set(machine->error, VMX_ERR_ALREADY_EXISTS,
                      "the collection \"%s\" exists with dimension %u; %u was asked for", machine->collection.ptr,
                      state->dimension, spec->dimension);
    else if (spec->dimension > 0 && (state->metric.ptr == NULL || strcmp(state->metric.ptr, spec->metric.ptr) != 0))
        vmx_error_set(machine->error, VMX_ERR_ALREADY_EXISTS,
                      "the collection \"%s\" exists with the metric %s; %s was asked for", machine->collection.ptr,
                      state->metric.ptr != NULL ? state->metric.ptr : "unknown", spec->metric.ptr);
}

static void
on_info(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const ensuring *state = machine->state;
    if (vmx_qdrant_take_info(machine, message, next) != NULL)
        verify(machine, &state->spec);
}

/* --- making -------------------------------------------------------------------------------------------------------- */

static Qdrant__Distance
distance_of(vmx_str metric)
{
    if (strcmp(metric.ptr, "euclidean") == 0)
        return QDRANT__DISTANCE__Euclid;
    return strcmp(metric.ptr, "dotproduct") == 0 ? QDRANT__DISTANCE__Dot : QDRANT__DISTANCE__Cosine;
}

static void
on_made(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)message;
    (void)reply;
    if (call_next(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static vmx_status
call_create(vmx_machine *machine, vmx_step *step)
{
    ensuring *state = machine->state;
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(machine->engine);
    Qdrant__CreateCollection *request = &state->options.create;
    Qdrant__VectorParams params = QDRANT__VECTOR_PARAMS__INIT;
    Qdrant__VectorsConfig vectors = QDRANT__VECTORS_CONFIG__INIT;
    Qdrant__VectorParamsMap map = QDRANT__VECTOR_PARAMS_MAP__INIT;
    Qdrant__VectorParamsMap__MapEntry dense = QDRANT__VECTOR_PARAMS_MAP__MAP_ENTRY__INIT, *denses = &dense;
    Qdrant__SparseVectorParams sparse_params = QDRANT__SPARSE_VECTOR_PARAMS__INIT;
    Qdrant__SparseVectorConfig sparses = QDRANT__SPARSE_VECTOR_CONFIG__INIT;
    Qdrant__SparseVectorConfig__MapEntry sparse = QDRANT__SPARSE_VECTOR_CONFIG__MAP_ENTRY__INIT, *entries = &sparse;
    params.size = state->spec.dimension;
    params.distance = distance_of(state->spec.metric);
    dense.key = vmx_qdrant_text(settings->vector_name);
    dense.value = &params;
    map.map = &denses;
    map.n_map = 1;
    bool named = settings->vector_name[0] != '\0';
    vectors.config_case = named ? QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP : QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
    if (named)
        vectors.params_map = &map;
    else
        vectors.params = &params;
    sparse.key = vmx_qdrant_text(settings->sparse_name);
    sparse.value = &sparse_params;
    sparses.map = &entries;
    sparses.n_map = 1;
    request->collection_name = vmx_qdrant_text(machine->collection.ptr);
    request->vectors_config = state->spec.dimension > 0 ? &vectors : NULL;
    request->sparse_vectors_config = state->spec.sparse ? &sparses : NULL;
    request->hnsw_config = state->options.has_hnsw ? &state->options.hnsw : NULL;
    request->optimizers_config = state->options.has_optimizers ? &state->options.optimizers : NULL;
    machine->on_reply = on_made;
    return vmx_exchange_call(machine, "/qdrant.Collections/Create", &request->base, true, true, step);
}

static vmx_status
call_field_index(vmx_machine *machine, const vmx_filter_field *field, vmx_step *step)
{
    static const Qdrant__FieldType types[] = {QDRANT__FIELD_TYPE__FieldTypeKeyword,
                                              QDRANT__FIELD_TYPE__FieldTypeInteger, QDRANT__FIELD_TYPE__FieldTypeFloat,
                                              QDRANT__FIELD_TYPE__FieldTypeBool};
    Qdrant__CreateFieldIndexCollection request = QDRANT__CREATE_FIELD_INDEX_COLLECTION__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._wait_case = QDRANT__CREATE_FIELD_INDEX_COLLECTION___WAIT_WAIT;
    request.wait = true;
    request.field_name = vmx_qdrant_key(machine->arena, field->name, "ensure", machine->error);
    request._field_type_case = QDRANT__CREATE_FIELD_INDEX_COLLECTION___FIELD_TYPE_FIELD_TYPE;
    request.field_type = types[field->type];
    if (request.field_name == NULL)
        return machine->error->code;
    machine->on_reply = on_made;
    vmx_status status = vmx_exchange_call(machine, "/qdrant.Points/CreateFieldIndex", &request.base, true, true, step);
    step->request.judge = vmx_qdrant_judge_write;
    return status;
}

/* After the collection itself: its fields, one after the other, then a last look. */
static vmx_status
call_next(vmx_machine *machine, vmx_step *step)
{
    ensuring *state = machine->state;
    if (state->fields_done < state->spec.filter_count)
        return call_field_index(machine, &state->spec.filters[state->fields_done++], step);
    machine->on_reply = on_info;
    return vmx_qdrant_ask_info(machine, step);
}

/* --- the way ------------------------------------------------------------------------------------------------------- */

/* "Not found" at the first look: it is to be made. "Exists already" when it was made: somebody else was faster. */
static bool
on_failure(vmx_machine *machine, vmx_step *next)
{
    ensuring *state = machine->state;
    bool missing = machine->error->code == VMX_ERR_NOT_FOUND && !state->created;
    bool raced = machine->error->code == VMX_ERR_ALREADY_EXISTS && state->created;
    if (!missing && !raced)
        return false;
    state->created = true;
    vmx_error_clear(machine->error);
    if ((missing ? call_create(machine, next) : call_next(machine, next)) != VMX_OK)
        next->kind = VMX_STEP_DONE;
    return true;
}

/* The spec's texts and fields live as long as the op. */
static vmx_status
copy_spec(vmx_machine *machine, const vmx_index_spec *spec, ensuring *state)
{
    vmx_filter_field *fields = vmx_arena_calloc(machine->arena, spec->filter_count + 1, sizeof *fields);
    state->spec = *spec;
    state->spec.metric = vmx_arena_str(machine->arena, spec->metric);
    state->spec.filters = fields;
    if (fields == NULL || state->spec.metric.ptr == NULL)
        return vmx_error_no_memory(machine->error);
    for (size_t i = 0; i < spec->filter_count; i++) {
        fields[i] = spec->filters[i];
        fields[i].name = vmx_arena_str(machine->arena, spec->filters[i].name);
        if (fields[i].name.ptr == NULL)
            return vmx_error_no_memory(machine->error);
        if (vmx_qdrant_key(machine->arena, fields[i].name, "ensure", machine->error) == NULL)
            return machine->error->code;
    }
    return VMX_OK;
}

vmx_status
vmx_qdrant_ensure(vmx_machine *machine, const vmx_index_spec *spec, vmx_step *first)
{
    ensuring *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    machine->state = state;
    vmx_status status = copy_spec(machine, spec, state);
    if (status == VMX_OK)
        status = vmx_qdrant_read_options(spec->options, "ensure: options", &state->options, machine->error);
    if (status != VMX_OK)
        return status;
    machine->on_reply = on_info;
    machine->on_failure = on_failure;
    return vmx_qdrant_ask_info(machine, first);
}
