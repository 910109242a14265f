/* What replies have in common: points, the outcome of writes, the state of a collection. */
#include <string.h>

#include "core/error.h"
#include "engine/qdrant/qdrant.h"
#include "wire/field_reader.h"
#include "wire/guard.h"

char *
vmx_qdrant_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* --- points -------------------------------------------------------------------------------------------------------- */

static bool
fill_match(vmx_machine *machine, const Qdrant__PointId *id, Qdrant__PayloadEntry *const *payload, size_t count,
           const Qdrant__Vectors *vectors, bool metadata, vmx_match *match)
{
    match->id = vmx_qdrant_id_text(machine->arena, id, payload, count);
    vmx_qdrant_read_vectors(vmx_qdrant_settings_of(machine->engine), vectors, match);
    if (metadata && !vmx_qdrant_payload_to_json(machine->arena, payload, count, &match->metadata_json))
        return false;
    return match->id.ptr != NULL;
}

vmx_match *
vmx_qdrant_retrieved(vmx_machine *machine, Qdrant__RetrievedPoint *const *points, size_t count)
{
    vmx_match *matches = vmx_arena_calloc(machine->arena, count + 1, sizeof *matches);
    for (size_t i = 0; matches != NULL && i < count; i++)
        if (!fill_match(machine, points[i]->id, points[i]->payload, points[i]->n_payload, points[i]->vectors, true,
                        &matches[i]))
            return NULL;
    return matches;
}

bool
vmx_qdrant_scored(vmx_machine *machine, Qdrant__ScoredPoint *const *points, size_t count, bool metadata,
                  vmx_match *matches)
{
    for (size_t i = 0; i < count; i++) {
        matches[i].score = points[i]->score;
        if (!fill_match(machine, points[i]->id, points[i]->payload, points[i]->n_payload, points[i]->vectors, metadata,
                        &matches[i]))
            return false;
    }
    return true;
}

vmx_qdrant_selection
vmx_qdrant_select(bool metadata, bool values)
{
    static char *id_key[] = {(char *)(uintptr_t)VMX_QDRANT_ID_KEY};
    vmx_qdrant_selection selection;
    qdrant__payload_names__init(&selection.names);
    qdrant__with_payload_selector__init(&selection.payload);
    qdrant__with_vectors_selector__init(&selection.vectors);
    selection.names.fields = id_key;
    selection.names.n_fields = 1;
    selection.all = metadata;
    selection.payload.selector_options_case = metadata ? QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_ENABLE
                                                       : QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_INCLUDE;
    selection.vectors.selector_options_case = QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_ENABLE;
    selection.vectors.enable = values;
    return selection;
}

Qdrant__WithPayloadSelector *
vmx_qdrant_payload_selector(vmx_qdrant_selection *selection)
{
    if (selection->all)
        selection->payload.enable = true;
    else
        selection->payload.include = &selection->names;
    return &selection->payload;
}

/* --- writes -------------------------------------------------------------------------------------------------------- */

typedef struct outcome_row {
    Qdrant__UpdateStatus status;
    vmx_verdict verdict;
    int grpc_code;
    const char *text;
} outcome_row;

static const outcome_row outcomes[] = {
    {QDRANT__UPDATE_STATUS__Acknowledged, VMX_VERDICT_OK, VMX_GRPC_OK, ""},
    {QDRANT__UPDATE_STATUS__Completed, VMX_VERDICT_OK, VMX_GRPC_OK, ""},
    {QDRANT__UPDATE_STATUS__ClockRejected, VMX_VERDICT_RETRIABLE, VMX_GRPC_ABORTED,
     "the write came behind a newer one (ClockRejected)"},
    {QDRANT__UPDATE_STATUS__WaitTimeout, VMX_VERDICT_RETRIABLE, VMX_GRPC_DEADLINE_EXCEEDED,
     "the write is logged, but was not applied in time (WaitTimeout)"},
};

/* UpdateResult.status of a PointsOperationResponse; -1 if it is no such reply. */
static int
read_status(vmx_str bytes)
{
    vmx_field field;
    int status = QDRANT__UPDATE_STATUS__UnknownUpdateStatus;
    if (vmx_guard_check(&qdrant__points_operation_response__descriptor, (const uint8_t *)bytes.ptr, bytes.len, NULL,
                        NULL) != VMX_OK)
        return -1;
    for (vmx_field_reader reader = vmx_field_reader_on(bytes); vmx_field_next(&reader, &field);) {
        if (field.number != 1)
            continue;
        vmx_field inner;
        for (vmx_field_reader result = vmx_field_reader_on(field.bytes); vmx_field_next(&result, &inner);)
            if (inner.number == 2)
                status = (int)inner.value;
    }
    return status;
}

vmx_verdict
vmx_qdrant_judge_write(const vmx_message *message, vmx_reply *reply, vmx_arena *arena)
{
    vmx_str bytes = vmx_exchange_flatten(arena, message);
    int status = bytes.ptr != NULL ? read_status(bytes) : -1;
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        if (status != (int)outcomes[i].status)
            continue;
        reply->grpc_code = outcomes[i].grpc_code;
        if (outcomes[i].verdict != VMX_VERDICT_OK)
            reply->text = vmx_str_from(outcomes[i].text);
        return outcomes[i].verdict;
    }
    reply->grpc_code = VMX_GRPC_UNKNOWN;
    reply->text = VMX_STR("the server's reply does not say what became of the write; is it a qdrant server?");
    return VMX_VERDICT_FINAL;
}

/* --- collections --------------------------------------------------------------------------------------------------- */

vmx_status
vmx_qdrant_ask_info(vmx_machine *machine, vmx_step *step)
{
    Qdrant__GetCollectionInfoRequest request = QDRANT__GET_COLLECTION_INFO_REQUEST__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    return vmx_exchange_call(machine, "/qdrant.Collections/Get", &request.base, false, true, step);
}

static vmx_str
metric_of(Qdrant__Distance distance)
{
    switch (distance) {
    case QDRANT__DISTANCE__Cosine:
        return VMX_STR("cosine");
    case QDRANT__DISTANCE__Euclid:
        return VMX_STR("euclidean");
    case QDRANT__DISTANCE__Dot:
        return VMX_STR("dotproduct");
    case QDRANT__DISTANCE__Manhattan:
        return VMX_STR("manhattan");
    default:
        return (vmx_str){NULL, 0};
    }
}

/* The parameters of the dense vector in use; NULL if the collection has none. */
static const Qdrant__VectorParams *
params_of(const vmx_qdrant_settings *settings, const Qdrant__CollectionInfo *info)
{
    const Qdrant__CollectionParams *params = info->config != NULL ? info->config->params : NULL;
    const Qdrant__VectorsConfig *config = params != NULL ? params->vectors_config : NULL;
    if (config == NULL)
        return NULL;
    if (config->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS)
        return config->params;
    if (config->config_case != QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP)
        return NULL;
    for (size_t i = 0; i < config->params_map->n_map; i++)
        if (strcmp(config->params_map->map[i]->key, settings->vector_name) == 0)
            return config->params_map->map[i]->value;
    return NULL;
}

static vmx_index_build_state
build_state_of(const Qdrant__CollectionInfo *info)
{
    switch (info->status) {
    case QDRANT__COLLECTION_STATUS__Green:
        return VMX_INDEX_BUILD_READY;
    case QDRANT__COLLECTION_STATUS__Yellow:
        return VMX_INDEX_BUILD_RUNNING;
    case QDRANT__COLLECTION_STATUS__Grey:
        return VMX_INDEX_BUILD_PENDING;
    case QDRANT__COLLECTION_STATUS__Red:
        return VMX_INDEX_BUILD_FAILED;
    default:
        return VMX_INDEX_BUILD_UNKNOWN;
    }
}

static void
fill_state(const vmx_qdrant_settings *settings, const Qdrant__CollectionInfo *info, vmx_index_state *state)
{
    const Qdrant__VectorParams *params = params_of(settings, info);
    *state = (vmx_index_state){.size = sizeof *state};
    state->vector_count = info->points_count;
    state->has_dimension = params != NULL;
    state->dimension = params != NULL ? (uint32_t)params->size : 0;
    state->metric = metric_of(params != NULL ? params->distance : QDRANT__DISTANCE__Dot);
    state->vector_type = params != NULL ? VMX_STR("dense") : VMX_STR("sparse");
    state->build = build_state_of(info);
    state->has_indexed_count =
        info->_indexed_vectors_count_case == QDRANT__COLLECTION_INFO___INDEXED_VECTORS_COUNT_INDEXED_VECTORS_COUNT;
    state->indexed_count = state->has_indexed_count ? info->indexed_vectors_count : 0;
    bool failed = info->optimizer_status != NULL && info->optimizer_status->error[0] != '\0';
    state->build_error = failed ? vmx_str_from(info->optimizer_status->error) : (vmx_str){NULL, 0};
}

const Qdrant__CollectionInfo *
vmx_qdrant_take_info(vmx_machine *machine, vmx_message *message, vmx_step *next)
{
    const Qdrant__GetCollectionInfoResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__get_collection_info_response__descriptor, next);
    if (response == NULL)
        return NULL;
    if (response->result == NULL) {
        vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply says nothing of the collection");
        return NULL;
    }
    machine->result->has_state = true;
    fill_state(vmx_qdrant_settings_of(machine->engine), response->result, &machine->result->state);
    return response->result;
}
