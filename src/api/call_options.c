#include "api/call_options.h"

#include <string.h>

#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "op/queue.h"
#include "rpc/retry.h"

void
vmx_call_options_init(vmx_call_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

/* --- headers (grpc/grpc: doc/PROTOCOL-HTTP2.md, Custom-Metadata) --------------------------------------------------- */

static bool
key_is_legal(vmx_str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool legal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.';
        if (!legal)
            return false;
    }
    return key.len > 0;
}

static bool
key_is_binary(vmx_str key)
{
    return key.len > 4 && memcmp(key.ptr + key.len - 4, "-bin", 4) == 0;
}

static bool
value_is_legal(vmx_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x20 || value.ptr[i] > 0x7e)
            return false;
    return true;
}

static vmx_status
check_header(const vmx_header *header, vmx_error *error)
{
    if (!key_is_legal(header->key))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "header \"%.*s\": a key is made of lower-case letters, digits, '-', '_' and '.'",
                             vmx_error_clip(header->key), header->key.ptr != NULL ? header->key.ptr : "");
    if (header->key.len >= 5 && memcmp(header->key.ptr, "grpc-", 5) == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "header \"%.*s\": names that begin with grpc- are gRPC's own",
                             vmx_error_clip(header->key), header->key.ptr);
    if (!key_is_binary(header->key) && !value_is_legal(header->value))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "header \"%.*s\": the value is not printable ASCII; a key that ends in -bin takes bytes",
                             vmx_error_clip(header->key), header->key.ptr);
    return VMX_OK;
}

/* --- checking ------------------------------------------------------------------------------------------------------ */

vmx_status
vmx_call_options_check(vmx_client *client, const vmx_call_options *theirs, vmx_call_options *options, vmx_error *error)
{
    if (theirs == NULL) {
        vmx_call_options_init(options, sizeof *options);
        return VMX_OK;
    }
    vmx_sized_read(options, sizeof *options, theirs);
    if (options->timeout_ms < 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "call: timeout_ms %lld is negative; 0 is the client's default",
                             (long long)options->timeout_ms);
    if (options->queue != NULL && vmx_queue_host(options->queue) != &client->host)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "call: the queue belongs to another client; make one of this client");
    for (size_t i = 0; i < options->header_count; i++) {
        vmx_status status = check_header(&options->headers[i], error);
        if (status != VMX_OK)
            return status;
    }
    return VMX_OK;
}

/* --- resolving ----------------------------------------------------------------------------------------------------- */

static bool
copy_header(vmx_arena *arena, const vmx_header *from, vmx_header *to)
{
    to->key = vmx_arena_str(arena, from->key);
    to->value = vmx_arena_str(arena, from->value);
    return to->key.ptr != NULL && to->value.ptr != NULL;
}

/* The engine's headers, borrowed from the client, then the call's own, copied. */
static vmx_status
make_headers(vmx_arena *arena, const vmx_engine *engine, const vmx_call_options *options, vmx_call_settings *settings,
             vmx_error *error)
{
    settings->headers = engine->headers;
    settings->header_count = engine->header_count;
    if (options->header_count == 0)
        return VMX_OK;
    size_t count = engine->header_count + options->header_count;
    vmx_header *headers = vmx_arena_calloc(arena, count, sizeof *headers);
    if (headers == NULL)
        return vmx_error_no_memory(error);
    memcpy(headers, engine->headers, engine->header_count * sizeof *headers);
    for (size_t i = 0; i < options->header_count; i++)
        if (!copy_header(arena, &options->headers[i], &headers[engine->header_count + i]))
            return vmx_error_no_memory(error);
    settings->headers = headers;
    settings->header_count = count;
    return VMX_OK;
}

vmx_status
vmx_call_settings_make(vmx_arena *arena, vmx_client *client, const vmx_call_options *options,
                       vmx_call_settings *settings, vmx_error *error)
{
    memset(settings, 0, sizeof *settings);
    settings->retry = client->retry;
    if (options->retry != NULL) {
        vmx_sized_read(&settings->retry, sizeof settings->retry, options->retry);
        vmx_status status = vmx_retry_check(&settings->retry, error);
        if (status != VMX_OK)
            return status;
    }
    settings->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : client->call_timeout_ms;
    settings->deadline_us = vmx_deadline_us(vmx_client_now(client), settings->timeout_ms);
    settings->wait_for_ready = options->wait_for_ready != 0 ? options->wait_for_ready > 0 : client->wait_for_ready;
    return make_headers(arena, &client->engine, options, settings, error);
}
