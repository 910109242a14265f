#include "op/host.h"

#include <stdio.h>
#include <string.h>

#include "core/sync.h"
#include "op/op.h"
#include "op/queue.h"

/* The host that this thread is driving, if any: what it changes itself in a round (op/queue.h) needs no wake-up. Outside of one
 * it may be asleep in the transport, where a release was called. */
static _Thread_local vmx_host *driving_here;

bool
vmx_host_init(vmx_host *host, const vmx_host_vtable *vtable, bool driven)
{
    host->vtable = vtable;
    host->driven = driven;
    atomic_init(&host->refs, 1);
    atomic_init(&host->sleepers, 0);
    atomic_init(&host->closing, false);
    memset(&host->locked, 0, sizeof host->locked);
    if (!vmx_cond_init(&host->changed))
        return false;
    vmx_lock_init(&host->lock);
    return true;
}

void
vmx_host_destroy(vmx_host *host)
{
    pthread_cond_destroy(&host->changed);
    vmx_lock_destroy(&host->lock);
}

vmx_host *
vmx_host_acquire(vmx_host *host)
{
    atomic_fetch_add_explicit(&host->refs, 1, memory_order_relaxed);
    return host;
}

void
vmx_host_release(vmx_host *host)
{
    if (atomic_fetch_sub_explicit(&host->refs, 1, memory_order_acq_rel) == 1)
        host->vtable->destroy(host);
}

bool
vmx_host_add(vmx_host *host, vmx_op *op, bool nested)
{
    vmx_lock_acquire(&host->lock);
    bool open =
        !atomic_load_explicit(&host->closing, memory_order_relaxed) || (nested && host->locked.running_count > 0);
    if (open) {
        op->run_prev = NULL;
        op->run_next = host->locked.running;
        if (op->run_next != NULL)
            op->run_next->run_prev = op;
        host->locked.running = op;
        host->locked.running_count++;
    }
    vmx_lock_release(&host->lock);
    return open;
}

/* Claims the one call of `drained`; a thread that is driving makes it when it comes out. */
static bool
take_drained_locked(vmx_host *host)
{
    bool drained = atomic_load_explicit(&host->closing, memory_order_relaxed) && host->locked.running_count == 0 &&
                   !host->locked.drained;
    if (drained)
        host->locked.drained = true;
    if (drained && driving_here == host)
        host->locked.owed = true;
    return drained && driving_here != host;
}

void
vmx_host_remove(vmx_host *host, vmx_op *op)
{
    vmx_lock_acquire(&host->lock);
    if (op->run_prev != NULL)
        op->run_prev->run_next = op->run_next;
    else
        host->locked.running = op->run_next;
    if (op->run_next != NULL)
        op->run_next->run_prev = op->run_prev;
    host->locked.running_count--;
    bool drained = take_drained_locked(host);
    vmx_lock_release(&host->lock);
    if (drained) {
        host->vtable->drained(host);
        vmx_host_changed(host);
    }
}

void
vmx_host_close(vmx_host *host)
{
    vmx_lock_acquire(&host->lock);
    atomic_store_explicit(&host->closing, true, memory_order_relaxed);
    bool drained = take_drained_locked(host);
    vmx_lock_release(&host->lock);
    if (drained)
        host->vtable->drained(host);
}

void
vmx_host_cancel_all(vmx_host *host)
{
    vmx_op *chain = NULL;
    vmx_lock_acquire(&host->lock);
    for (vmx_op *op = host->locked.running; op != NULL; op = op->run_next) {
        if (op->cancel_chained)
            continue;
        op->cancel_chained = true;
        op->cancel_next = chain;
        chain = vmx_op_acquire(op);
    }
    vmx_lock_release(&host->lock);
    while (chain != NULL) {
        vmx_op *op = chain;
        chain = op->cancel_next;
        vmx_op_cancel(op);
        vmx_op_release(op);
    }
}

static bool
is_idle(void *arg)
{
    vmx_host *host = arg;
    return host->locked.running_count == 0;
}

bool
vmx_host_wait_idle(vmx_host *host, uint64_t deadline_us)
{
    for (;;) {
        vmx_lock_acquire(&host->lock);
        bool idle = is_idle(host);
        vmx_lock_release(&host->lock);
        if (idle)
            return true;
        if (host->vtable->now(host) >= deadline_us)
            return false;
        vmx_host_drive(host, deadline_us, is_idle, host);
    }
}

size_t
vmx_host_running_count(vmx_host *host)
{
    vmx_lock_acquire(&host->lock);
    size_t count = host->locked.running_count;
    vmx_lock_release(&host->lock);
    return count;
}

/* Adds one kind to the text; returns its new length. */
static size_t
append_kind(char *text, size_t size, size_t len, const char *name, size_t count)
{
    int added = snprintf(text + len, size - len, "%s%zu %s", len > 0 ? ", " : "", count, name);
    return added > 0 && (size_t)added < size - len ? len + (size_t)added : len;
}

void
vmx_host_describe_running(vmx_host *host, char *text, size_t size)
{
    const char *names[32];
    size_t counts[32];
    size_t kinds = 0;
    vmx_lock_acquire(&host->lock);
    for (vmx_op *op = host->locked.running; op != NULL; op = op->run_next) {
        size_t i = 0;
        while (i < kinds && names[i] != op->name)
            i++;
        if (i == kinds && kinds < 32) {
            names[kinds] = op->name;
            counts[kinds++] = 0;
        }
        if (i < kinds)
            counts[i]++;
    }
    vmx_lock_release(&host->lock);
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < kinds; i++)
        len = append_kind(text, size, len, names[i], counts[i]);
}

/* Drives with the lock given up; other sleepers look again afterwards. */
static size_t
drive_locked(vmx_host *host, uint64_t deadline_us)
{
    host->locked.driving = true;
    vmx_lock_release(&host->lock);
    vmx_host *outer = driving_here;
    driving_here = host;
    size_t events = host->vtable->drive(host, deadline_us);
    driving_here = outer;
    vmx_lock_acquire(&host->lock);
    host->locked.driving = false;
    if (atomic_load(&host->sleepers) > 1)
        pthread_cond_broadcast(&host->changed);
    return events;
}

size_t
vmx_host_drive(vmx_host *host, uint64_t deadline_us, bool (*done)(void *arg), void *arg)
{
    size_t events = 0;
    atomic_fetch_add(&host->sleepers, 1);
    vmx_lock_acquire(&host->lock);
    if (done == NULL || !done(arg)) {
        if (host->driven && !host->locked.driving && !host->locked.drained)
            events = drive_locked(host, deadline_us);
        else
            vmx_lock_wait(&host->lock, &host->changed, deadline_us);
    }
    bool owed = host->locked.owed && !host->locked.driving;
    bool left = host->locked.left && !host->locked.driving;
    if (owed)
        host->locked.owed = false;
    if (left)
        host->locked.left = false;
    vmx_lock_release(&host->lock);
    atomic_fetch_sub(&host->sleepers, 1);
    if (owed)
        host->vtable->drained(host);
    if (left)
        host->vtable->left(host);
    return events;
}

bool
vmx_host_leave_to_driver(vmx_host *host)
{
    if (driving_here != host)
        return false;
    vmx_lock_acquire(&host->lock);
    host->locked.left = true;
    vmx_lock_release(&host->lock);
    return true;
}

void
vmx_host_stop_driving(vmx_host *host)
{
    atomic_fetch_add(&host->sleepers, 1);
    vmx_lock_acquire(&host->lock);
    while (host->locked.driving) {
        host->vtable->wake(host);
        vmx_lock_wait(&host->lock, &host->changed, VMX_NEVER);
    }
    vmx_lock_release(&host->lock);
    atomic_fetch_sub(&host->sleepers, 1);
}

void
vmx_host_changed(vmx_host *host)
{
    size_t own = driving_here == host ? 1 : 0;
    if (own > 0 && !vmx_queue_in_round())
        host->vtable->wake(host);
    if (atomic_load(&host->sleepers) <= own)
        return;
    vmx_lock_acquire(&host->lock);
    pthread_cond_broadcast(&host->changed);
    if (host->locked.driving && own == 0)
        host->vtable->wake(
            host); /* with the lock: once nobody drives, another thread may end what drive and wake need */
    vmx_lock_release(&host->lock);
}
