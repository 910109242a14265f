#include "writer/writer.h"

#include "api/index.h"

vmx_status
vmx_writer_open(vmx_index *index, const vmx_writer_options *options, vmx_writer **writer, vmx_error *error)
{
    vmx_client *client = index->client;
    *writer = NULL;
    vmx_status status = vmx_client_check_open(client, error);
    if (status != VMX_OK)
        return status;
    vmx_writer_parts parts = {
        .host = &client->host,
        .caller = &client->caller,
        .engine = &client->engine,
        .memory = client->memory,
        .workers = client->workers,
        .ledger = &client->ledger,
        .collection = vmx_str_from(index->collection),
        .name_space = vmx_str_from(index->name_space),
        .call_timeout_ms = client->call_timeout_ms,
        .seed = atomic_fetch_add_explicit(&client->caller.next_seed, 1, memory_order_relaxed),
    };
    return vmx_writer_new(&parts, options, writer, error);
}
