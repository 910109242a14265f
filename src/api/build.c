/* Remote index builds: from the client's side of the door. */
#include <vecmux/build.h>

#include "api/call_options.h"
#include "api/index.h"
#include "api/pools.h"
#include "build/build.h"
#include "core/error.h"

/* Makes an operation and the settings of its calls. Without a policy of their own they are patient: a build outlives a
 * server's restart. */
static vmx_status
begin(vmx_client *client, const char *name, const vmx_call_options *theirs, vmx_build **build,
      vmx_call_settings *settings, int64_t *timeout_ms, vmx_error *error)
{
    vmx_call_options options;
    vmx_status status = vmx_client_check_open(client, error);
    if (status == VMX_OK)
        status = vmx_call_options_check(client, theirs, &options, error);
    if (status != VMX_OK)
        return status;
    vmx_retry patient;
    vmx_retry_init(&patient, sizeof patient, VMX_RETRY_BULK);
    if (options.retry == NULL && timeout_ms != NULL)
        options.retry = &patient;
    if (timeout_ms != NULL) {
        *timeout_ms = options.timeout_ms;
        options.timeout_ms = 0;
    }
    size_t loop = atomic_fetch_add_explicit(&client->next_loop, 1, memory_order_relaxed);
    vmx_build_parts parts = {
        .host = &client->host,
        .caller = &client->caller,
        .memory = client->memory,
        .workers = client->workers,
        .config = client->config,
        .counters = &client->builds,
        .loop = vmx_caller_loop(&client->caller, loop),
    };
    *build = vmx_build_new(&parts, name, options.queue, options.user);
    if (*build == NULL)
        return vmx_error_no_memory(error);
    status = vmx_call_settings_make(&vmx_build_op(*build)->arena, client, &options, settings, error);
    if (status != VMX_OK)
        vmx_op_release(vmx_build_op(*build));
    return status;
}

vmx_status
vmx_client_build(vmx_client *client, vmx_source *source, const vmx_build_spec *spec, const vmx_call_options *options,
                 vmx_op **op, vmx_error *error)
{
    vmx_build *build;
    vmx_call_settings settings;
    int64_t timeout_ms;
    *op = NULL;
    vmx_status status = begin(client, "build", options, &build, &settings, &timeout_ms, error);
    if (status != VMX_OK)
        return status;
    status = vmx_build_prepare(build, source, spec, &settings, timeout_ms, error);
    if (status == VMX_OK)
        status = vmx_pools_open_streams(client, error);
    return vmx_build_launch(build, status, op, error);
}

vmx_status
vmx_index_trigger_build(vmx_index *index, const vmx_build_spec *spec, const vmx_call_options *options, vmx_op **op,
                        vmx_error *error)
{
    vmx_build *build;
    vmx_call_settings settings;
    int64_t timeout_ms;
    *op = NULL;
    vmx_status status = begin(index->client, "trigger", options, &build, &settings, &timeout_ms, error);
    if (status != VMX_OK)
        return status;
    vmx_str name_space = vmx_str_from(index->name_space);
    return vmx_build_launch(build, vmx_build_prepare_in_place(build, name_space, spec, &settings, timeout_ms, error),
                            op, error);
}

vmx_status
vmx_client_describe_build(vmx_client *client, vmx_str id, const vmx_call_options *options, vmx_op **op,
                          vmx_error *error)
{
    vmx_build *build;
    vmx_call_settings settings;
    *op = NULL;
    vmx_status status = begin(client, "describe build", options, &build, &settings, NULL, error);
    if (status != VMX_OK)
        return status;
    return vmx_build_launch(build, vmx_build_prepare_describe(build, id, &settings, error), op, error);
}

vmx_status
vmx_client_cancel_build(vmx_client *client, vmx_str id, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_build *build;
    vmx_call_settings settings;
    *op = NULL;
    vmx_status status = begin(client, "cancel build", options, &build, &settings, NULL, error);
    if (status != VMX_OK)
        return status;
    return vmx_build_launch(build, vmx_build_prepare_cancel(build, id, &settings, error), op, error);
}

vmx_status
vmx_client_list_builds(vmx_client *client, const vmx_build_list *list, const vmx_call_options *options, vmx_op **op,
                       vmx_error *error)
{
    vmx_build *build;
    vmx_call_settings settings;
    *op = NULL;
    vmx_status status = begin(client, "list builds", options, &build, &settings, NULL, error);
    if (status != VMX_OK)
        return status;
    return vmx_build_launch(build, vmx_build_prepare_list(build, list, &settings, error), op, error);
}
