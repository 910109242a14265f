/*
 * core/strand.h: tasks that run one at a time, without a lock that anybody waits for.
 *
 * Each operation has a strand; whatever happens to it (a reply, a timer, a cancel from another thread) is a task there.
 * The thread that finds the strand idle runs the task at once; a thread that finds it busy leaves the task to the one
 * that is running, and goes on. So state that only the strand's tasks touch needs no lock, nothing blocks, and a task
 * submitted from inside a task runs after it.
 */
#ifndef VMX_CORE_STRAND_H
#define VMX_CORE_STRAND_H

#include <stdatomic.h>

typedef struct vmx_task vmx_task;

/*
 * Part of a larger struct; its owner keeps it alive until `run` has been entered. From then on it may be submitted
 * again, or freed: the strand does not touch it any more.
 */
struct vmx_task {
    vmx_task *next; /* the strand's, from submit until run */
    void (*run)(vmx_task *task);
};

/*
 * One word says all: NULL is an idle strand; else a thread is in it, and the word is the newest task that waits, linked
 * by `next` down to `running`, which stands for the thread and is never run.
 */
typedef struct vmx_strand {
    _Atomic(vmx_task *) newest;
    vmx_task running;
} vmx_strand;

void
vmx_strand_init(vmx_strand *strand);

/*
 * Submits a task from any thread. When it returns, the task has run, or will be run by the thread that is in the
 * strand now. Tasks of one thread run in the order it submitted them. The caller keeps the strand's memory alive during
 * the call (by a reference of its own); so a task may drop the owner's last other reference.
 */
void
vmx_strand_submit(vmx_strand *strand, vmx_task *task);

#endif
