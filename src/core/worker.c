#include "core/worker.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"

struct vmx_worker {
    vmx_workers *workers;
    vmx_strand strand; /* in place of a thread */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        vmx_task *head, *tail;
        pthread_t thread;
        bool started;
        bool stopped; /* ends when nothing is left */
    } locked;
};

struct vmx_workers {
    _Atomic size_t refs; /* the owner, and each thread */
    bool threaded;
    size_t count;
    _Atomic size_t next;
    vmx_worker items[];
};

vmx_workers *
vmx_workers_new(size_t thread_count)
{
    size_t count = thread_count > 0 ? thread_count : 1;
    vmx_workers *workers = vmx_calloc(1, sizeof *workers + count * sizeof workers->items[0]);
    if (workers == NULL)
        return NULL;
    atomic_init(&workers->refs, 1);
    atomic_init(&workers->next, 0);
    workers->threaded = thread_count > 0;
    workers->count = count;
    for (size_t i = 0; i < count; i++) {
        vmx_worker *worker = &workers->items[i];
        worker->workers = workers;
        vmx_strand_init(&worker->strand);
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->changed, NULL);
    }
    return workers;
}

void
vmx_workers_free(vmx_workers *workers)
{
    if (workers == NULL || atomic_fetch_sub_explicit(&workers->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < workers->count; i++) {
        pthread_cond_destroy(&workers->items[i].changed);
        pthread_mutex_destroy(&workers->items[i].lock);
    }
    vmx_dealloc(workers);
}

/* The next task; NULL when the worker is stopped and has done everything. */
static vmx_task *
await_task(vmx_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->locked.head == NULL && !worker->locked.stopped)
        pthread_cond_wait(&worker->changed, &worker->lock);
    vmx_task *task = worker->locked.head;
    if (task != NULL)
        worker->locked.head = task->next;
    pthread_mutex_unlock(&worker->lock);
    return task;
}

static void *
worker_main(void *arg)
{
    vmx_worker *worker = arg;
    for (vmx_task *task; (task = await_task(worker)) != NULL;)
        task->run(task);
    vmx_workers_free(worker->workers);
    return NULL;
}

static bool
start_locked(vmx_worker *worker)
{
    if (worker->locked.started)
        return true;
    atomic_fetch_add_explicit(&worker->workers->refs, 1, memory_order_relaxed);
    worker->locked.started = vmx_thread_start(&worker->locked.thread, "vecmux-work", worker_main, worker);
    if (!worker->locked.started)
        atomic_fetch_sub_explicit(&worker->workers->refs, 1, memory_order_relaxed);
    return worker->locked.started;
}

vmx_status
vmx_workers_choose(vmx_workers *workers, vmx_worker **out, vmx_error *error)
{
    size_t turn = atomic_fetch_add_explicit(&workers->next, 1, memory_order_relaxed);
    vmx_worker *worker = &workers->items[turn % workers->count];
    pthread_mutex_lock(&worker->lock);
    bool stopped = worker->locked.stopped;
    bool runs = !stopped && (!workers->threaded || start_locked(worker));
    pthread_mutex_unlock(&worker->lock);
    *out = runs ? worker : NULL;
    if (stopped)
        return vmx_error_set(error, VMX_ERR_CLOSED, "worker: the client is closed; open a new one");
    return runs ? VMX_OK
                : vmx_error_set(error, VMX_ERR_NO_MEMORY,
                                "worker: the system gives no thread; raise its limit, or set worker.threads to 0");
}

void
vmx_worker_submit(vmx_worker *worker, vmx_task *task)
{
    if (!worker->workers->threaded) {
        vmx_strand_submit(&worker->strand, task);
        return;
    }
    task->next = NULL;
    pthread_mutex_lock(&worker->lock);
    if (worker->locked.head != NULL)
        worker->locked.tail->next = task;
    else
        worker->locked.head = task;
    worker->locked.tail = task;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static void
stop(vmx_worker *worker, bool wait)
{
    pthread_mutex_lock(&worker->lock);
    bool started = worker->locked.started;
    pthread_t thread = worker->locked.thread;
    worker->locked.stopped = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    if (started && wait && !pthread_equal(thread, pthread_self()))
        pthread_join(thread, NULL);
    else if (started)
        pthread_detach(thread);
}

void
vmx_workers_stop(vmx_workers *workers, bool wait)
{
    for (size_t i = 0; i < workers->count; i++)
        stop(&workers->items[i], wait);
}
