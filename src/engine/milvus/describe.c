/* describe and stats: a collection's schema, its index, and how many records it has. */
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/milvus/milvus.h"

typedef struct report {
    vmx_milvus_op op; /* first */
    bool lists_namespaces;
    size_t counted;      /* namespaces whose records have been counted */
    uint64_t generation; /* of the rows that the count has seen */
} report;

static void
count_next(vmx_machine *machine, vmx_step *step);

/* --- words --------------------------------------------------------------------------------------------------------- */

static const char metrics[][2][16] = {{"cosine", "COSINE"}, {"euclidean", "L2"}, {"dotproduct", "IP"}};

#define METRIC_COUNT (sizeof metrics / sizeof metrics[0])

const char *
vmx_milvus_metric(vmx_str ours)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (ours.len == strlen(metrics[i][0]) && memcmp(ours.ptr, metrics[i][0], ours.len) == 0)
            return metrics[i][1];
    return NULL;
}

const char *
vmx_milvus_our_metric(const char *metric)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metric, metrics[i][1]) == 0)
            return metrics[i][0];
    return NULL;
}

const Milvus__IndexDescription *
vmx_milvus_find_index(const Milvus__DescribeIndexResponse *response, const char *field)
{
    for (size_t i = 0; i < response->n_index_descriptions; i++)
        if (strcmp(response->index_descriptions[i]->field_name, field) == 0)
            return response->index_descriptions[i];
    return NULL;
}

const char *
vmx_milvus_index_param(const Milvus__IndexDescription *index, const char *key)
{
    for (size_t i = 0; i < index->n_params; i++)
        if (strcmp(index->params[i]->key, key) == 0)
            return index->params[i]->value;
    return "";
}

static vmx_index_build_state
build_state(const Milvus__IndexDescription *index)
{
    enum { UNISSUED = 1, IN_PROGRESS = 2, FINISHED = 3, FAILED = 4, RETRY = 5 };
    switch (index->state) {
    case UNISSUED:
        return VMX_INDEX_BUILD_PENDING;
    case IN_PROGRESS:
    case RETRY:
        return VMX_INDEX_BUILD_RUNNING;
    case FINISHED:
        return index->pending_index_rows > 0 || index->indexed_rows < index->total_rows ? VMX_INDEX_BUILD_RUNNING
                                                                                        : VMX_INDEX_BUILD_READY;
    case FAILED:
        return VMX_INDEX_BUILD_FAILED;
    default:
        return VMX_INDEX_BUILD_UNKNOWN;
    }
}

/* --- the namespaces, of stats -------------------------------------------------------------------------------------- */

static void
on_namespace_counted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    report *state = machine->state;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    vmx_namespace *counted = &machine->result->namespaces.items[state->counted];
    if (response == NULL || !vmx_milvus_read_count(machine, response, &counted->vector_count))
        return;
    state->counted++;
    count_next(machine, next);
}

static void
count_next(vmx_machine *machine, vmx_step *step)
{
    const report *state = machine->state;
    if (state->counted == machine->result->namespaces.count) {
        vmx_exchange_done(machine, step);
        return;
    }
    machine->name_space = machine->result->namespaces.items[state->counted].name;
    machine->on_reply = on_namespace_counted;
    machine->on_failure = NULL;
    if (vmx_milvus_ask_count(machine, &state->op.schema, NULL, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

bool
vmx_milvus_read_namespaces(vmx_machine *machine, const Milvus__ShowPartitionsResponse *response)
{
    vmx_namespace_list *list = &machine->result->namespaces;
    vmx_namespace *items = vmx_namespace_list_grow(list, response->n_partition_names + 1, machine->arena);
    if (items == NULL)
        return vmx_error_no_memory(machine->error) == VMX_OK;
    for (size_t i = 0; i < response->n_partition_names; i++) {
        vmx_str name = vmx_str_from(response->partition_names[i]);
        items[i].name = strcmp(name.ptr, "_default") == 0 ? VMX_STR("") : name;
    }
    list->count += response->n_partition_names;
    return true;
}

static void
on_partitions(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__ShowPartitionsResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__show_partitions_response__descriptor, next);
    if (response != NULL && vmx_milvus_read_namespaces(machine, response))
        count_next(machine, next);
}

vmx_status
vmx_milvus_show_partitions(vmx_machine *machine, vmx_step *step)
{
    Milvus__ShowPartitionsRequest request = MILVUS__SHOW_PARTITIONS_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("ShowPartitions"), &request.base, false, true, step);
}

static void
finish(vmx_machine *machine, bool loaded, vmx_step *step)
{
    const report *state = machine->state;
    machine->on_failure = NULL;
    if (!state->lists_namespaces || !loaded) {
        vmx_exchange_done(machine, step);
        return;
    }
    machine->on_reply = on_partitions;
    if (vmx_milvus_show_partitions(machine, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

/* --- the count ----------------------------------------------------------------------------------------------------- */

static void
on_statistics(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__GetCollectionStatisticsResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__get_collection_statistics_response__descriptor, next);
    if (response == NULL)
        return;
    for (size_t i = 0; i < response->n_stats; i++) {
        int64_t count;
        if (strcmp(response->stats[i]->key, "row_count") == 0 &&
            vmx_integer_parse(vmx_str_from(response->stats[i]->value), false, &count) && count >= 0)
            machine->result->state.vector_count = (uint64_t)count;
    }
    finish(machine, false, next);
}

static void
on_counted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    const report *state = machine->state;
    if (response == NULL || !vmx_milvus_read_count(machine, response, &machine->result->state.vector_count))
        return;
    vmx_milvus_rows_visible(machine->engine->state, state->generation);
    finish(machine, true, next);
}

/* What is not loaded cannot be counted; the statistics know what has been flushed. */
static bool
on_not_counted(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->grpc_code != VMX_GRPC_FAILED_PRECONDITION && machine->error->code != VMX_ERR_SERVER)
        return false;
    vmx_error_clear(machine->error);
    Milvus__GetCollectionStatisticsRequest request = MILVUS__GET_COLLECTION_STATISTICS_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_statistics;
    machine->on_failure = NULL;
    if (vmx_milvus_call(machine, VMX_MILVUS_METHOD("GetCollectionStatistics"), &request.base, false, true, next) !=
        VMX_OK)
        next->kind = VMX_STEP_DONE;
    return true;
}

/* Of all partitions. */
static void
count(vmx_machine *machine, vmx_step *step)
{
    static char count_field[] = "count(*)";
    char *field = count_field;
    Milvus__QueryRequest request = MILVUS__QUERY_REQUEST__INIT;
    report *state = machine->state;
    state->generation = vmx_milvus_rows_generation(machine->engine->state);
    vmx_milvus_view view = vmx_milvus_view_of(machine);
    request.collection_name = vmx_milvus_collection(machine);
    request.output_fields = &field;
    request.n_output_fields = 1;
    request.consistency_level = view.consistency_level;
    request.guarantee_timestamp = view.guarantee_timestamp;
    machine->on_reply = on_counted;
    machine->on_failure = on_not_counted;
    if (vmx_milvus_call(machine, VMX_MILVUS_METHOD("Query"), &request.base, false, true, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

/* --- the index ----------------------------------------------------------------------------------------------------- */

static void
read_index(vmx_index_state *state, const Milvus__IndexDescription *index)
{
    const char *metric = vmx_milvus_index_param(index, "metric_type"), *ours = vmx_milvus_our_metric(metric);
    state->metric = vmx_str_from(ours != NULL ? ours : metric);
    state->build = build_state(index);
    state->has_indexed_count = true;
    state->indexed_count = index->indexed_rows > 0 ? (uint64_t)index->indexed_rows : 0;
    if (state->build == VMX_INDEX_BUILD_FAILED)
        state->build_error = vmx_str_from(index->index_state_fail_reason);
}

static void
on_index(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const report *state = machine->state;
    const vmx_milvus_schema *schema = &state->op.schema;
    const Milvus__DescribeIndexResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_index_response__descriptor, next);
    if (response == NULL)
        return;
    const Milvus__IndexDescription *index =
        vmx_milvus_find_index(response, schema->dimension > 0 ? schema->vector : schema->sparse);
    machine->result->state.build = VMX_INDEX_BUILD_NONE;
    if (index != NULL)
        read_index(&machine->result->state, index);
    count(machine, next);
}

static bool
on_no_index(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code != VMX_ERR_NOT_FOUND)
        return false;
    vmx_error_clear(machine->error);
    machine->result->state.build = VMX_INDEX_BUILD_NONE;
    count(machine, next);
    return true;
}

/* --- the schema ---------------------------------------------------------------------------------------------------- */

static void
on_described(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    report *state = machine->state;
    const Milvus__DescribeCollectionResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_collection_response__descriptor, next);
    if (response == NULL)
        return;
    vmx_milvus_schema *schema = &state->op.schema;
    vmx_milvus_schema_read(response->schema, schema);
    machine->result->has_state = true;
    machine->result->state = (vmx_index_state){.size = sizeof machine->result->state};
    machine->result->state.has_dimension = schema->dimension > 0;
    machine->result->state.dimension = schema->dimension;
    machine->result->state.vector_type = vmx_str_from(schema->dimension > 0 ? "dense" : "sparse");
    Milvus__DescribeIndexRequest request = MILVUS__DESCRIBE_INDEX_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_index;
    machine->on_failure = on_no_index;
    if (vmx_milvus_call(machine, VMX_MILVUS_METHOD("DescribeIndex"), &request.base, false, true, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static vmx_status
begin(vmx_machine *machine, bool lists_namespaces, vmx_step *step)
{
    report *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    Milvus__DescribeCollectionRequest request = MILVUS__DESCRIBE_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    state->lists_namespaces = lists_namespaces;
    machine->state = state;
    machine->on_reply = on_described;
    machine->on_failure = NULL;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("DescribeCollection"), &request.base, false, true, step);
}

void
vmx_milvus_report(vmx_machine *machine, vmx_step *step)
{
    if (begin(machine, false, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

vmx_status
vmx_milvus_describe(vmx_machine *machine, vmx_step *first)
{
    return begin(machine, false, first);
}

vmx_status
vmx_milvus_stats(vmx_machine *machine, vmx_step *first)
{
    return begin(machine, true, first);
}
