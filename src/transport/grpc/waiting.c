#include "transport/grpc/guest.h"
#include "transport/grpc/internal.h"

/*
 * A batch that is started sends at once, and a host's thread must block its signals meanwhile. While many calls are under
 * way the loop is looked after all the time: then calls of the host's wait for it, and it starts many in one go.
 */

/* So many do not wait any longer: whoever brings the last starts them all. On a thread that does everything that is soon, while
 * what it has written is in the nearest cache, and the server does not wait; another thread's calls had better be left to the
 * loop, which the core's locks are free for. */
static size_t
most_of(const vmx_grpc_loop *loop)
{
    return loop->base.transport->driven ? 8 : 64;
}

vmx_grpc_stream *
vmx_grpc_take_waiting_locked(vmx_grpc_loop *loop)
{
    vmx_grpc_stream *first = loop->waiting;
    loop->waiting = NULL;
    loop->last_waiting = &loop->waiting;
    loop->waiting_count = 0;
    return first;
}

void
vmx_grpc_begin_waiting(vmx_grpc_stream *first)
{
    vmx_grpc_stream *stream = first;
    while (stream != NULL) {
        vmx_grpc_stream *next = stream->next_waiting; /* read first: the stream may end meanwhile */
        vmx_grpc_stream_begin(stream);
        stream = next;
    }
}

/* Puts the stream in line; true if the loop sleeps and must be woken. */
static bool
get_in_line_locked(vmx_grpc_stream *stream)
{
    vmx_grpc_loop *loop = stream->loop;
    stream->next_waiting = NULL;
    *loop->last_waiting = stream;
    loop->last_waiting = &stream->next_waiting;
    loop->waiting_count++;
    bool asleep = atomic_load_explicit(&loop->sleep_until_us, memory_order_relaxed) > 0;
    atomic_store_explicit(&loop->sleep_until_us, 0, memory_order_relaxed);
    return asleep;
}

/* A thread that does everything and leaves its signals alone spares nothing by it. */
static bool
may_wait(const vmx_grpc_stream *stream)
{
    const vmx_grpc_loop *loop = stream->loop;
    bool spares = !loop->base.transport->driven || !loop->leaves_signals;
    return stream->unary && spares && !vmx_grpc_loop_is_here(loop);
}

bool
vmx_grpc_enter(vmx_grpc_stream *stream, uint64_t deadline_us)
{
    vmx_grpc_loop *loop = stream->loop;
    vmx_grpc_stream *waiting = NULL;
    vmx_lock_acquire(&loop->lock);
    bool wake = vmx_grpc_list_locked(stream, deadline_us);
    bool waits = may_wait(stream) && loop->stream_count >= VMX_GRPC_BUSY_STREAMS;
    if (waits)
        wake |= get_in_line_locked(stream);
    if (loop->waiting_count >= most_of(loop))
        waiting = vmx_grpc_take_waiting_locked(loop);
    vmx_lock_release(&loop->lock);
    if (wake)
        vmx_grpc_interrupt(loop, &loop->wake_tag);
    if (waiting != NULL) {
        vmx_guest guest;
        vmx_guest_enter(&guest, loop);
        vmx_grpc_begin_waiting(waiting);
        vmx_guest_leave(&guest);
    }
    return waits;
}
