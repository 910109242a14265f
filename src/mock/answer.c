#include "mock/answer.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mock/base64.h"

/* --- headers ------------------------------------------------------------------------------------------------------- */

/* A header block under construction, in the stream's arena. */
typedef struct block {
    nghttp2_nv *items;
    size_t count;
    bool failed;
} block;

static block
block_of(vmx_mock_stream *stream, size_t room)
{
    block made = {.items = vmx_arena_calloc(&stream->arena, room + 4, sizeof(nghttp2_nv))};
    made.failed = made.items == NULL;
    return made;
}

static void
add(block *to, vmx_str key, vmx_str value)
{
    if (to->failed || value.ptr == NULL)
        to->failed = true;
    else
        to->items[to->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)key.ptr,
                                              .namelen = key.len,
                                              .value = (uint8_t *)(uintptr_t)value.ptr,
                                              .valuelen = value.len};
}

static void
add_text(block *to, const char *key, const char *value)
{
    add(to, (vmx_str){key, strlen(key)}, (vmx_str){value, strlen(value)});
}

static void
add_number(vmx_mock_stream *stream, block *to, const char *key, int number)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d", number);
    add(to, (vmx_str){key, strlen(key)}, vmx_arena_str(&stream->arena, (vmx_str){text, (size_t)len}));
}

static void
add_all(vmx_mock_stream *stream, block *to, const vmx_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool binary = vmx_mock_is_binary(headers[i].key);
        add(to, headers[i].key, binary ? vmx_mock_base64_encode(&stream->arena, headers[i].value) : headers[i].value);
    }
}

/* grpc-message is percent-encoded: everything outside printable ASCII, and the percent sign. */
static vmx_str
encode_details(vmx_arena *arena, vmx_str details)
{
    char *text = vmx_arena_alloc(arena, 3 * details.len + 1);
    size_t len = 0;
    for (size_t i = 0; text != NULL && i < details.len; i++) {
        unsigned char byte = (unsigned char)details.ptr[i];
        if (byte >= ' ' && byte <= '~' && byte != '%')
            text[len++] = (char)byte;
        else
            len += (size_t)snprintf(text + len, 4, "%%%02X", byte);
    }
    return (vmx_str){text, len};
}

static void
add_status(vmx_mock_stream *stream, block *to)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    add_number(stream, to, "grpc-status", answer->grpc_code);
    if (answer->details.len > 0)
        add(to, (vmx_str){"grpc-message", 12}, encode_details(&stream->arena, answer->details));
    add_all(stream, to, answer->trailers, answer->trailer_count);
}

/* --- the message --------------------------------------------------------------------------------------------------- */

static void
on_drip(vmx_mock_timer *timer)
{
    vmx_mock_stream *stream = (vmx_mock_stream *)((char *)timer - offsetof(vmx_mock_stream, timer));
    stream->allowed += stream->plan->answer.drip_bytes;
    stream->connection->dirty = true;
    nghttp2_session_resume_data(stream->connection->session, stream->id);
}

/* The bytes to send. */
static vmx_str
body_of(const vmx_mock_stream *stream)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    const vmx_buffer *request = &stream->entry->bytes;
    if (answer->grpc_code != 0)
        return (vmx_str){0};
    return answer->echo ? (vmx_str){(const char *)request->data, request->len} : stream->plan->body;
}

/* An early echo has what has come of the request so far. */
static bool
may_grow(const vmx_mock_stream *stream)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    return answer->echo && answer->grpc_code == 0 && !stream->complete && !stream->cut_short;
}

/* The message is out: the trailers, or nothing, end the stream. */
static void
finish(vmx_mock_stream *stream, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->cut_short && stream->plan->answer.fault == VMX_MOCK_NO_TRAILERS)
        return;
    block trailers = block_of(stream, stream->plan->answer.trailer_count);
    add_status(stream, &trailers);
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (!trailers.failed)
        nghttp2_submit_trailer(stream->connection->session, stream->id, trailers.items, trailers.count);
}

/* Nothing can go out now, until time has passed, the fault has happened, or more of the request has come. */
static ssize_t
defer(vmx_mock_stream *stream, bool drips, bool at_fault)
{
    if (drips)
        vmx_mock_timer_set(&stream->connection->mock->loop, &stream->timer, stream->plan->answer.drip_interval_ms);
    else if (at_fault && !stream->stopped)
        vmx_mock_connection_add_due(stream->connection, stream->plan, stream->id);
    stream->stopped = !drips && at_fault;
    return NGHTTP2_ERR_DEFERRED;
}

/* nghttp2 asks for the next bytes of the body. */
static ssize_t
read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags, nghttp2_data_source *source,
          void *user)
{
    (void)session, (void)id, (void)user;
    vmx_mock_stream *stream = source->ptr;
    vmx_str body = body_of(stream);
    bool whole = !may_grow(stream);
    size_t stop = stream->plan->answer.cut_bytes;
    size_t end = stream->cut_short ? stream->sent : stream->cutting && stop < body.len ? stop : body.len;
    bool drips = stream->plan->answer.drip_bytes > 0 && stream->allowed < end;
    size_t left = (drips ? stream->allowed : end) - stream->sent;
    size_t count = left < room ? left : room;
    if (count > 0)
        memcpy(to, body.ptr + stream->sent, count);
    stream->sent += count;
    stream->connection->mock->counters.body_bytes += count;
    if (stream->sent == end && whole && !stream->cutting)
        finish(stream, flags);
    else if (count == 0)
        return defer(stream, drips, stream->cutting && (whole || end == stop));
    return (ssize_t)count;
}

void
vmx_mock_answer_go_on(vmx_mock_stream *stream)
{
    if (!stream->plan->answer.echo || stream->timer.armed)
        return; /* nothing waits for it, or it waits for time */
    stream->connection->dirty = true;
    nghttp2_session_resume_data(stream->connection->session, stream->id);
}

void
vmx_mock_stream_resume(vmx_mock_stream *stream)
{
    vmx_mock_fault fault = stream->plan->answer.fault;
    stream->cutting = stream->stopped = false;
    stream->cut_short = fault == VMX_MOCK_TRUNCATE || fault == VMX_MOCK_NO_TRAILERS;
    stream->connection->dirty = true;
    nghttp2_session_resume_data(stream->connection->session, stream->id);
}

void
vmx_mock_stream_on_sent(vmx_mock_stream *stream)
{
    if (stream->plan != NULL && stream->plan->answer.fault != VMX_MOCK_NO_FAULT &&
        stream->plan->answer.when == VMX_MOCK_AFTER)
        vmx_mock_connection_add_due(stream->connection, stream->plan, stream->id);
}

/* --- submitting ---------------------------------------------------------------------------------------------------- */

static void
submit(vmx_mock_stream *stream, const block *headers, bool has_body)
{
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
    if (headers->failed)
        nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
    else
        nghttp2_submit_response(stream->connection->session, stream->id, headers->items, headers->count,
                                has_body ? &body : NULL);
}

void
vmx_mock_answer_submit(vmx_mock_stream *stream)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    block headers = block_of(stream, answer->header_count + answer->trailer_count);
    add_number(stream, &headers, ":status", answer->http_status != 0 ? answer->http_status : 200);
    if (answer->http_status != 0 && answer->http_status != 200) {
        add_text(&headers, "content-type", "text/plain");
        submit(stream, &headers, false);
        return;
    }
    stream->cutting = answer->fault != VMX_MOCK_NO_FAULT && answer->when == VMX_MOCK_INSIDE;
    stream->allowed = answer->drip_bytes;
    stream->timer.fire = on_drip;
    add_text(&headers, "content-type", "application/grpc");
    add_all(stream, &headers, answer->headers, answer->header_count);
    bool has_body = body_of(stream).len > 0 || stream->cutting || answer->header_count > 0 || may_grow(stream);
    if (!has_body)
        add_status(stream, &headers);
    submit(stream, &headers, has_body);
}
