#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/* --- reach -------------------------------------------------------------------------------------------------------- */

static bool
starts_with(vmx_str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static bool
equals(vmx_str text, const char *other)
{
    return text.len == strlen(other) && starts_with(text, other);
}

/*
 * The core puts a status together from what happened to the connection when the server sent none, and then it cannot be
 * told from the server's by anything but its text (1.51.1; pinned by tests/transport/test_reach.c).
 */
static bool
is_made_up(vmx_str text)
{
    static const char *const prefixes[] = {"Received RST_STREAM with error code ",
                                           "Received http2 header with status: ",
                                           "GOAWAY received",
                                           "Socket closed",
                                           "Stream removed",
                                           "keepalive watchdog timeout",
                                           "Transport closed",
                                           "Endpoint read failed",
                                           "Connection reset",
                                           "Broken pipe",
                                           "recvmsg:",
                                           "sendmsg:",
                                           "Delayed close due to in-progress write",
                                           "Channel Destroyed",
                                           "Received message larger than max",
                                           "Deadline Exceeded",
                                           "CANCELLED",
                                           "Cancelled",
                                           "Last stream closed"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (starts_with(text, prefixes[i]))
            return true;
    }
    return false;
}

/* HTTP/2 says that the server has not processed the stream (RFC 9113, 8.7): refused, or above GOAWAY's last id. */
static bool
is_refused(vmx_str text)
{
    return equals(text, "Received RST_STREAM with error code 7") || equals(text, "GOAWAY received");
}

/* `connected`: the call was given a connection, so its headers may have left. */
static vmx_reach
reach_of(const vmx_grpc_stream *stream, vmx_str text, bool connected)
{
    if (stream->status == GRPC_STATUS_OK)
        return VMX_REACH_SERVER;
    if (!connected)
        return VMX_REACH_NONE;
    bool from_peer = stream->debug_text != NULL && strstr(stream->debug_text, "Error received from peer") != NULL;
    bool silent = stream->initial.count == 0 && stream->trailers.count == 0;
    if (silent && stream->status == GRPC_STATUS_UNAVAILABLE && is_refused(text))
        return VMX_REACH_NONE;
    return from_peer && !is_made_up(text) ? VMX_REACH_SERVER : VMX_REACH_UNKNOWN;
}

/* --- peer --------------------------------------------------------------------------------------------------------- */

/* "ipv6:%5B::1%5D:80" to "[::1]:80"; "unix:/path" stays. */
static void
write_peer(char *out, size_t size, const char *uri)
{
    if (strncmp(uri, "ipv4:", 5) == 0 || strncmp(uri, "ipv6:", 5) == 0)
        uri += 5;
    size_t len = 0;
    for (; *uri != '\0' && len + 1 < size; uri++) {
        bool open = strncmp(uri, "%5B", 3) == 0;
        bool close = strncmp(uri, "%5D", 3) == 0;
        out[len++] = open ? '[' : close ? ']' : *uri;
        uri += open || close ? 2 : 0;
    }
    out[len] = '\0';
}

/* Without a connection the core names the channel's target instead. */
static bool
find_peer(char *out, size_t size, const vmx_grpc_stream *stream)
{
    char *peer = grpc_call_get_peer(stream->call);
    bool connected = strcmp(peer, stream->channel->target) != 0 && strcmp(peer, "unknown") != 0;
    write_peer(out, size, connected ? peer : "");
    gpr_free(peer);
    return connected;
}

/* --- metadata ----------------------------------------------------------------------------------------------------- */

static vmx_str
str_of(const grpc_slice *slice)
{
    return (vmx_str){(const char *)GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
}

static void
add_headers(vmx_header *out, const grpc_metadata_array *array)
{
    for (size_t i = 0; i < array->count; i++)
        out[i] = (vmx_header){str_of(&array->metadata[i].key), str_of(&array->metadata[i].value)};
}

/* --- the reply ---------------------------------------------------------------------------------------------------- */

static void
fail_no_memory(vmx_reply *reply)
{
    reply->grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED;
    reply->reach = VMX_REACH_UNKNOWN;
    reply->text = vmx_str_from("out of memory for the reply");
}

void
vmx_grpc_reply_init(vmx_grpc_reply *out, const vmx_grpc_stream *stream)
{
    vmx_reply *reply = &out->reply;
    *reply = (vmx_reply){.grpc_code = (int)stream->status, .text = str_of(&stream->details)};
    out->peer[0] = '\0';
    bool connected = stream->status == GRPC_STATUS_OK || find_peer(out->peer, sizeof out->peer, stream);
    reply->reach = reach_of(stream, reply->text, connected);
    reply->peer = vmx_str_from(out->peer);
    size_t count = stream->initial.count + stream->trailers.count;
    out->headers = count <= VMX_GRPC_INLINE_REPLY_HEADERS ? out->first : vmx_calloc(count, sizeof *out->headers);
    if (out->headers != NULL) {
        add_headers(out->headers, &stream->initial);
        add_headers(out->headers + stream->initial.count, &stream->trailers);
        reply->headers = out->headers;
        reply->header_count = count;
        reply->initial_count = stream->initial.count;
    }
    if (out->headers == NULL || stream->no_memory)
        fail_no_memory(reply);
}

void
vmx_grpc_reply_clear(vmx_grpc_reply *reply)
{
    if (reply->headers != reply->first)
        vmx_dealloc(reply->headers);
}
