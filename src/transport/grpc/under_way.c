#include "transport/grpc/internal.h"

/* How long after the time the core may still say itself how the stream ended. */
enum { GRACE_US = 50000 };

/* --- the end that is expected ------------------------------------------------------------------------------------- */

/* The timer is armed for the earliest; who is due later leaves it alone, so that few calls move it. True: somebody who
 * sleeps in the queue must be interrupted. */
static bool
expect_end_locked(vmx_grpc_stream *stream, uint64_t time_us)
{
    vmx_grpc_loop *loop = stream->loop;
    if (!stream->one_batch || time_us >= VMX_NEVER - GRACE_US)
        return false;
    uint64_t overdue_us = time_us + GRACE_US;
    if (overdue_us < stream->overdue_us)
        stream->overdue_us = overdue_us;
    bool earlier = !loop->overdue_timer.armed || overdue_us < loop->overdue_timer.due_us;
    return earlier && vmx_grpc_timer_set_locked(loop, &loop->overdue_timer, overdue_us);
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
    return expect_end_locked(stream, deadline_us);
}

void
vmx_grpc_unlist(vmx_grpc_stream *stream)
{
    vmx_grpc_loop *loop = stream->loop;
    pthread_mutex_lock(&loop->lock);
    if (stream->link != NULL) { /* which a neighbour in the list may just be changing */
        *stream->link = stream->next;
        if (stream->next != NULL)
            stream->next->link = stream->link;
        change_count(loop, -1);
    }
    pthread_mutex_unlock(&loop->lock);
}

/* --- what is overdue ----------------------------------------------------------------------------------------------- */

void
vmx_grpc_expect_end(vmx_grpc_stream *stream, uint64_t time_us)
{
    vmx_grpc_loop *loop = stream->loop;
    pthread_mutex_lock(&loop->lock);
    bool wake = expect_end_locked(stream, time_us);
    pthread_mutex_unlock(&loop->lock);
    if (wake)
        vmx_grpc_interrupt(loop, &loop->wake_tag);
}

/* Ends may wait in the queue already, on a loop that was not driven for a while: they go first. */
void
vmx_grpc_on_overdue_timer(vmx_timer *timer)
{
    vmx_grpc_loop *loop = VMX_GRPC_OWNER(vmx_grpc_loop, overdue_timer, timer);
    vmx_grpc_interrupt(loop, &loop->overdue_tag);
}

/* Takes the overdue streams, chained and held, and arms the timer for the others. On the loop's thread. */
static vmx_grpc_stream *
take_overdue(vmx_grpc_loop *loop)
{
    vmx_grpc_stream *overdue = NULL;
    uint64_t now_us = vmx_monotonic_us(), next_us = VMX_NEVER;
    pthread_mutex_lock(&loop->lock);
    for (vmx_grpc_stream *stream = loop->streams; stream != NULL; stream = stream->next) {
        if (stream->overdue_us > now_us) {
            next_us = stream->overdue_us < next_us ? stream->overdue_us : next_us;
            continue;
        }
        stream->overdue_us = VMX_NEVER;
        if (vmx_grpc_stream_hold(stream)) {
            stream->next_overdue = overdue;
            overdue = stream;
        }
    }
    if (next_us != VMX_NEVER)
        vmx_grpc_timer_set_locked(loop, &loop->overdue_timer, next_us);
    pthread_mutex_unlock(&loop->lock);
    return overdue;
}

size_t
vmx_grpc_on_overdue_tag(vmx_grpc_tag *tag, bool ok)
{
    (void)ok;
    size_t told = 0;
    vmx_grpc_stream *stream = take_overdue(VMX_GRPC_OWNER(vmx_grpc_loop, overdue_tag, tag));
    while (stream != NULL) {
        vmx_grpc_stream *next = stream->next_overdue;
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
    pthread_mutex_lock(&loop->lock);
    for (vmx_grpc_stream *stream = loop->streams; stream != NULL && count < max; stream = stream->next) {
        if (stream->channel != channel || stream->channel_closed)
            continue;
        stream->channel_closed = true;
        atomic_store(&stream->cancelled, true);
        wake |= expect_end_locked(stream, vmx_monotonic_us());
        grpc_call_ref(stream->call);
        calls[count++] = stream->call;
    }
    pthread_mutex_unlock(&loop->lock);
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
