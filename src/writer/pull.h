/*
 * writer/pull.h: vectors that the writer asks for itself, on a worker.
 *
 * A pull is a task of a worker that comes again and again: it asks the user's iterator for vectors, puts what there is
 * room for without waiting, and returns. When there is no room it is not submitted again until the writer's service says
 * that there may be.
 */
#ifndef VMX_WRITER_PULL_H
#define VMX_WRITER_PULL_H

#include <stdatomic.h>
#include <vecmux/writer.h>

#include "core/worker.h"
#include "op/op.h"

typedef struct vmx_puller {
    vmx_op op; /* first */
    vmx_pull pull;
    vmx_writer *writer; /* holds a reference */
    vmx_worker *worker;
    vmx_task task, end_task;
    vmx_vectors vectors; /* what the iterator gave last ... */
    size_t at;           /* ... and how many of them were taken */
    _Atomic uint64_t taken;
    /* with the writer's lock */
    struct vmx_puller *prev, *next;
    struct vmx_puller *wake_next;
    bool sleeps; /* not submitted: waits to be woken */
    bool woken;  /* while it was running */
} vmx_puller;

/* Every pull of the writer looks again whether there is room, or whether it is to end. Without the lock. */
void
vmx_pullers_wake(vmx_writer *writer);

#endif
