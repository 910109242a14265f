#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/* --- reach -------------------------------------------------------------------------------------------------------- */

/*
 * What the core says of a call that the server did not answer is text only (1.51.1; pinned by
 * tests/transport/test_reach.c). Of a call that was handed to a connection its debug text says "Error received from
 * peer", whoever made the status up.
 */

static bool
starts_with_one_of(vmx_str text, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++) {
        size_t len = strlen(*prefixes);
        if (text.len >= len && memcmp(text.ptr, *prefixes, len) == 0)
            return true;
    }
    return false;
}

static bool
equals_one_of(vmx_str text, const char *const *others)
{
    for (; *others != NULL; others++) {
        if (text.len == strlen(*others) && memcmp(text.ptr, *others, text.len) == 0)
            return true;
    }
    return false;
}

/* The ends of calls that were never handed to a connection. */
static const char *const unconnected[] = {"failed to connect to all addresses",
                                          "DNS resolution failed",
                                          "empty address list",
                                          "Deadline Exceeded",
                                          "CANCELLED",
                                          "a header's name or value",
                                          NULL};

/* HTTP/2 says that the server has not processed the stream (RFC 9113, 8.7): refused, or above GOAWAY's last id. */
static const char *const refused[] = {"Received RST_STREAM with error code 7", "GOAWAY received", NULL};

/* Statuses that the core made out of what happened to the stream or its connection. */
static const char *const made_up[] = {"Received RST_STREAM with error code ",
                                      "Received http2 header with status: ",
                                      "GOAWAY received",
                                      "Deadline Exceeded",
                                      "CANCELLED",
                                      "Received message larger than max",
                                      "Socket closed",
                                      "recvmsg:",
                                      "sendmsg:",
                                      "Connection ",
                                      "Broken pipe",
                                      "No route to host",
                                      "Network is ",
                                      "Endpoint ",
                                      "Transport closed",
                                      "Stream removed",
                                      "Stream IDs exhausted",
                                      "keepalive watchdog timeout",
                                      "Delayed close due to in-progress write",
                                      "Last stream closed",
                                      "Attempt to send ",
                                      "Failed parsing HTTP/2",
                                      "Expected SETTINGS frame",
                                      "Trying to connect an http1.x server",
                                      "Frame size is larger",
                                      "Buffers full",
                                      "No status received",
                                      "Channel Destroyed",
                                      NULL};

static vmx_reach
reach_of(const vmx_grpc_stream *stream, vmx_str text)
{
    if (stream->status == GRPC_STATUS_OK)
        return VMX_REACH_SERVER;
    if (stream->debug_text == NULL || strstr(stream->debug_text, "Error received from peer") == NULL)
        return starts_with_one_of(text, unconnected) ? VMX_REACH_NONE : VMX_REACH_UNKNOWN;
    bool silent = stream->initial.count == 0 && stream->trailers.count == 0;
    if (silent && stream->status == GRPC_STATUS_UNAVAILABLE && equals_one_of(text, refused))
        return VMX_REACH_NONE;
    return starts_with_one_of(text, made_up) ? VMX_REACH_UNKNOWN : VMX_REACH_SERVER;
}

/* --- peer --------------------------------------------------------------------------------------------------------- */

/* Writes "ipv6:%5B::1%5D:80" as "[::1]:80"; "unix:/path" stays. */
static void
write_peer(char *out, size_t size, const char *uri)
{
    if (strncmp(uri, "unix:", 5) != 0)
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

/* While the core knows no address it names the channel's target, which is no URI of an address unless it was given so. */
static void
find_peer(char *out, size_t size, const vmx_grpc_stream *stream)
{
    char *peer = grpc_call_get_peer(stream->call);
    bool address = strncmp(peer, "ipv4:", 5) == 0 || strncmp(peer, "ipv6:", 5) == 0 || strncmp(peer, "unix:", 5) == 0;
    out[0] = '\0';
    if (address)
        write_peer(out, size, peer);
    gpr_free(peer);
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

/* A number that is no code of gRPC's counts as UNKNOWN (grpc/grpc: doc/statuscodes.md); the core hands on what the server says. */
static int
code_of(const vmx_grpc_stream *stream)
{
    bool known = stream->status >= GRPC_STATUS_OK && stream->status <= GRPC_STATUS_UNAUTHENTICATED;
    return known ? (int)stream->status : GRPC_STATUS_UNKNOWN;
}

/* --- the reply ---------------------------------------------------------------------------------------------------- */

static void
fail_no_memory(vmx_reply *reply)
{
    reply->grpc_code = -1;
    reply->reach = VMX_REACH_UNKNOWN;
    reply->text = vmx_str_from("out of memory for the reply");
}

void
vmx_grpc_reply_init(vmx_grpc_reply *out, const vmx_grpc_stream *stream)
{
    vmx_reply *reply = &out->reply;
    *reply = (vmx_reply){.grpc_code = code_of(stream), .text = str_of(&stream->details)};
    out->peer[0] = '\0';
    if (stream->status != GRPC_STATUS_OK)
        find_peer(out->peer, sizeof out->peer, stream);
    reply->reach = reach_of(stream, reply->text);
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
    if (out->headers == NULL)
        fail_no_memory(reply);
}

/* Whether the core has put the call on a connection is not known: what it was given may be in line before the transport. */
void
vmx_grpc_reply_give_up(vmx_grpc_reply *out, const vmx_grpc_stream *stream)
{
    bool cancelled = atomic_load(&stream->cancelled);
    find_peer(out->peer, sizeof out->peer, stream);
    out->headers = out->first;
    out->reply = (vmx_reply){.grpc_code = cancelled ? GRPC_STATUS_CANCELLED : GRPC_STATUS_DEADLINE_EXCEEDED,
                             .reach = VMX_REACH_UNKNOWN,
                             .text = vmx_str_from(cancelled ? "CANCELLED" : "Deadline Exceeded"),
                             .peer = vmx_str_from(out->peer),
                             .headers = out->headers};
}

/* What the server said was OK, but not what came of it. */
static void
fail_after_ok(vmx_grpc_reply *out, const vmx_grpc_stream *stream, int code, vmx_str text)
{
    find_peer(out->peer, sizeof out->peer, stream);
    out->reply.grpc_code = code;
    out->reply.reach = VMX_REACH_UNKNOWN;
    out->reply.text = text;
    out->reply.peer = vmx_str_from(out->peer);
}

void
vmx_grpc_reply_lose_message(vmx_grpc_reply *out, const vmx_grpc_stream *stream)
{
    if (stream->loss == VMX_GRPC_LOST_NO_MEMORY) {
        fail_no_memory(&out->reply);
        return;
    }
    bool too_large = stream->loss == VMX_GRPC_LOST_TOO_LARGE;
    size_t limit_bytes = stream->channel->receive_limit_bytes;
    if (too_large) /* in the words of the core's own filter */
        snprintf(out->text, sizeof out->text, "Received message larger than max (%zu%s vs. %zu)", stream->lost_bytes,
                 stream->lost_bytes > limit_bytes ? "" : " compressed", limit_bytes);
    else
        snprintf(out->text, sizeof out->text, "the compressed message of %zu bytes is damaged", stream->lost_bytes);
    fail_after_ok(out, stream, too_large ? GRPC_STATUS_RESOURCE_EXHAUSTED : GRPC_STATUS_INTERNAL,
                  vmx_str_from(out->text));
}

void
vmx_grpc_reply_miss_message(vmx_grpc_reply *out, const vmx_grpc_stream *stream)
{
    fail_after_ok(out, stream, GRPC_STATUS_INTERNAL,
                  VMX_STR("the call ended with OK, but its answer is missing or cut short"));
}

void
vmx_grpc_reply_clear(vmx_grpc_reply *reply)
{
    if (reply->headers != reply->first)
        vmx_dealloc(reply->headers);
}
