#include "writer/writer.h"

#include "api/index.h"
#include "core/sized.h"

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

void
vmx_memory_info_init(vmx_memory_info *info, size_t size)
{
    vmx_sized_init(info, size);
}

void
vmx_client_memory(const vmx_client *client, vmx_memory_info *info)
{
    vmx_memory_figures figures, replies;
    vmx_memory_read(client->memory, &figures);
    vmx_memory_read(client->replies, &replies);
    vmx_memory_info ours = {
        .limit_bytes = figures.limit_bytes,
        .used_bytes = figures.used_bytes,
        .peak_bytes = figures.peak_bytes,
        .waiting = figures.waiting,
        .writer_bytes = figures.used_bytes > figures.held_bytes ? figures.used_bytes - figures.held_bytes : 0,
        .upsert_bytes = figures.held_bytes,
        .reply_limit_bytes = replies.limit_bytes,
        .reply_bytes = replies.used_bytes,
        .reply_peak_bytes = replies.peak_bytes,
    };
    vmx_sized_write(info, &ours, sizeof ours);
}
