/*
 * The client's memory as its user sees it: figures, and room for buffers of the user's own.
 */
#include <vecmux/writer.h>

#include "api/client.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "op/host_memory.h"

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
        .writer_bytes = figures.writer_bytes,
        .upsert_bytes = figures.kind_bytes[VMX_MEMORY_UPSERT],
        .reply_limit_bytes = replies.limit_bytes,
        .reply_bytes = replies.used_bytes,
        .reply_peak_bytes = replies.peak_bytes,
        .build_bytes = figures.kind_bytes[VMX_MEMORY_BUILD],
        .file_bytes = figures.kind_bytes[VMX_MEMORY_FILE],
        .kept_bytes = figures.kept_bytes,
    };
    vmx_sized_write(info, &ours, sizeof ours);
}

/* --- the user's own buffers ---------------------------------------------------------------------------------------- */

vmx_status
vmx_client_memory_reserve(vmx_client *client, uint64_t bytes, int64_t timeout_ms, vmx_error *error)
{
    vmx_status status = vmx_client_check_open(client, error);
    if (status != VMX_OK)
        return status;
    if (bytes > vmx_memory_most(client->memory))
        return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                             "memory: %llu bytes for files, but memory.limit.bytes is %zu, and %zu of it are still to "
                             "be had for files; raise it",
                             (unsigned long long)bytes, vmx_memory_limit(client->memory),
                             vmx_memory_most(client->memory));
    bool granted = vmx_memory_try(client->memory, (size_t)bytes);
    if (!granted && timeout_ms == 0)
        return vmx_error_set(error, VMX_ERR_WOULD_BLOCK, "memory: no room now: memory.limit.bytes is in use");
    if (!granted && vmx_callback_inside())
        return vmx_error_set(error, VMX_ERR_WOULD_DEADLOCK, "memory: would wait inside a callback of this library");
    uint64_t deadline_us = vmx_deadline_us(vmx_client_now(client), timeout_ms);
    if (!granted && !vmx_host_reserve(&client->host, client->memory, (size_t)bytes, deadline_us))
        return vmx_error_set(error, VMX_ERR_TIMEOUT,
                             "memory: no room within the time given: memory.limit.bytes is in use");
    vmx_memory_assign(client->memory, VMX_MEMORY_FILE, (size_t)bytes);
    return VMX_OK;
}

void
vmx_client_memory_release(vmx_client *client, uint64_t bytes)
{
    vmx_memory_unassign(client->memory, VMX_MEMORY_FILE, (size_t)bytes);
    vmx_memory_release(client->memory, (size_t)bytes);
}
