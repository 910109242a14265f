#include <string.h>

#include "peer/driver.h"

void
driver_query(driver_memory *memory, const json_t *command, vmx_query *query)
{
    vmx_query_init(query, sizeof *query);
    query->dense = driver_floats(memory, command, "dense");
    query->sparse = driver_sparse(memory, command, "sparse");
    query->id = driver_str(command, "id");
    query->top_k = (uint32_t)driver_uint(command, "top_k");
    query->filter = driver_text(memory, command, "filter");
    query->include_values = driver_bool(command, "include_values");
    query->include_metadata = driver_bool(command, "include_metadata");
    query->scan_factor = (float)json_number_value(json_object_get(command, "scan_factor"));
    query->max_candidates = (uint32_t)driver_uint(command, "max_candidates");
    query->ef = (uint32_t)driver_uint(command, "ef");
    query->exact = driver_bool(command, "exact");
}

static vmx_status
run_batch_query(driver_job *j)
{
    const json_t *list = json_object_get(j->command, "queries");
    size_t count = json_array_size(list);
    vmx_query *queries = driver_alloc(j->memory, (count + 1) * sizeof *queries);
    for (size_t i = 0; i < count; i++)
        driver_query(j->memory, json_array_get(list, i), &queries[i]);
    return vmx_index_batch_query(j->index, &(vmx_queries){queries, count, sizeof *queries}, &j->options, &j->op,
                                 &j->error);
}

static vmx_status
run_count(driver_job *j)
{
    return vmx_index_count(j->index, driver_text(j->memory, j->command, "filter"), &j->options, &j->op, &j->error);
}

static vmx_status
run_flush(driver_job *j)
{
    return vmx_index_flush(j->index, &j->options, &j->op, &j->error);
}

static vmx_status
run_ensure(driver_job *j)
{
    vmx_index_spec spec;
    vmx_index_spec_init(&spec, sizeof spec);
    spec.dimension = (uint32_t)driver_uint(j->command, "dimension");
    spec.metric = driver_str(j->command, "metric");
    spec.sparse = driver_bool(j->command, "sparse");
    spec.id_type = driver_bool(j->command, "integer_ids") ? VMX_ID_INTEGER : VMX_ID_TEXT;
    spec.options = driver_text(j->memory, j->command, "options");
    return vmx_index_ensure(j->index, &spec, &j->options, &j->op, &j->error);
}

static vmx_status
run_describe(driver_job *j)
{
    return vmx_index_describe(j->index, &j->options, &j->op, &j->error);
}

static vmx_status
run_drop(driver_job *j)
{
    return vmx_index_drop(j->index, &j->options, &j->op, &j->error);
}

static vmx_status
run_list_indexes(driver_job *j)
{
    return vmx_client_list_indexes(j->client, &j->options, &j->op, &j->error);
}

static vmx_status
run_build(driver_job *j)
{
    vmx_index_build_options build;
    vmx_index_build_options_init(&build, sizeof build);
    build.options = driver_text(j->memory, j->command, "options");
    build.no_wait = driver_bool(j->command, "no_wait");
    return vmx_index_build(j->index, &build, &j->options, &j->op, &j->error);
}

static const struct {
    const char *name;
    driver_run run;
} operations[] = {
    {"batch_query", run_batch_query}, {"count", run_count}, {"flush", run_flush}, {"ensure", run_ensure},
    {"describe", run_describe},       {"drop", run_drop},   {"build", run_build}, {"list_indexes", run_list_indexes},
};

driver_run
driver_manage_find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].run;
    return NULL;
}
