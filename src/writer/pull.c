#include "writer/pull.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "op/queue.h"
#include "writer/writer.h"

#define OWNER(member, pointer) ((vmx_puller *)((char *)(pointer)-offsetof(vmx_puller, member)))

/* So many vectors are put before others have their turn on the worker. */
#define TURN_VECTORS 1000

void
vmx_pull_init(vmx_pull *pull, size_t size)
{
    vmx_sized_init(pull, size);
}

/* --- sleeping and waking ------------------------------------------------------------------------------------------- */

/* Those that sleep, chained; the others will look again by themselves. */
static vmx_puller *
take_sleepers_locked(vmx_writer *writer)
{
    vmx_puller *chain = NULL;
    for (vmx_puller *p = writer->locked.pullers; p != NULL; p = p->next) {
        if (!p->sleeps) {
            p->woken = true;
            continue;
        }
        p->sleeps = false;
        p->wake_next = chain;
        chain = p;
    }
    return chain;
}

void
vmx_pullers_wake(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    vmx_puller *chain = take_sleepers_locked(writer);
    pthread_mutex_unlock(&writer->lock);
    while (chain != NULL) {
        vmx_puller *p = chain;
        chain = p->wake_next;
        vmx_worker_submit(p->worker, &p->task);
    }
}

/* The next turn: now, or when it is woken. */
static void
sleep_until_woken(vmx_puller *p)
{
    pthread_mutex_lock(&p->writer->lock);
    bool again = p->woken;
    p->woken = false;
    p->sleeps = !again;
    pthread_mutex_unlock(&p->writer->lock);
    if (again)
        vmx_worker_submit(p->worker, &p->task);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
run_end(vmx_task *task)
{
    vmx_op_complete(&OWNER(end_task, task)->op);
}

static void
end(vmx_puller *p)
{
    vmx_writer *writer = p->writer;
    pthread_mutex_lock(&writer->lock);
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        writer->locked.pullers = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    pthread_mutex_unlock(&writer->lock);
    vmx_op_submit(&p->op, &p->end_task);
}

static void
cancel_pull(vmx_op *op)
{
    vmx_pullers_wake(OWNER(op, op)->writer);
}

static void
destroy_pull(vmx_op *op)
{
    vmx_puller *p = OWNER(op, op);
    vmx_writer *writer = p->writer;
    vmx_arena_reset(&op->arena);
    vmx_host *host = vmx_op_fini(op);
    vmx_dealloc(p);
    vmx_writer_release(writer);
    vmx_host_release(host);
}

static const vmx_op_vtable op_vtable = {.cancel = cancel_pull, .destroy = destroy_pull};

/* --- a turn -------------------------------------------------------------------------------------------------------- */

/* Asks the iterator; false at its end, or when it fails. */
static bool
ask(vmx_puller *p)
{
    vmx_error *error = &p->op.error;
    vmx_error why;
    vmx_error_clear(&why);
    p->vectors = (vmx_vectors){0};
    p->at = 0;
    vmx_callback_enter();
    vmx_pull_result result = p->pull.next(p->pull.user, &p->vectors, &why);
    vmx_callback_leave();
    if (result == VMX_PULL_ERROR) {
        *error = why;
        if (why.code == VMX_OK)
            vmx_error_set(error, VMX_ERR_IO, "pull: the iterator failed and did not say why");
    } else if (result == VMX_PULL_MORE && p->vectors.count == 0) {
        vmx_error_set(error, VMX_ERR_INVALID, "pull: the iterator gave no vectors; at its end it returns VMX_PULL_END");
    }
    return result == VMX_PULL_MORE && error->code == VMX_OK;
}

/* The vectors that come next, a turn's worth. */
static vmx_vectors
rest_of(const vmx_puller *p)
{
    size_t stride = p->vectors.stride != 0 ? p->vectors.stride : p->vectors.ptr->size;
    size_t count = p->vectors.count - p->at;
    const char *first = (const char *)p->vectors.ptr + p->at * stride;
    return (vmx_vectors){(const vmx_vector *)(const void *)first, count < TURN_VECTORS ? count : TURN_VECTORS, stride};
}

static void
run_turn(vmx_task *task)
{
    vmx_puller *p = OWNER(task, task);
    vmx_error *error = &p->op.error;
    size_t taken = 0;
    if (atomic_load(&p->op.cancel_requested)) {
        vmx_error_set(error, VMX_ERR_CANCELLED, "pull: cancelled after %llu vectors",
                      (unsigned long long)atomic_load(&p->taken));
        end(p);
        return;
    }
    if (p->at == p->vectors.count && !ask(p)) {
        end(p);
        return;
    }
    vmx_vectors rest = rest_of(p);
    vmx_status status = vmx_writer_put(p->writer, &rest, 0, &taken, error);
    p->at += taken;
    atomic_fetch_add(&p->taken, taken);
    if (status == VMX_OK) {
        vmx_worker_submit(p->worker, &p->task);
    } else if (status == VMX_ERR_WOULD_BLOCK) {
        vmx_error_clear(error);
        sleep_until_woken(p);
    } else {
        end(p);
    }
}

/* --- starting ------------------------------------------------------------------------------------------------------ */

static bool
is_closed(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool closed = writer->locked.closed;
    pthread_mutex_unlock(&writer->lock);
    return closed;
}

static vmx_status
check(vmx_writer *writer, const vmx_pull *pull, vmx_error *error)
{
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "pull: this process was forked; spawn, do not fork");
    if (pull->next == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "pull: no function to ask for vectors; set next");
    if (pull->queue != NULL && vmx_queue_host(pull->queue) != writer->parts.host)
        return vmx_error_set(error, VMX_ERR_INVALID, "pull: the queue belongs to another client");
    if (is_closed(writer))
        return vmx_error_set(error, VMX_ERR_CLOSED, "pull: the writer is closed");
    return VMX_OK;
}

/* It begins on the worker, not inside the function that starts it. */
static void
launch(vmx_puller *p)
{
    vmx_writer *writer = p->writer;
    pthread_mutex_lock(&writer->lock);
    p->sleeps = true;
    p->next = writer->locked.pullers;
    if (p->next != NULL)
        p->next->prev = p;
    writer->locked.pullers = p;
    writer->locked.wakes_pullers = true;
    bool closed = writer->locked.closed; /* meanwhile: nothing kicks it any more */
    pthread_mutex_unlock(&writer->lock);
    if (closed)
        vmx_pullers_wake(writer);
    else
        vmx_writer_kick(writer);
}

vmx_status
vmx_writer_pull(vmx_writer *writer, const vmx_pull *theirs, vmx_op **op, vmx_error *error)
{
    vmx_pull pull;
    *op = NULL;
    vmx_sized_read(&pull, sizeof pull, theirs);
    vmx_status status = check(writer, &pull, error);
    if (status != VMX_OK)
        return status;
    vmx_puller *p = vmx_calloc(1, sizeof *p);
    if (p == NULL)
        return vmx_error_no_memory(error);
    p->pull = pull;
    p->writer = vmx_writer_acquire(writer);
    p->task.run = run_turn;
    p->end_task.run = run_end;
    vmx_op_init(&p->op, &op_vtable, "pull", writer->parts.host, pull.queue, pull.event_user);
    status = vmx_workers_choose(writer->parts.workers, &p->worker, error);
    if (status == VMX_OK && !vmx_op_begin(&p->op))
        status = vmx_error_set(error, VMX_ERR_CLOSED, "pull: the client is closed; open a new one");
    if (status != VMX_OK) {
        vmx_op_release(&p->op);
        return status;
    }
    *op = &p->op;
    launch(p);
    return VMX_OK;
}

bool
vmx_op_pulled(const vmx_op *op, uint64_t *vectors)
{
    if (op->vtable != &op_vtable)
        return false;
    *vectors = atomic_load(&((const vmx_puller *)op)->taken);
    return true;
}
