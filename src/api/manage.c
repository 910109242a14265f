/* The operations on the index itself, and those that not every engine has. */
#include <vecmux/index.h>

#include "api/index.h"
#include "core/error.h"
#include "core/sized.h"
#include "engine/check.h"

#define MAX_QUERIES 1000

static vmx_status
check_queries(const vmx_queries *queries, vmx_error *error)
{
    if (queries->count >= 1 && queries->count <= MAX_QUERIES)
        return VMX_OK;
    return vmx_error_set(error, queries->count == 0 ? VMX_ERR_INVALID : VMX_ERR_TOO_LARGE,
                         "batch query: %zu queries in one request; give 1 to %d", queries->count, MAX_QUERIES);
}

vmx_status
vmx_index_batch_query(vmx_index *index, const vmx_queries *queries, const vmx_call_options *options, vmx_op **op,
                      vmx_error *error)
{
    vmx_run *run;
    *op = NULL;
    vmx_status status = check_queries(queries, error);
    if (status == VMX_OK)
        status = vmx_index_begin(index, VMX_CAN_BATCH_QUERY, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->batch_query(&run->machine, queries, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_count(vmx_index *index, vmx_str filter, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_COUNT, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->count(&run->machine, filter, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_flush(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_FLUSH, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->flush(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

void
vmx_index_spec_init(vmx_index_spec *spec, size_t size)
{
    vmx_sized_init(spec, size);
}

vmx_status
vmx_index_ensure(vmx_index *index, const vmx_index_spec *theirs, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error)
{
    vmx_run *run;
    vmx_index_spec spec;
    vmx_sized_read(&spec, sizeof spec, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_ENSURE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = vmx_check_spec(&spec, &run->op.error);
    if (status == VMX_OK)
        status = run->machine.engine->vtable->ensure(&run->machine, &spec, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_describe(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_DESCRIBE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->describe(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_drop(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_DROP, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->drop(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_client_list_indexes(vmx_client *client, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    *op = NULL;
    vmx_status status = vmx_engine_check(&client->engine, VMX_CAN_LIST_INDEXES, error);
    if (status == VMX_OK)
        status = vmx_run_new(client, vmx_capability_name(VMX_CAN_LIST_INDEXES), VMX_STR(""), options, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->list_indexes(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

void
vmx_index_build_options_init(vmx_index_build_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

vmx_status
vmx_index_build(vmx_index *index, const vmx_index_build_options *theirs, const vmx_call_options *options, vmx_op **op,
                vmx_error *error)
{
    vmx_run *run;
    vmx_index_build_options build;
    vmx_index_build_options_init(&build, sizeof build);
    if (theirs != NULL)
        vmx_sized_read(&build, sizeof build, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_BUILD, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->build(&run->machine, &build, &run->step);
    return vmx_run_launch(run, status, op, error);
}
