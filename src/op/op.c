#include "op/op.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/sync.h"
#include "op/queue.h"

/* --- waiting for a client that has threads: a few shared places, so that an op needs no lock of its own ------------- */

#define PLACES 16

typedef struct place {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic size_t sleepers;
} place;

static place places[PLACES];
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

static void
places_init(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        pthread_mutex_init(&places[i].lock, NULL);
        vmx_cond_init(&places[i].changed);
        atomic_init(&places[i].sleepers, 0);
    }
}

static place *
place_of(const vmx_op *op)
{
    uintptr_t address = (uintptr_t)op;
    return &places[(address >> 6 ^ address >> 12) % PLACES];
}

static void
place_wait(vmx_op *op, uint64_t deadline_us)
{
    place *p = place_of(op);
    atomic_fetch_add(&p->sleepers, 1);
    pthread_mutex_lock(&p->lock);
    bool in_time = true;
    while (in_time && !atomic_load(&op->done))
        in_time = vmx_cond_wait(&p->changed, &p->lock, deadline_us);
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
}

static void
place_wake(place *p)
{
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void
run_cancel(vmx_task *task)
{
    vmx_op *op = (vmx_op *)((char *)task - offsetof(vmx_op, cancel_task));
    if (!atomic_load(&op->done))
        op->vtable->cancel(op);
}

void
vmx_op_init(vmx_op *op, const vmx_op_vtable *vtable, const char *name, vmx_host *host, vmx_queue *queue, void *user)
{
    pthread_once(&places_once, places_init);
    vmx_arena arena = op->arena;
    memset(op, 0, offsetof(vmx_op, error));
    op->arena = arena;
    op->vtable = vtable;
    op->name = name;
    op->host = vmx_host_acquire(host);
    op->queue = queue != NULL ? vmx_queue_acquire(queue) : NULL;
    op->user = user;
    atomic_init(&op->refs, 1);
    atomic_init(&op->done, false);
    atomic_init(&op->cancel_requested, false);
    vmx_strand_init(&op->strand);
    op->cancel_task.run = run_cancel;
    vmx_error_clear(&op->error);
}

vmx_host *
vmx_op_fini(vmx_op *op)
{
    if (op->queue != NULL)
        vmx_queue_release(op->queue);
    return op->host;
}

static bool
begin(vmx_op *op, bool nested)
{
    vmx_op_acquire(op);
    if (vmx_host_add(op->host, op, nested))
        return true;
    atomic_fetch_sub(&op->refs, 1);
    return false;
}

bool
vmx_op_begin(vmx_op *op)
{
    return begin(op, false);
}

bool
vmx_op_begin_nested(vmx_op *op)
{
    return begin(op, true);
}

vmx_op *
vmx_op_acquire(vmx_op *op)
{
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
    return op;
}

void
vmx_op_release(vmx_op *op)
{
    if (atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) == 1)
        op->vtable->destroy(op);
}

void
vmx_op_submit(vmx_op *op, vmx_task *task)
{
    vmx_op_acquire(op);
    vmx_strand_submit(&op->strand, task);
    vmx_op_release(op);
}

void
vmx_op_complete(vmx_op *op)
{
    place *p = place_of(op);
    vmx_host_remove(op->host, op);
    atomic_store(&op->done, true);
    if (op->queue != NULL)
        vmx_queue_push(op->queue, op);
    place_wake(p);
    vmx_host_changed(op->host);
    vmx_op_release(op);
}

/* --- the public face ----------------------------------------------------------------------------------------------- */

static bool
op_is_done(void *arg)
{
    return atomic_load(&((vmx_op *)arg)->done);
}

vmx_status
vmx_op_wait(vmx_op *op, int64_t timeout_ms)
{
    if (atomic_load(&op->done))
        return op->error.code;
    if (vmx_forked())
        return VMX_ERR_FORKED;
    if (vmx_callback_inside())
        return VMX_ERR_WOULD_DEADLOCK;
    uint64_t deadline_us = vmx_deadline_us(op->host->vtable->now(op->host), timeout_ms);
    if (!op->host->driven)
        place_wait(op, deadline_us);
    while (op->host->driven && !atomic_load(&op->done)) {
        vmx_host_drive(op->host, deadline_us, op_is_done, op);
        if (atomic_load(&op->done) || op->host->vtable->now(op->host) >= deadline_us)
            break;
    }
    return atomic_load(&op->done) ? op->error.code : VMX_ERR_TIMEOUT;
}

bool
vmx_op_done(const vmx_op *op)
{
    return atomic_load(&op->done);
}

vmx_status
vmx_op_status(const vmx_op *op)
{
    return atomic_load(&op->done) ? op->error.code : VMX_ERR_NOT_DONE;
}

const vmx_error *
vmx_op_error(const vmx_op *op)
{
    static const vmx_error none = {.code = VMX_OK, .grpc_code = -1, .retry_after_ms = -1};
    return atomic_load(&op->done) ? &op->error : &none;
}

void
vmx_op_cancel(vmx_op *op)
{
    if (atomic_load(&op->done) || vmx_forked())
        return;
    if (!atomic_exchange(&op->cancel_requested, true))
        vmx_op_submit(op, &op->cancel_task);
}

void
vmx_op_free(vmx_op *op)
{
    if (op == NULL || vmx_forked())
        return;
    if (op->queue != NULL && !atomic_load_explicit(&op->polled, memory_order_relaxed))
        vmx_queue_detach(op->queue, op);
    vmx_op_cancel(op);
    vmx_op_release(op);
}

void *
vmx_op_user(const vmx_op *op)
{
    return op->user;
}

const char *
vmx_op_name(const vmx_op *op)
{
    return op->name;
}

vmx_str
vmx_op_metadata(const vmx_op *op, vmx_str key)
{
    size_t count = atomic_load(&op->done) ? op->header_count : 0;
    for (size_t i = count; i-- > 0;) {
        const vmx_header *header = &op->headers[i];
        if (header->key.len == key.len && memcmp(header->key.ptr, key.ptr, key.len) == 0)
            return header->value;
    }
    return (vmx_str){NULL, 0};
}
