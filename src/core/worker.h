/*
 * core/worker.h: threads for slow things (files, digests, the user's iterators), so that no network thread waits for a
 * disk. A thread is started when it is first asked for; until then there is none.
 *
 * A worker runs its tasks one at a time, in the order they were submitted. A task may block on a disk; to wait for
 * anything else it returns, and is submitted again when that has come: others share the worker.
 */
#ifndef VMX_CORE_WORKER_H
#define VMX_CORE_WORKER_H

#include <stddef.h>
#include <vecmux/types.h>

#include "core/strand.h"

typedef struct vmx_worker vmx_worker;
typedef struct vmx_workers vmx_workers;

/* So many workers; none has a thread yet. With 0 there is one worker without a thread: a task runs on the thread that
 * submits it, or on the one that is running another. NULL when memory is out. */
vmx_workers *
vmx_workers_new(size_t thread_count);

/* One of the workers, by turns; its thread runs from now on. It lives as long as `workers`. Errors: VMX_ERR_NO_MEMORY (the
 * system gives no thread), VMX_ERR_CLOSED (they were stopped). Any thread. */
vmx_status
vmx_workers_choose(vmx_workers *workers, vmx_worker **worker, vmx_error *error);

/* Any thread, also from inside a task; not after stop. The task's owner keeps it alive until it has been entered. */
void
vmx_worker_submit(vmx_worker *worker, vmx_task *task);

/* Every task that was submitted runs, and then the threads end. With `wait` they have ended when it returns, but for
 * the calling thread if it is one of them. Once. */
void
vmx_workers_stop(vmx_workers *workers, bool wait);

/* Stopped, or never used. NULL is allowed. */
void
vmx_workers_free(vmx_workers *workers);

#endif
