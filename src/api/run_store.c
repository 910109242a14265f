#include "api/run_store.h"

#include "api/run.h"
#include "core/alloc.h"

/* As many as an application takes off a queue at once; each holds some 20 KiB at most. */
enum { MAX_IDLE = 64 };

static void
free_run(vmx_run *run)
{
    vmx_call_destroy(&run->call);
    vmx_arena_reset(&run->op.arena);
    vmx_block_release(run->machine.spare);
    vmx_dealloc(run);
}

void
vmx_run_store_init(vmx_run_store *store)
{
    *store = (vmx_run_store){NULL};
    vmx_lock_init(&store->lock);
}

vmx_run *
vmx_run_store_take(vmx_run_store *store)
{
    vmx_lock_acquire(&store->lock);
    vmx_run *run = store->locked.idle;
    if (run != NULL) {
        store->locked.idle = run->next;
        store->locked.count--;
    }
    vmx_lock_release(&store->lock);
    return run != NULL ? run : vmx_calloc(1, sizeof *run);
}

void
vmx_run_store_give(vmx_run_store *store, vmx_run *run)
{
    vmx_lock_acquire(&store->lock);
    bool keep = !store->locked.closed && store->locked.count < MAX_IDLE;
    if (keep) {
        run->next = store->locked.idle;
        store->locked.idle = run;
        store->locked.count++;
    }
    vmx_lock_release(&store->lock);
    if (!keep)
        free_run(run);
}

void
vmx_run_store_close(vmx_run_store *store)
{
    vmx_lock_acquire(&store->lock);
    vmx_run *run = store->locked.idle;
    store->locked.idle = NULL;
    store->locked.count = 0;
    store->locked.closed = true;
    vmx_lock_release(&store->lock);
    while (run != NULL) {
        vmx_run *next = run->next;
        free_run(run);
        run = next;
    }
}

void
vmx_run_store_destroy(vmx_run_store *store)
{
    vmx_run_store_close(store);
    vmx_lock_destroy(&store->lock);
}
