#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>
#include <grpc/support/alloc.h>
#include <sched.h>
#include <string.h>

#include "core/alloc.h"
#include "transport/grpc/guest.h"
#include "transport/grpc/internal.h"

/*
 * A stream ends when the batch that receives its status returns. A batch returns when all of it is done: with one for
 * sending and receiving, a peer that has stopped reading would keep the status of a call whose deadline has passed. So
 * they are two, but for a unary call with a small request, which is one batch (a tenth of what a call costs in the core):
 * should the core keep its status, then the loop ends it for the caller (under_way.c), and the batch may follow later.
 *
 * The call is created with its deadline, which is what the server is told (grpc-timeout); it is the loop that keeps it.
 */
enum { ONE_BATCH_BYTES = VMX_SENT_TOLD_BYTES };

/* vmx_grpc_stream.gate: orders events and close, without a lock. */
enum { GATE_DELIVERING = 1, GATE_CLOSED = 2, GATE_ENDED = 4 };

/* The stream whose event this thread is delivering. */
static _Thread_local const vmx_grpc_stream *delivering;

/* --- lifetime ----------------------------------------------------------------------------------------------------- */

void
vmx_grpc_stream_free(vmx_grpc_stream *stream)
{
    grpc_metadata_array_destroy(&stream->initial);
    grpc_metadata_array_destroy(&stream->trailers);
    vmx_dealloc(stream);
}

void
vmx_grpc_stream_unref(vmx_grpc_stream *stream)
{
    if (atomic_fetch_sub_explicit(&stream->refs, 1, memory_order_acq_rel) == 1)
        vmx_grpc_channel_give_stream(stream->channel, stream);
}

/* Gives everything back but the struct, which the core's slices may still need. The call must go first of all: the core
 * keeps slices that it has not sent until then. */
static void
drop_call(vmx_grpc_stream *stream)
{
    vmx_grpc_unlist(stream);
    if (stream->call != NULL)
        grpc_call_unref(stream->call);
    grpc_slice_buffer_destroy(&stream->outgoing.data.raw.slice_buffer);
    if (stream->incoming != NULL)
        grpc_byte_buffer_destroy(stream->incoming);
    grpc_slice_unref(stream->details);
    gpr_free((void *)(uintptr_t)stream->debug_text);
    vmx_grpc_headers_unref(stream->headers);
    vmx_grpc_stream_unref(stream);
}

static void
drop_active(vmx_grpc_stream *stream)
{
    if (atomic_fetch_sub_explicit(&stream->active, 1, memory_order_acq_rel) == 1)
        drop_call(stream);
}

bool
vmx_grpc_stream_hold(vmx_grpc_stream *stream)
{
    uint32_t active = atomic_load_explicit(&stream->active, memory_order_relaxed);
    while (active > 0)
        if (atomic_compare_exchange_weak_explicit(&stream->active, &active, active + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* Tells the caller, unless it has closed the stream. Loop's thread. */
static size_t
deliver(vmx_grpc_stream *stream, const vmx_stream_event *event)
{
    uint32_t mark = event->kind == VMX_STREAM_END ? GATE_DELIVERING | GATE_ENDED : GATE_DELIVERING;
    if (atomic_load_explicit(&stream->gate, memory_order_relaxed) & GATE_ENDED)
        return 0;
    bool closed = atomic_fetch_or(&stream->gate, mark) & GATE_CLOSED;
    if (!closed) {
        delivering = stream;
        stream->on_event(stream->user, event);
        delivering = NULL;
    }
    atomic_fetch_and(&stream->gate, ~(uint32_t)GATE_DELIVERING); /* close may wait for it */
    return closed ? 0 : 1;
}

/* Takes what was received, if anything. */
static bool
take_message(vmx_grpc_stream *stream, vmx_message *message)
{
    grpc_byte_buffer *buffer = stream->incoming;
    stream->incoming = NULL;
    if (buffer == NULL)
        return false;
    stream->lost_bytes = buffer->data.raw.slice_buffer.length;
    stream->loss = vmx_grpc_message_init(message, buffer, stream->channel->receive_limit_bytes);
    return stream->loss == VMX_GRPC_LOST_NOTHING;
}

static size_t
deliver_end(vmx_grpc_stream *stream)
{
    vmx_message message;
    bool has_message = take_message(stream, &message);
    vmx_grpc_reply reply;
    vmx_grpc_reply_init(&reply, stream);
    if (stream->loss != VMX_GRPC_LOST_NOTHING)
        vmx_grpc_reply_lose_message(&reply, stream);
    else if (stream->unary && reply.reply.grpc_code == GRPC_STATUS_OK && !has_message)
        vmx_grpc_reply_miss_message(&reply, stream);
    vmx_stream_event event = {VMX_STREAM_END, has_message ? &message : NULL, &reply.reply};
    size_t told = deliver(stream, &event);
    if (has_message)
        vmx_message_clear(&message);
    vmx_grpc_reply_clear(&reply);
    return told;
}

void
vmx_grpc_stream_expire(vmx_grpc_stream *stream)
{
    grpc_call_cancel_with_status(stream->call, GRPC_STATUS_DEADLINE_EXCEEDED, "Deadline Exceeded", NULL);
    drop_active(stream);
}

size_t
vmx_grpc_stream_give_up(vmx_grpc_stream *stream)
{
    vmx_grpc_reply reply;
    vmx_grpc_reply_give_up(&reply, stream);
    size_t told = deliver(stream, &(vmx_stream_event){VMX_STREAM_END, NULL, &reply.reply});
    drop_active(stream);
    return told;
}

/* --- completions -------------------------------------------------------------------------------------------------- */

/* A unary call's request, or a stream's headers, of which the caller hears nothing. */
static size_t
on_headers_sent(vmx_grpc_tag *tag, bool ok)
{
    vmx_grpc_stream *stream = VMX_GRPC_OWNER(vmx_grpc_stream, headers_tag, tag);
    bool tells = ok && stream->tells_sent;
    size_t told = tells ? deliver(stream, &(vmx_stream_event){.kind = VMX_STREAM_SENT}) : 0;
    drop_active(stream);
    return told;
}

/* A send that failed is not told: the END that follows says why. */
static size_t
on_sent(vmx_grpc_tag *tag, bool ok)
{
    vmx_grpc_stream *stream = VMX_GRPC_OWNER(vmx_grpc_stream, send_tag, tag);
    size_t told = ok ? deliver(stream, &(vmx_stream_event){.kind = VMX_STREAM_SENT}) : 0;
    drop_active(stream);
    return told;
}

static size_t
on_message(vmx_grpc_tag *tag, bool ok)
{
    (void)ok;
    vmx_grpc_stream *stream = VMX_GRPC_OWNER(vmx_grpc_stream, message_tag, tag);
    size_t told = 0;
    vmx_message message;
    bool has_message = take_message(stream, &message);
    atomic_store(&stream->receiving, false);
    if (has_message) {
        told += deliver(stream, &(vmx_stream_event){VMX_STREAM_MESSAGE, &message, NULL});
        vmx_message_clear(&message);
    } else if (stream->loss != VMX_GRPC_LOST_NOTHING) {
        grpc_call_cancel(stream->call, NULL);
    }
    if (stream->status_known && !atomic_load(&stream->receiving))
        told += deliver_end(stream);
    drop_active(stream);
    return told;
}

/* The status of a stream may overtake its last message, which then comes first. */
static size_t
on_status(vmx_grpc_tag *tag, bool ok)
{
    (void)ok;
    vmx_grpc_stream *stream = VMX_GRPC_OWNER(vmx_grpc_stream, status_tag, tag);
    stream->status_known = true;
    size_t told = atomic_load(&stream->receiving) ? 0 : deliver_end(stream);
    drop_active(stream);
    return told;
}

/* --- batches ------------------------------------------------------------------------------------------------------ */

/* With signals blocked. Starts a batch, which keeps the stream active. A refused one leaves no trace and ends the call with what was wrong. */
static bool
start_batch(vmx_grpc_stream *stream, const grpc_op *ops, size_t count, vmx_grpc_tag *tag)
{
    atomic_fetch_add_explicit(&stream->active, 1, memory_order_relaxed);
    vmx_tsan_release(tag);
    grpc_call_error error = grpc_call_start_batch(stream->call, ops, count, tag, NULL);
    if (error == GRPC_CALL_OK)
        return true;
    const char *text = error == GRPC_CALL_ERROR_INVALID_METADATA
                           ? "a header's name or value has bytes that are not allowed"
                           : grpc_call_error_to_string(error);
    grpc_call_cancel_with_status(stream->call, GRPC_STATUS_INTERNAL, text, NULL);
    drop_active(stream);
    return false;
}

static grpc_op
op_headers(vmx_grpc_stream *stream)
{
    uint32_t flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
    if (stream->wait_for_ready)
        flags |= GRPC_INITIAL_METADATA_WAIT_FOR_READY;
    return (grpc_op){
        .op = GRPC_OP_SEND_INITIAL_METADATA,
        .flags = flags,
        .data.send_initial_metadata = {.count = stream->headers->count, .metadata = stream->headers->items}};
}

static grpc_op
op_message(vmx_grpc_stream *stream)
{
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {&stream->outgoing}};
}

static grpc_op
op_receive(vmx_grpc_stream *stream)
{
    return (grpc_op){.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&stream->incoming}};
}

static grpc_op
op_receive_headers(vmx_grpc_stream *stream)
{
    return (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata = {&stream->initial}};
}

static grpc_op
op_status(vmx_grpc_stream *stream)
{
    return (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                     .data.recv_status_on_client = {.trailing_metadata = &stream->trailers,
                                                    .status = &stream->status,
                                                    .status_details = &stream->details,
                                                    .error_string = &stream->debug_text}};
}

static const grpc_op op_half_close = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

static void
start_unary(vmx_grpc_stream *stream)
{
    grpc_op ops[] = {op_headers(stream),         op_message(stream), op_half_close,
                     op_receive_headers(stream), op_receive(stream), op_status(stream)};
    if (stream->one_batch && start_batch(stream, ops, 6, &stream->status_tag))
        return;
    if (!stream->one_batch)
        start_batch(stream, ops, 3, &stream->headers_tag);
    start_batch(stream, ops + 3, 3, &stream->status_tag);
}

static void
start_streaming(vmx_grpc_stream *stream)
{
    grpc_op send = op_headers(stream);
    grpc_op receive[] = {op_receive_headers(stream), op_status(stream)};
    start_batch(stream, &send, 1, &stream->headers_tag);
    start_batch(stream, receive, 2, &stream->status_tag);
}

void
vmx_grpc_stream_begin(vmx_grpc_stream *stream)
{
    if (!(atomic_load(&stream->gate) & GATE_CLOSED)) {
        if (stream->unary)
            start_unary(stream);
        else
            start_streaming(stream);
    }
    vmx_grpc_headers_unref(stream->headers);
    stream->headers = NULL;
    drop_active(stream);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

/* The struct may have served before; its metadata arrays keep their memory. */
static void
prepare(vmx_grpc_stream *stream, const vmx_stream_options *options)
{
    stream->base.transport = stream->channel->base.transport;
    stream->on_event = options->on_event;
    stream->user = options->user;
    atomic_init(&stream->active, 1);
    atomic_init(&stream->refs, 1);
    atomic_init(&stream->gate, 0);
    atomic_init(&stream->receiving, false);
    atomic_init(&stream->cancelled, false);
    stream->status_known = stream->loan_used = stream->channel_closed = stream->stopped = false;
    stream->loss = VMX_GRPC_LOST_NOTHING;
    stream->unary = !options->streaming;
    stream->wait_for_ready = options->wait_for_ready;
    stream->tells_sent = stream->unary && options->tells_sent;
    stream->one_batch = stream->unary && options->request->size_bytes <= ONE_BATCH_BYTES;
    stream->headers_tag.done = on_headers_sent;
    stream->send_tag.done = on_sent;
    stream->message_tag.done = on_message;
    stream->status_tag.done = on_status;
    stream->outgoing = (grpc_byte_buffer){.type = GRPC_BB_RAW};
    grpc_slice_buffer_init(&stream->outgoing.data.raw.slice_buffer);
    stream->initial.count = stream->trailers.count = 0;
    stream->incoming = NULL;
    stream->status = GRPC_STATUS_UNKNOWN;
    stream->details = grpc_empty_slice();
    stream->debug_text = NULL;
}

static grpc_call *
create_call(vmx_grpc_loop *loop, const vmx_grpc_stream *stream, const vmx_stream_options *options, void *handle)
{
    gpr_timespec deadline = vmx_grpc_time(options->deadline_us);
    grpc_channel *channel = stream->channel->channel;
    if (handle != NULL)
        return grpc_channel_create_registered_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, loop->queue, handle,
                                                   deadline, NULL);
    return grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, loop->queue,
                                    grpc_slice_from_static_string(options->method), NULL, deadline, NULL);
}

/* From here on others may find the stream: its end may come at any time, so the start keeps it active. */
static void
start_call(vmx_grpc_stream *stream, const vmx_stream_options *options, void *handle)
{
    atomic_fetch_add_explicit(&stream->active, 1, memory_order_relaxed);
    stream->call = create_call(stream->loop, stream, options, handle);
    if (vmx_grpc_enter(stream, options->deadline_us))
        return;
    vmx_guest guest;
    vmx_guest_enter(&guest, stream->loop);
    vmx_grpc_stream_begin(stream);
    vmx_guest_leave(&guest);
}

vmx_stream *
vmx_grpc_start(vmx_loop *loop, const vmx_stream_options *options)
{
    void *handle;
    vmx_grpc_stream *stream = vmx_grpc_channel_take_stream((vmx_grpc_channel *)options->channel, options, &handle);
    if (stream == NULL)
        return NULL;
    stream->loop = (vmx_grpc_loop *)loop;
    prepare(stream, options);
    bool ready = stream->headers != NULL && (options->streaming || vmx_grpc_lend(stream, options->request));
    if (ready)
        start_call(stream, options, handle);
    else
        drop_active(stream);
    return ready ? &stream->base : NULL;
}

/* --- the running stream ------------------------------------------------------------------------------------------- */

void
vmx_grpc_send(vmx_stream *base, const vmx_message *message, bool last)
{
    vmx_grpc_stream *stream = (vmx_grpc_stream *)base;
    grpc_op ops[2];
    size_t count = 0;
    if (message != NULL) {
        grpc_slice_buffer_reset_and_unref(&stream->outgoing.data.raw.slice_buffer);
        if (!vmx_grpc_lend(stream, message)) {
            grpc_call_cancel_with_status(stream->call, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory for the message",
                                         NULL);
            return;
        }
        ops[count++] = op_message(stream);
    }
    if (last)
        ops[count++] = op_half_close;
    vmx_guest guest;
    vmx_guest_enter(&guest, stream->loop);
    start_batch(stream, ops, count, &stream->send_tag);
    vmx_guest_leave(&guest);
}

void
vmx_grpc_recv(vmx_stream *base)
{
    vmx_grpc_stream *stream = (vmx_grpc_stream *)base;
    grpc_op op = op_receive(stream);
    atomic_store(&stream->receiving, true);
    vmx_guest guest;
    vmx_guest_enter(&guest, stream->loop);
    start_batch(stream, &op, 1, &stream->message_tag);
    vmx_guest_leave(&guest);
}

void
vmx_grpc_cancel(vmx_stream *base)
{
    vmx_grpc_stream *stream = (vmx_grpc_stream *)base;
    vmx_guest guest;
    vmx_guest_enter(&guest, stream->loop);
    atomic_store(&stream->cancelled, true);
    vmx_grpc_note_stop(stream);
    grpc_call_cancel(stream->call, NULL);
    vmx_guest_leave(&guest);
}

void
vmx_grpc_close(vmx_stream *base)
{
    vmx_grpc_stream *stream = (vmx_grpc_stream *)base;
    vmx_guest guest;
    vmx_guest_enter(&guest, stream->loop);
    uint32_t gate = atomic_fetch_or(&stream->gate, GATE_CLOSED);
    if (!(gate & GATE_ENDED))
        grpc_call_cancel(stream->call, NULL);
    /* An event runs in another thread right now: events never block, so it is over soon. */
    while (delivering != stream && (atomic_load(&stream->gate) & GATE_DELIVERING))
        sched_yield();
    drop_active(stream);
    vmx_guest_leave(&guest);
}
