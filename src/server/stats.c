/* VectorService/DescribeIndexStats */
#include "server/handlers.h"

typedef Pinecone__DescribeIndexStatsResponse__NamespacesEntry entry;

static bool
count_records(vmxd_namespace *ns, uint32_t *records)
{
    vmxd_namespace_read_lock(ns);
    bool exists = ns->exists;
    *records = (uint32_t)ns->records.count;
    vmxd_namespace_unlock(ns);
    return exists;
}

static entry *
new_entry(const char *name, uint32_t records, vmx_arena *arena)
{
    entry *made = vmx_arena_alloc(arena, sizeof *made);
    Pinecone__NamespaceSummary *summary = vmx_arena_alloc(arena, sizeof *summary);
    if (!made || !summary)
        return NULL;
    pinecone__describe_index_stats_response__namespaces_entry__init(made);
    pinecone__namespace_summary__init(summary);
    summary->vector_count = records;
    made->key = (char *)name;
    made->value = summary;
    return made;
}

static bool
fill_namespaces(vmxd_store *store, vmx_arena *arena, Pinecone__DescribeIndexStatsResponse *response)
{
    vmxd_namespace **all;
    size_t count;
    if (!vmxd_store_all(store, arena, &all, &count))
        return false;
    response->namespaces = vmx_arena_calloc(arena, count, sizeof(entry *));
    if (!response->namespaces)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t records;
        if (!count_records(all[i], &records))
            continue;
        entry *made = new_entry(all[i]->name, records, arena);
        if (!made)
            return false;
        response->namespaces[response->n_namespaces++] = made;
        response->total_vector_count += records;
    }
    return true;
}

static void
fill_configuration(const vmxd_store *store, Pinecone__DescribeIndexStatsResponse *response)
{
    const vmxd_store_options *options = vmxd_store_config(store);
    uint32_t dimension = vmxd_store_dimension(store);
    if (dimension > 0 && !options->sparse) {
        response->_dimension_case = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___DIMENSION_DIMENSION;
        response->dimension = dimension;
    }
    response->_metric_case = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___METRIC_METRIC;
    response->metric = (char *)vmxd_metric_name(options->metric);
    response->_vector_type_case = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___VECTOR_TYPE_VECTOR_TYPE;
    response->vector_type = options->sparse ? "sparse" : "dense";
}

void
vmxd_handle_describe_index_stats(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__DescribeIndexStatsRequest *request = (const Pinecone__DescribeIndexStatsRequest *)message;
    Pinecone__DescribeIndexStatsResponse response = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE__INIT;
    vmxd_status status;
    if (request->filter && request->filter->n_fields > 0) {
        vmxd_invalid(&status, "DescribeIndexStats does not take a filter; leave it out");
        vmxd_call_fail(call, &status);
        return;
    }
    fill_configuration(service->store, &response);
    if (fill_namespaces(service->store, vmxd_call_arena(call), &response)) {
        vmxd_call_reply(call, &response.base);
        return;
    }
    vmxd_no_memory(&status);
    vmxd_call_fail(call, &status);
}
