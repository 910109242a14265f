#include "engine/pinecone/pinecone.h"

static void
fill_state(const Pinecone__DescribeIndexStatsResponse *from, vmx_index_state *state)
{
    *state = (vmx_index_state){.size = sizeof *state};
    state->vector_count = from->total_vector_count;
    state->index_fullness = from->index_fullness;
    state->has_dimension = from->_dimension_case == PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___DIMENSION_DIMENSION;
    state->dimension = state->has_dimension ? from->dimension : 0;
    if (from->_metric_case == PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___METRIC_METRIC)
        state->metric = vmx_pinecone_str(from->metric);
    if (from->_vector_type_case == PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___VECTOR_TYPE_VECTOR_TYPE)
        state->vector_type = vmx_pinecone_str(from->vector_type);
    state->has_memory_fullness =
        from->_memory_fullness_case == PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___MEMORY_FULLNESS_MEMORY_FULLNESS;
    state->memory_fullness = state->has_memory_fullness ? from->memory_fullness : 0;
    state->has_storage_fullness =
        from->_storage_fullness_case == PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___STORAGE_FULLNESS_STORAGE_FULLNESS;
    state->storage_fullness = state->has_storage_fullness ? from->storage_fullness : 0;
}

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__DescribeIndexStatsResponse *response =
        vmx_exchange_unpack(machine, message, &pinecone__describe_index_stats_response__descriptor, next);
    if (response == NULL)
        return;
    vmx_namespace_list *list = &machine->result->namespaces;
    vmx_namespace *items = vmx_namespace_list_grow(list, response->n_namespaces + 1, machine->arena);
    if (items == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    for (size_t i = 0; i < response->n_namespaces; i++) {
        const Pinecone__DescribeIndexStatsResponse__NamespacesEntry *entry = response->namespaces[i];
        items[i].name = vmx_pinecone_str(entry->key);
        items[i].vector_count = entry->value != NULL ? entry->value->vector_count : 0;
    }
    list->count += response->n_namespaces;
    machine->result->has_state = true;
    fill_state(response, &machine->result->state);
    vmx_pinecone_note_lsn(machine, reply);
    vmx_exchange_done(machine, next);
}

vmx_status
vmx_pinecone_stats(vmx_machine *machine, vmx_step *first)
{
    Pinecone__DescribeIndexStatsRequest request = PINECONE__DESCRIBE_INDEX_STATS_REQUEST__INIT;
    machine->on_reply = on_reply;
    return vmx_exchange_call(machine, "/VectorService/DescribeIndexStats", &request.base, false, true, first);
}
