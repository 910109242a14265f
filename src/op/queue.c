#include "op/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "op/op.h"

struct vmx_queue {
    _Atomic size_t refs; /* the user's handle, and one for each op that completes here */
    vmx_host *host;
    vmx_queue *prev, *next; /* in the host's list; host lock */
    int fd;
    vmx_lock lock;
    pthread_cond_t changed;
    struct {
        vmx_op *head, *tail;
        bool freed;     /* the user has given it back: nothing is queued any more */
        bool watched;   /* somebody has asked for the descriptor */
        bool signaled;  /* the descriptor is readable */
        bool woken;     /* vmx_queue_wake, not yet seen */
        bool was_empty; /* ... and has been filled, and `wakeup` was not called yet */
        size_t pollers;
        size_t count; /* events that wait */
        void (*wakeup)(void *user);
        void *wakeup_user;
        size_t wakeups_running;
    } locked;
};

/* The queue whose wake-up function runs on this thread. */
static _Thread_local vmx_queue *waking_here;

/* This thread's round, and the queue that it has filled; holds a reference. */
static _Thread_local bool in_round;
static _Thread_local vmx_queue *filled_here;

/* --- the host's list ----------------------------------------------------------------------------------------------- */

static void
list(vmx_queue *queue)
{
    vmx_host *host = queue->host;
    vmx_lock_acquire(&host->lock);
    queue->next = host->locked.queues;
    if (queue->next != NULL)
        queue->next->prev = queue;
    host->locked.queues = queue;
    vmx_lock_release(&host->lock);
}

static void
unlist(vmx_queue *queue)
{
    vmx_host *host = queue->host;
    vmx_lock_acquire(&host->lock);
    if (queue->prev != NULL)
        queue->prev->next = queue->next;
    else
        host->locked.queues = queue->next;
    if (queue->next != NULL)
        queue->next->prev = queue->prev;
    vmx_lock_release(&host->lock);
}

void
vmx_queue_read(vmx_host *host, vmx_queue_figures *figures)
{
    *figures = (vmx_queue_figures){0};
    vmx_lock_acquire(&host->lock);
    for (vmx_queue *queue = host->locked.queues; queue != NULL; queue = queue->next) {
        vmx_lock_acquire(&queue->lock);
        figures->queues++;
        figures->events += queue->locked.count;
        vmx_lock_release(&queue->lock);
    }
    vmx_lock_release(&host->lock);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static vmx_status
queue_init(vmx_queue *queue, vmx_host *host, vmx_error *error)
{
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0)
        return vmx_error_set(error, VMX_ERR_IO, "queue: no event descriptor: %s; raise the limit of open files",
                             strerror(errno));
    if (!vmx_cond_init(&queue->changed)) {
        close(queue->fd);
        return vmx_error_no_memory(error);
    }
    vmx_lock_init(&queue->lock);
    atomic_init(&queue->refs, 1);
    queue->host = vmx_host_acquire(host);
    list(queue);
    return VMX_OK;
}

vmx_status
vmx_queue_create(vmx_host *host, vmx_queue **out, vmx_error *error)
{
    *out = NULL;
    vmx_queue *queue = vmx_calloc(1, sizeof *queue);
    if (queue == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = queue_init(queue, host, error);
    if (status != VMX_OK)
        vmx_dealloc(queue);
    else
        *out = queue;
    return status;
}

vmx_queue *
vmx_queue_acquire(vmx_queue *queue)
{
    atomic_fetch_add_explicit(&queue->refs, 1, memory_order_relaxed);
    return queue;
}

void
vmx_queue_release(vmx_queue *queue)
{
    if (atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) != 1)
        return;
    unlist(queue);
    close(queue->fd);
    pthread_cond_destroy(&queue->changed);
    vmx_lock_destroy(&queue->lock);
    vmx_host_release(queue->host);
    vmx_dealloc(queue);
}

vmx_host *
vmx_queue_host(const vmx_queue *queue)
{
    return queue->host;
}

/* --- with the lock held -------------------------------------------------------------------------------------------- */

static void
link_locked(vmx_queue *queue, vmx_op *op)
{
    op->queued = true;
    queue->locked.count++;
    op->queue_next = NULL;
    op->queue_prev = queue->locked.tail;
    if (queue->locked.tail != NULL)
        queue->locked.tail->queue_next = op;
    else
        queue->locked.head = op;
    queue->locked.tail = op;
}

static void
unlink_locked(vmx_queue *queue, vmx_op *op)
{
    op->queued = false;
    queue->locked.count--;
    if (op->queue_prev != NULL)
        op->queue_prev->queue_next = op->queue_next;
    else
        queue->locked.head = op->queue_next;
    if (op->queue_next != NULL)
        op->queue_next->queue_prev = op->queue_prev;
    else
        queue->locked.tail = op->queue_prev;
}

/* Makes the descriptor readable exactly while events (or a wake) wait. */
static void
signal_locked(vmx_queue *queue)
{
    bool wanted = queue->locked.watched && (queue->locked.head != NULL || queue->locked.woken);
    if (wanted == queue->locked.signaled)
        return;
    uint64_t value = 1;
    ssize_t done = wanted ? write(queue->fd, &value, sizeof value) : read(queue->fd, &value, sizeof value);
    if (done == (ssize_t)sizeof value)
        queue->locked.signaled = wanted;
}

static size_t
take_locked(vmx_queue *queue, vmx_event *events, size_t max)
{
    size_t count = 0;
    while (count < max && queue->locked.head != NULL) {
        vmx_op *op = queue->locked.head;
        unlink_locked(queue, op);
        atomic_store_explicit(&op->polled, true, memory_order_relaxed);
        events[count++] = (vmx_event){.op = op, .user = op->user, .status = op->error.code};
    }
    return count;
}

/* --- filling ------------------------------------------------------------------------------------------------------- */

static void
call_wakeup(vmx_queue *queue, void (*wakeup)(void *user), void *user)
{
    vmx_queue *outer = waking_here;
    waking_here = queue;
    vmx_callback_enter();
    wakeup(user);
    vmx_callback_leave();
    waking_here = outer;
    vmx_lock_acquire(&queue->lock);
    queue->locked.wakeups_running--;
    pthread_cond_broadcast(&queue->changed);
    vmx_lock_release(&queue->lock);
}

/* Tells whoever waits that the queue was filled. */
static void
announce(vmx_queue *queue)
{
    void (*wakeup)(void *user) = NULL;
    void *user = NULL;
    vmx_lock_acquire(&queue->lock);
    signal_locked(queue);
    if (queue->locked.pollers == 1)
        pthread_cond_signal(&queue->changed);
    else if (queue->locked.pollers > 1)
        pthread_cond_broadcast(&queue->changed);
    if (queue->locked.was_empty && queue->locked.wakeup != NULL) {
        wakeup = queue->locked.wakeup;
        user = queue->locked.wakeup_user;
        queue->locked.wakeups_running++;
    }
    queue->locked.was_empty = false;
    vmx_lock_release(&queue->lock);
    if (wakeup != NULL)
        call_wakeup(queue, wakeup, user);
    vmx_queue_release(queue);
}

static void
announce_filled(void)
{
    vmx_queue *filled = filled_here;
    filled_here = NULL;
    if (filled != NULL)
        announce(filled);
}

void
vmx_queue_begin_round(void)
{
    in_round = true;
}

void
vmx_queue_end_round(void)
{
    in_round = false;
    announce_filled();
}

bool
vmx_queue_in_round(void)
{
    return in_round;
}

void
vmx_queue_push(vmx_queue *queue, vmx_op *op)
{
    vmx_lock_acquire(&queue->lock);
    bool dropped = op->detached || queue->locked.freed;
    bool filled = !dropped && filled_here != queue;
    if (filled)
        vmx_queue_acquire(queue);
    if (!dropped) {
        queue->locked.was_empty |= queue->locked.head == NULL;
        link_locked(queue, op);
    }
    vmx_lock_release(&queue->lock); /* from here on another thread may free the op */
    if (dropped && op->queue_owns)
        vmx_op_release(op);
    if (!filled)
        return;
    announce_filled(); /* another one */
    filled_here = queue;
    if (!in_round)
        announce_filled();
}

void
vmx_queue_detach(vmx_queue *queue, vmx_op *op)
{
    vmx_lock_acquire(&queue->lock);
    op->detached = true;
    if (op->queued) {
        unlink_locked(queue, op);
        signal_locked(queue);
    }
    vmx_lock_release(&queue->lock);
}

void
vmx_queue_wake(vmx_queue *queue)
{
    if (vmx_forked())
        return;
    vmx_lock_acquire(&queue->lock);
    queue->locked.woken = true;
    signal_locked(queue);
    pthread_cond_broadcast(&queue->changed);
    vmx_lock_release(&queue->lock);
    vmx_host_changed(queue->host);
}

/* --- emptying ------------------------------------------------------------------------------------------------------ */

/* What a poll can return now: events, or a wake. */
static bool
poll_ready(void *arg)
{
    vmx_queue *queue = arg;
    vmx_lock_acquire(&queue->lock);
    bool ready = queue->locked.head != NULL || queue->locked.woken;
    vmx_lock_release(&queue->lock);
    return ready;
}

static void
wait_for_push(vmx_queue *queue, uint64_t deadline_us)
{
    vmx_lock_acquire(&queue->lock);
    queue->locked.pollers++;
    bool in_time = true;
    while (in_time && queue->locked.head == NULL && !queue->locked.woken)
        in_time = vmx_lock_wait(&queue->lock, &queue->changed, deadline_us);
    queue->locked.pollers--;
    vmx_lock_release(&queue->lock);
}

static void
drive_until_ready(vmx_queue *queue, uint64_t deadline_us)
{
    while (!poll_ready(queue)) {
        vmx_host_drive(queue->host, deadline_us, poll_ready, queue);
        if (queue->host->vtable->now(queue->host) >= deadline_us)
            return;
    }
}

/* What there is now; none: whether the poll is over all the same, because of a wake. */
static size_t
take_or_wake(vmx_queue *queue, vmx_event *events, size_t max, bool *woken)
{
    vmx_lock_acquire(&queue->lock);
    size_t count = take_locked(queue, events, max);
    *woken = count == 0 && queue->locked.woken;
    if (*woken)
        queue->locked.woken = false;
    signal_locked(queue);
    vmx_lock_release(&queue->lock);
    return count;
}

size_t
vmx_queue_poll(vmx_queue *queue, vmx_event *events, size_t max, int64_t timeout_ms)
{
    if (max == 0 || vmx_forked() || vmx_callback_inside())
        return 0;
    uint64_t deadline_us = vmx_deadline_us(queue->host->vtable->now(queue->host), timeout_ms);
    for (;;) {
        bool woken;
        if (queue->host->driven)
            drive_until_ready(queue, deadline_us);
        else if (timeout_ms > 0)
            wait_for_push(queue, deadline_us);
        size_t count = take_or_wake(queue, events, max, &woken);
        if (count > 0 || woken || timeout_ms <= 0 || queue->host->vtable->now(queue->host) >= deadline_us)
            return count; /* with none of that another poller was quicker */
    }
}

/* --- the rest of the public face ----------------------------------------------------------------------------------- */

int
vmx_queue_fd(const vmx_queue *queue)
{
    vmx_queue *mutable = (vmx_queue *)queue;
    if (vmx_forked()) /* the descriptor is the parent's too */
        return queue->fd;
    vmx_lock_acquire(&mutable->lock);
    mutable->locked.watched = true;
    signal_locked(mutable);
    vmx_lock_release(&mutable->lock);
    return queue->fd;
}

void
vmx_queue_set_wakeup(vmx_queue *queue, void (*wakeup)(void *user), void *user)
{
    if (vmx_forked())
        return;
    size_t own = waking_here == queue ? 1 : 0;
    vmx_lock_acquire(&queue->lock);
    queue->locked.wakeup = wakeup;
    queue->locked.wakeup_user = user;
    while (queue->locked.wakeups_running > own)
        vmx_lock_wait(&queue->lock, &queue->changed, VMX_NEVER);
    vmx_lock_release(&queue->lock);
}

void
vmx_queue_free(vmx_queue *queue)
{
    if (queue == NULL || vmx_forked())
        return;
    if (!vmx_callback_inside()) /* where nobody waits */
        vmx_queue_set_wakeup(queue, NULL, NULL);
    vmx_lock_acquire(&queue->lock);
    queue->locked.freed = true;
    queue->locked.wakeup = NULL;
    vmx_op *owned = NULL;
    while (queue->locked.head != NULL) {
        vmx_op *op = queue->locked.head;
        unlink_locked(queue, op);
        if (op->queue_owns) {
            op->queue_next = owned;
            owned = op;
        }
    }
    vmx_lock_release(&queue->lock);
    while (owned != NULL) {
        vmx_op *op = owned;
        owned = op->queue_next;
        vmx_op_release(op);
    }
    vmx_queue_release(queue);
}
