#include <grpc/support/time.h>

#include "core/alloc.h"
#include "op/queue.h"
#include "transport/grpc/guest.h"
#include "transport/grpc/internal.h"

/* So that a burst of due timers or a task that posts itself cannot keep the queue from being looked at. */
enum { BURST = 64 };

/* The loop whose events this thread is handling. */
static _Thread_local const vmx_grpc_loop *current;

bool
vmx_grpc_loop_is_here(const vmx_grpc_loop *loop)
{
    return current == loop;
}

gpr_timespec
vmx_grpc_time(uint64_t time_us)
{
    if (time_us == VMX_NEVER || time_us / 1000000 > INT32_MAX)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return (gpr_timespec){.tv_sec = (int64_t)(time_us / 1000000),
                          .tv_nsec = (int32_t)(time_us % 1000000 * 1000),
                          .clock_type = GPR_CLOCK_MONOTONIC};
}

/* --- waking ------------------------------------------------------------------------------------------------------- */

/* The public core API has no alarm; an empty batch of a call that is never started posts its tag at once. */
void
vmx_grpc_interrupt(vmx_grpc_loop *loop, vmx_grpc_tag *tag)
{
    vmx_tsan_release(tag);
    grpc_call_start_batch(loop->wake_call, NULL, 0, tag, NULL);
}

static void
interrupt(vmx_grpc_loop *loop)
{
    vmx_grpc_interrupt(loop, &loop->wake_tag);
}

static size_t
on_interrupt(vmx_grpc_tag *tag, bool ok)
{
    (void)tag, (void)ok;
    return 0;
}

void
vmx_grpc_wake(vmx_loop *base)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)base;
    if (!atomic_exchange(&loop->woken, true))
        interrupt(loop);
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

/* The lock keeps the loop there: as soon as the task can be seen it may run, and be the last that the transport was kept for. */
void
vmx_grpc_post(vmx_loop *base, vmx_task *task)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)base;
    vmx_lock_acquire(&loop->lock);
    vmx_task *newest = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do
        task->next = newest;
    while (!atomic_compare_exchange_weak(&loop->posted, &newest, task));
    /* Who finds tasks there already leaves the waking to whoever posted the first; the loop's own thread looks anyway, unless
     * it is inside the queue, or about to be: there the core may call back (a release). */
    if (newest == NULL && (current != loop || atomic_load_explicit(&loop->sleep_until_us, memory_order_relaxed) > 0))
        interrupt(loop);
    vmx_lock_release(&loop->lock);
}

static size_t
run_posted(vmx_grpc_loop *loop)
{
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL)
        return 0;
    vmx_task *newest = atomic_exchange(&loop->posted, NULL);
    vmx_task *oldest = NULL;
    while (newest != NULL) {
        vmx_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    size_t count = 0;
    while (oldest != NULL) {
        vmx_task *task = oldest;
        oldest = task->next;
        task->run(task);
        count++;
    }
    return count;
}

/* The thread does not sleep in the queue, or will not for long: who starts a call need not wake it. */
static void
note_awake(vmx_grpc_loop *loop)
{
    atomic_store_explicit(&loop->sleep_until_us, 0, memory_order_relaxed);
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

bool
vmx_grpc_timer_set_locked(vmx_grpc_loop *loop, vmx_timer *timer, uint64_t due_us)
{
    if (timer->armed)
        vmx_timer_heap_remove(&loop->timers, timer);
    vmx_timer_heap_add(&loop->timers, timer, due_us);
    /* Also on the loop's own thread, inside the queue: there the core may call back (a release). */
    bool too_late = due_us < atomic_load_explicit(&loop->sleep_until_us, memory_order_relaxed);
    if (too_late)
        note_awake(loop);
    return too_late;
}

void
vmx_grpc_timer_set(vmx_loop *base, vmx_timer *timer, uint64_t due_us)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)base;
    vmx_lock_acquire(&loop->lock);
    bool too_late = vmx_grpc_timer_set_locked(loop, timer, due_us);
    vmx_lock_release(&loop->lock);
    if (too_late)
        interrupt(loop);
}

bool
vmx_grpc_timer_cancel(vmx_loop *base, vmx_timer *timer)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)base;
    vmx_lock_acquire(&loop->lock);
    bool armed = timer->armed;
    if (armed)
        vmx_timer_heap_remove(&loop->timers, timer);
    vmx_lock_release(&loop->lock);
    return armed;
}

/* What the start of a round finds. */
typedef struct round_start {
    uint64_t sleep_until_us;
    vmx_grpc_stream *waiting; /* to be begun */
} round_start;

/* While a thread of the host's is in the core its signals are blocked: so it waits in slices, between which the host's
 * handlers have their turn (see drive_as_guest). */
static uint64_t
wake_up_time(const vmx_grpc_loop *loop, uint64_t deadline_us, uint64_t now_us)
{
    enum { SLICE_US = 50000 };
    const vmx_timer *first = loop->timers.first;
    bool in_slices = loop->base.transport->driven && !loop->leaves_signals;
    uint64_t until_us = in_slices ? now_us + SLICE_US : VMX_NEVER;
    if (first != NULL && first->due_us < until_us)
        until_us = first->due_us;
    return deadline_us < until_us ? deadline_us : until_us;
}

/* Takes a timer that is due. With none: NULL, and notes in both places until when the thread may sleep; who waits in line
 * from now on wakes it. */
static vmx_timer *
take_due(vmx_grpc_loop *loop, uint64_t deadline_us, round_start *start)
{
    uint64_t now_us = vmx_monotonic_us();
    vmx_lock_acquire(&loop->lock);
    vmx_timer *first = loop->timers.first;
    bool due = first != NULL && first->due_us <= now_us;
    if (due) {
        vmx_timer_heap_remove(&loop->timers, first);
    } else {
        start->sleep_until_us = wake_up_time(loop, deadline_us, now_us);
        atomic_store_explicit(&loop->sleep_until_us, start->sleep_until_us, memory_order_relaxed);
        start->waiting = vmx_grpc_take_waiting_locked(loop);
    }
    vmx_lock_release(&loop->lock);
    return due ? first : NULL;
}

/* After a whole burst more is due, perhaps: then the round does not sleep, and the next one begins what waits. */
static size_t
fire_due(vmx_grpc_loop *loop, uint64_t deadline_us, round_start *start)
{
    for (size_t count = 0; count < BURST; count++) {
        vmx_timer *timer = take_due(loop, deadline_us, start);
        if (timer == NULL)
            return count;
        timer->fire(timer);
    }
    return BURST;
}

/* --- driving ------------------------------------------------------------------------------------------------------ */

/* Takes the next completion; false when there was none until then. */
static bool
take_completion(vmx_grpc_loop *loop, uint64_t until_us, grpc_event *event)
{
    *event = grpc_completion_queue_next(loop->queue, vmx_grpc_time(until_us), NULL);
    return event->type == GRPC_OP_COMPLETE;
}

static size_t
handle(const grpc_event *event)
{
    vmx_grpc_tag *tag = event->tag;
    vmx_tsan_acquire(tag);
    return tag->done(tag, event->success != 0);
}

/* More completions are likely there already: taking them now saves the way out and in again. With fewer streams it would
 * cost a look at the sockets in vain. */
static bool
is_busy(const vmx_grpc_loop *loop)
{
    return atomic_load_explicit(&loop->stream_count, memory_order_relaxed) >= VMX_GRPC_BUSY_STREAMS;
}

/* Completions that are there already. What they append to queues is announced a few at a time: a wake-up for each would
 * cost more than many a call, and one for all of them would keep the first waiting. */
static void
handle_more(vmx_grpc_loop *loop, size_t *handled)
{
    enum { FEW = 16 };
    grpc_event event;
    for (size_t i = 1; i < BURST && is_busy(loop) && take_completion(loop, 0, &event); i++) {
        *handled += handle(&event);
        if (i % FEW != 0)
            continue;
        vmx_queue_end_round();
        vmx_queue_begin_round();
    }
}

/* One round: tasks, timers, calls that wait for it, completions. True when there is no time for another. */
static bool
drive_once(vmx_grpc_loop *loop, uint64_t deadline_us, size_t *handled)
{
    round_start start = {.sleep_until_us = 0};
    *handled += run_posted(loop);
    *handled += fire_due(loop, deadline_us, &start);
    bool over = atomic_load_explicit(&loop->woken, memory_order_relaxed) && atomic_exchange(&loop->woken, false);
    if (*handled > 0 || over || atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL)
        start.sleep_until_us = 0;
    vmx_grpc_begin_waiting(start.waiting);
    grpc_event event;
    bool came = take_completion(loop, start.sleep_until_us, &event);
    note_awake(loop);
    vmx_queue_begin_round(); /* not before: the thread may have slept, after the core had called back (a release) */
    if (came) {
        *handled += handle(&event);
        handle_more(loop, handled);
    }
    vmx_queue_end_round();
    return over || (!came && deadline_us != VMX_NEVER && vmx_monotonic_us() >= deadline_us);
}

/*
 * On a thread of the host's: the core starts threads from the thread that polls, with its signal mask. So signals are
 * blocked meanwhile, but never for longer than a slice.
 */
static bool
drive_as_guest(vmx_grpc_loop *loop, uint64_t deadline_us, size_t *handled)
{
    vmx_guest guest;
    vmx_guest_enter(&guest, loop);
    bool over = drive_once(loop, deadline_us, handled);
    vmx_guest_leave(&guest);
    return over;
}

size_t
vmx_grpc_drive(vmx_loop *base, uint64_t deadline_us)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)base;
    const vmx_grpc_loop *outer = current;
    size_t handled = 0;
    bool over = false;
    current = loop;
    while (handled == 0 && !over)
        over = drive_as_guest(loop, deadline_us, &handled);
    current = outer;
    return handled;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

vmx_grpc_loop *
vmx_grpc_loop_new(vmx_grpc_transport *transport, grpc_channel *nowhere)
{
    vmx_grpc_loop *loop = vmx_calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->base.transport = (vmx_transport *)transport;
    loop->wake_tag.done = on_interrupt;
    loop->due_timer.fire = vmx_grpc_on_due_timer;
    loop->due_tag.done = vmx_grpc_on_due_tag;
    loop->last_waiting = &loop->waiting;
    vmx_lock_init(&loop->lock);
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    loop->wake_call = grpc_channel_create_call(nowhere, NULL, GRPC_PROPAGATE_DEFAULTS, loop->queue,
                                               grpc_slice_from_static_string("/wake"), NULL,
                                               gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    return loop;
}

void
vmx_grpc_loop_free(vmx_grpc_loop *loop)
{
    vmx_lock_acquire(&loop->lock); /* nobody is inside vmx_grpc_post any more */
    vmx_lock_release(&loop->lock);
    grpc_call_unref(loop->wake_call);
    grpc_completion_queue_shutdown(loop->queue);
    while (grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        ; /* only tags of the wake call are left */
    grpc_completion_queue_destroy(loop->queue);
    vmx_lock_destroy(&loop->lock);
    vmx_dealloc(loop);
}
