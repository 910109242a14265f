#include "transport/grpc/internal.h"

/*
 * The core's own deadlines, a timer for each call, cost 3,200 instructions of 59,000 for a small query. Here they are looked
 * at together: one timer of the loop, armed for the earliest, looks through all streams; those of the same millisecond share
 * a look. Calls end long before their deadlines, as a rule: then it is one look in the time of a deadline.
 */
enum {
    GRACE_US = 50000, /* how long the core may take to say how a stopped stream ended */
    GRAIN_US = 1000
};

/* --- when a stream is due ------------------------------------------------------------------------------------------ */

/* The timer is armed for the earliest; who is due later leaves it alone, so that few calls move it. True: somebody who
 * sleeps in the queue must be interrupted. */
static bool
set_due_locked(vmx_grpc_stream *stream, uint64_t due_us)
{
    vmx_grpc_loop *loop = stream->loop;
    stream->due_us = due_us;
    bool earlier = due_us != VMX_NEVER && (!loop->due_timer.armed || due_us < loop->due_timer.due_us);
    return earlier && vmx_grpc_timer_set_locked(loop, &loop->due_timer, due_us);
}

/* Of a stream with two batches the core says the end in time by itself. */
static uint64_t
overdue_us(const vmx_grpc_stream *stream, uint64_t stopped_us)
{
    return stream->one_batch ? stopped_us + GRACE_US : VMX_NEVER;
}

static bool
stop_locked(vmx_grpc_stream *stream)
{
    if (stream->stopped)
        return false;
    stream->stopped = true;
    return set_due_locked(stream, overdue_us(stream, vmx_monotonic_us()));
}

void
vmx_grpc_note_stop(vmx_grpc_stream *stream)
{
    vmx_grpc_loop *loop = stream->loop;
    vmx_lock_acquire(&loop->lock);
    bool wake = stop_locked(stream);
    vmx_lock_release(&loop->lock);
    if (wake)
        vmx_grpc_interrupt(loop, &loop->wake_tag);
}

/* --- the list ------------------------------------------------------------------------------------------------------ */

/* Written under the lock only. */
static void
change_count(vmx_grpc_loop *loop, int by)
{
    size_t count = atomic_load_explicit(&loop->stream_count, memory_order_relaxed) + (size_t)by;
    atomic_store_explicit(&loop->stream_count, count, memory_order_relaxed);
}

bool
vmx_grpc_list_locked(vmx_grpc_stream *stream, uint64_t deadline_us)
{
    vmx_grpc_loop *loop = stream->loop;
    stream->link = &loop->streams;
    stream->next = loop->streams;
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    loop->streams = stream;
    change_count(loop, 1);
    return set_due_locked(stream, deadline_us);
}

void
vmx_grpc_unlist(vmx_grpc_stream *stream)
{
    vmx_grpc_loop *loop = stream->loop;
    vmx_lock_acquire(&loop->lock);
    if (stream->link != NULL) { /* which a neighbour in the list may just be changing */
        *stream->link = stream->next;
        if (stream->next != NULL)
            stream->next->link = stream->link;
        change_count(loop, -1);
    }
    vmx_lock_release(&loop->lock);
}

/* --- what is due --------------------------------------------------------------------------------------------------- */

/* Ends may wait in the queue already, on a loop that was not driven for a while: they go first. */
void
vmx_grpc_on_due_timer(vmx_timer *timer)
{
    vmx_grpc_loop *loop = VMX_GRPC_OWNER(vmx_grpc_loop, due_timer, timer);
    vmx_grpc_interrupt(loop, &loop->due_tag);
}

/* Notes what is to be done with a stream that is due, and when it is due again. */
static void
mark_due_locked(vmx_grpc_stream *stream, uint64_t now_us)
{
    stream->deadline_passed = !stream->stopped;
    stream->due_us = stream->stopped ? VMX_NEVER : overdue_us(stream, now_us);
    stream->stopped = true;
}

/* Takes the streams that are due, chained and held, and arms the timer for the others. On the loop's thread. */
static vmx_grpc_stream *
take_due(vmx_grpc_loop *loop)
{
    vmx_grpc_stream *due = NULL;
    uint64_t now_us = vmx_monotonic_us(), next_us = VMX_NEVER;
    vmx_lock_acquire(&loop->lock);
    for (vmx_grpc_stream *stream = loop->streams; stream != NULL; stream = stream->next) {
        if (stream->due_us <= now_us) {
            mark_due_locked(stream, now_us);
            if (vmx_grpc_stream_hold(stream)) {
                stream->next_due = due;
                due = stream;
            }
        }
        next_us = stream->due_us < next_us ? stream->due_us : next_us;
    }
    if (next_us != VMX_NEVER)
        vmx_grpc_timer_set_locked(loop, &loop->due_timer, next_us < now_us + GRAIN_US ? now_us + GRAIN_US : next_us);
    vmx_lock_release(&loop->lock);
    return due;
}

size_t
vmx_grpc_on_due_tag(vmx_grpc_tag *tag, bool ok)
{
    (void)ok;
    size_t told = 0;
    vmx_grpc_stream *stream = take_due(VMX_GRPC_OWNER(vmx_grpc_loop, due_tag, tag));
    while (stream != NULL) {
        vmx_grpc_stream *next = stream->next_due;
        if (stream->deadline_passed)
            vmx_grpc_stream_expire(stream);
        else
            told += vmx_grpc_stream_give_up(stream);
        stream = next;
    }
    return told;
}

/* --- closing a channel --------------------------------------------------------------------------------------------- */

/* The calls of some of the channel's streams, each with a reference. */
static size_t
take_calls(vmx_grpc_loop *loop, const vmx_grpc_channel *channel, grpc_call **calls, size_t max)
{
    size_t count = 0;
    bool wake = false;
    vmx_lock_acquire(&loop->lock);
    for (vmx_grpc_stream *stream = loop->streams; stream != NULL && count < max; stream = stream->next) {
        if (stream->channel != channel || stream->channel_closed)
            continue;
        stream->channel_closed = true;
        atomic_store(&stream->cancelled, true);
        wake |= stop_locked(stream);
        grpc_call_ref(stream->call);
        calls[count++] = stream->call;
    }
    vmx_lock_release(&loop->lock);
    if (wake)
        vmx_grpc_interrupt(loop, &loop->wake_tag);
    return count;
}

/* Cancelling may run release functions, which may need the lock: so it is done outside. */
void
vmx_grpc_cancel_streams(vmx_grpc_channel *channel)
{
    enum { AT_ONCE = 64 };
    grpc_call *calls[AT_ONCE];
    const vmx_transport *transport = channel->base.transport;
    for (size_t i = 0; i < transport->loop_count; i++) {
        size_t count;
        while ((count = take_calls((vmx_grpc_loop *)transport->loops[i], channel, calls, AT_ONCE)) > 0) {
            for (size_t j = 0; j < count; j++) {
                grpc_call_cancel(calls[j], NULL);
                grpc_call_unref(calls[j]);
            }
        }
    }
}
