#include "core/alloc.h"
#include "core/sync.h"
#include "transport/fake/internal.h"

static fake_transport *
transport_of(const fake_stream *stream)
{
    return (fake_transport *)stream->base.transport;
}

static void
set_soon(fake_stream *stream, vmx_timer *timer)
{
    vmx_fake_timer_set(transport_of(stream), timer, transport_of(stream)->now_us);
}

/* --- events of a stream ------------------------------------------------------------------------------------------- */

static void
drop_messages(fake_stream *stream)
{
    while (stream->messages != NULL) {
        fake_message *message = stream->messages;
        stream->messages = message->next;
        vmx_fake_timer_cancel(transport_of(stream), &message->timer);
        vmx_message_clear(&message->message);
        vmx_dealloc(message);
    }
}

static void
free_stream(fake_stream *stream)
{
    vmx_message_clear(&stream->last);
    vmx_message_clear(&stream->request);
    vmx_arena_reset(&stream->arena);
    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    fake_transport *transport = transport_of(stream);
    bool last = --transport->counters.open == 0 && transport->left;
    vmx_fake_channel_unref(stream->channel);
    vmx_dealloc(stream);
    if (last)
        vmx_dealloc(transport);
}

static void
deliver(fake_stream *stream, const vmx_stream_event *event)
{
    stream->delivering = true;
    stream->on_event(stream->user, event);
    stream->delivering = false;
    if (stream->closed)
        free_stream(stream);
}

/* Nothing happens to the stream from now on. */
static void
settle(fake_stream *stream)
{
    fake_transport *transport = transport_of(stream);
    stream->ended = true;
    drop_messages(stream);
    vmx_fake_timer_cancel(transport, &stream->sent_timer);
    vmx_fake_timer_cancel(transport, &stream->read_timer);
    vmx_fake_timer_cancel(transport, &stream->end_timer);
    vmx_fake_timer_cancel(transport, &stream->stop_timer);
}

static void
end(fake_stream *stream, const vmx_reply *reply)
{
    settle(stream);
    vmx_message *message = stream->last.count > 0 ? &stream->last : NULL;
    deliver(stream, &(vmx_stream_event){VMX_STREAM_END, message, reply});
}

/* Gives the client the next message it asked for, or the end behind the last one. */
static void
look(fake_stream *stream)
{
    fake_message *first = stream->messages;
    if (first == NULL || !first->arrived) {
        if (stream->over)
            end(stream, &stream->reply);
        return;
    }
    if (!stream->asked)
        return;
    stream->asked = false;
    stream->messages = first->next;
    vmx_message message;
    vmx_message_move(&message, &first->message);
    vmx_dealloc(first);
    if (stream->over)
        set_soon(stream, &stream->read_timer);
    deliver(stream, &(vmx_stream_event){VMX_STREAM_MESSAGE, &message, NULL});
    vmx_message_clear(&message);
}

static void
on_read(vmx_timer *timer)
{
    look(VMX_FAKE_OWNER(fake_stream, read_timer, timer));
}

static void
on_arrived(vmx_timer *timer)
{
    fake_message *message = VMX_FAKE_OWNER(fake_message, timer, timer);
    message->arrived = true;
    look(message->stream);
}

static void
on_end(vmx_timer *timer)
{
    fake_stream *stream = VMX_FAKE_OWNER(fake_stream, end_timer, timer);
    stream->over = true;
    look(stream);
}

static void
on_sent(vmx_timer *timer)
{
    deliver(VMX_FAKE_OWNER(fake_stream, sent_timer, timer), &(vmx_stream_event){.kind = VMX_STREAM_SENT});
}

static void
tell_dropped(fake_stream *stream)
{
    const vmx_fake_server *server = &transport_of(stream)->server;
    if (server->dropped != NULL)
        server->dropped(server->user, &stream->base);
}

static void
on_stop(vmx_timer *timer)
{
    fake_stream *stream = VMX_FAKE_OWNER(fake_stream, stop_timer, timer);
    bool expired = stream->stop_code == VMX_GRPC_DEADLINE_EXCEEDED;
    if (expired)
        transport_of(stream)->counters.expired++;
    else
        transport_of(stream)->counters.cancelled++;
    tell_dropped(stream);
    vmx_message_clear(&stream->last);
    end(stream, &(vmx_reply){.grpc_code = stream->stop_code,
                             .reach = VMX_REACH_UNKNOWN,
                             .text = vmx_str_from(expired ? "Deadline Exceeded" : "CANCELLED")});
}

/* --- the client's side -------------------------------------------------------------------------------------------- */

static bool
copy_message(vmx_message *to, const vmx_message *from)
{
    *to = (vmx_message){0};
    if (from->count == 0)
        return true;
    to->slices = from->count <= VMX_FEW_SLICES ? to->few : vmx_calloc(from->count, sizeof *to->slices);
    if (to->slices == NULL)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        to->slices[i] = from->slices[i];
        vmx_block_acquire(from->slices[i].block);
    }
    to->count = from->count;
    to->size_bytes = from->size_bytes;
    return true;
}

static void
link_stream(fake_stream *stream, fake_channel *channel)
{
    stream->channel = channel;
    stream->next = channel->streams;
    stream->link = &channel->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    channel->streams = stream;
    channel->refs++;
}

vmx_stream *
vmx_fake_start(vmx_loop *loop, const vmx_stream_options *options)
{
    fake_transport *transport = (fake_transport *)loop->transport;
    fake_channel *channel = (fake_channel *)options->channel;
    fake_stream *stream = vmx_calloc(1, sizeof *stream);
    if (stream == NULL || (!options->streaming && !copy_message(&stream->request, options->request))) {
        vmx_dealloc(stream);
        return NULL;
    }
    stream->base.transport = &transport->base;
    stream->on_event = options->on_event;
    stream->user = options->user;
    stream->sent_timer.fire = on_sent;
    stream->read_timer.fire = on_read;
    stream->end_timer.fire = on_end;
    stream->stop_timer.fire = on_stop;
    stream->stop_code = VMX_GRPC_DEADLINE_EXCEEDED;
    link_stream(stream, channel);
    transport->counters.started++;
    transport->counters.open++;
    if (options->deadline_us != VMX_NEVER)
        vmx_fake_timer_set(transport, &stream->stop_timer, options->deadline_us);
    if (channel->state == VMX_CHANNEL_FAILING && !options->wait_for_ready)
        vmx_fake_end(&stream->base, 0,
                     &(vmx_reply){.grpc_code = VMX_GRPC_UNAVAILABLE, .text = vmx_str_from("failed to connect")}, NULL);
    else if (transport->server.started != NULL)
        transport->server.started(transport->server.user, &stream->base, options);
    if (options->tells_sent && !stream->ended && options->request->size_bytes > VMX_SENT_TOLD_BYTES)
        set_soon(stream, &stream->sent_timer);
    return &stream->base;
}

void
vmx_fake_send(vmx_stream *base, const vmx_message *message, bool last)
{
    fake_stream *stream = (fake_stream *)base;
    const vmx_fake_server *server = &transport_of(stream)->server;
    if (!stream->ended && (server->received == NULL || server->received(server->user, base, message, last)))
        set_soon(stream, &stream->sent_timer);
}

void
vmx_fake_recv(vmx_stream *base)
{
    fake_stream *stream = (fake_stream *)base;
    stream->asked = true;
    if (!stream->ended)
        set_soon(stream, &stream->read_timer);
}

void
vmx_fake_cancel(vmx_stream *base)
{
    fake_stream *stream = (fake_stream *)base;
    if (stream->ended)
        return;
    stream->stop_code = VMX_GRPC_CANCELLED;
    set_soon(stream, &stream->stop_timer);
}

void
vmx_fake_close(vmx_stream *base)
{
    fake_stream *stream = (fake_stream *)base;
    stream->closed = true;
    if (!stream->ended) {
        settle(stream);
        transport_of(stream)->counters.cancelled++;
        tell_dropped(stream);
    }
    if (!stream->delivering)
        free_stream(stream);
}

/* --- the server's side -------------------------------------------------------------------------------------------- */

const vmx_message *
vmx_fake_request(const vmx_stream *stream)
{
    return &((const fake_stream *)stream)->request;
}

bool
vmx_fake_message(vmx_stream *base, uint64_t delay_us, vmx_message *message)
{
    fake_stream *stream = (fake_stream *)base;
    fake_message *entry = stream->ended ? NULL : vmx_calloc(1, sizeof *entry);
    if (entry == NULL) {
        vmx_message_clear(message);
        return stream->ended;
    }
    entry->timer.fire = on_arrived;
    entry->stream = stream;
    vmx_message_move(&entry->message, message);
    fake_message **at = &stream->messages;
    while (*at != NULL)
        at = &(*at)->next;
    *at = entry;
    vmx_fake_timer_set(transport_of(stream), &entry->timer, transport_of(stream)->now_us + delay_us);
    return true;
}

static bool
keep_reply(fake_stream *stream, const vmx_reply *reply)
{
    vmx_arena *arena = &stream->arena;
    vmx_header *headers = vmx_arena_calloc(arena, reply->header_count + 1, sizeof *headers);
    bool kept = headers != NULL;
    for (size_t i = 0; kept && i < reply->header_count; i++) {
        headers[i].key = vmx_arena_str(arena, reply->headers[i].key);
        headers[i].value = vmx_arena_str(arena, reply->headers[i].value);
        kept = headers[i].key.ptr != NULL && headers[i].value.ptr != NULL;
    }
    stream->reply = *reply;
    stream->reply.headers = headers;
    stream->reply.text = vmx_arena_str(arena, reply->text);
    stream->reply.peer = vmx_arena_str(arena, reply->peer);
    return kept && stream->reply.text.ptr != NULL && stream->reply.peer.ptr != NULL;
}

bool
vmx_fake_end(vmx_stream *base, uint64_t delay_us, const vmx_reply *reply, vmx_message *message)
{
    fake_stream *stream = (fake_stream *)base;
    bool counts = !stream->ended && !stream->answered;
    if (counts && message != NULL)
        vmx_message_move(&stream->last, message);
    else if (message != NULL)
        vmx_message_clear(message);
    if (!counts)
        return true;
    stream->answered = true;
    vmx_fake_timer_set(transport_of(stream), &stream->end_timer, transport_of(stream)->now_us + delay_us);
    return keep_reply(stream, reply);
}

void
vmx_fake_take(vmx_stream *base)
{
    fake_stream *stream = (fake_stream *)base;
    if (!stream->ended)
        set_soon(stream, &stream->sent_timer);
}
