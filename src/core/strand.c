#include "core/strand.h"

#include <stddef.h>

void
vmx_strand_init(vmx_strand *strand)
{
    atomic_init(&strand->newest, NULL);
    strand->running = (vmx_task){0};
}

/* Turns newest-first into oldest-first, up to the end mark. */
static vmx_task *
oldest_first(vmx_task *newest, const vmx_task *end)
{
    vmx_task *oldest = NULL;
    while (newest != end) {
        vmx_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void
run_all(vmx_task *task)
{
    while (task) {
        vmx_task *next = task->next; /* read first: the task may be gone, or submitted again, once it runs */
        task->run(task);
        task = next;
    }
}

void
vmx_strand_submit(vmx_strand *strand, vmx_task *task)
{
    vmx_task *running = &strand->running;
    vmx_task *found = atomic_load_explicit(&strand->newest, memory_order_relaxed);
    vmx_task *replacement;
    do {
        task->next = found;
        replacement = found ? task : running;
    } while (!atomic_compare_exchange_weak_explicit(&strand->newest, &found, replacement, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (found)
        return;

    /* The strand was idle and is this thread's now. It leaves when nothing has come in meanwhile. */
    task->run(task);
    vmx_task *expected = running;
    while (!atomic_compare_exchange_strong_explicit(&strand->newest, &expected, NULL, memory_order_acq_rel,
                                                    memory_order_acquire)) {
        vmx_task *newest = atomic_exchange_explicit(&strand->newest, running, memory_order_acq_rel);
        run_all(oldest_first(newest, running));
        expected = running;
    }
}
