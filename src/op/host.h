/*
 * op/host.h: what operations and queues need of the client they belong to: a reference to hold, the list of what runs,
 * and, for a client without threads, somebody who drives it.
 */
#ifndef VMX_OP_HOST_H
#define VMX_OP_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/op.h>

#include "core/lock.h"

typedef struct vmx_host vmx_host;

typedef struct vmx_host_vtable {
    /* The clock of the transport, microseconds. */
    uint64_t (*now)(vmx_host *host);
    /* Handles events until at least one was handled, or the deadline, or wake. Only of a driven host, one at a time. */
    size_t (*drive)(vmx_host *host, uint64_t deadline_us);
    /* Makes drive return. Called while a thread is inside drive: by that one, or with the host's lock held. */
    void (*wake)(vmx_host *host);
    /* The host is closing and its last operation has completed. Called once, without the lock, never inside drive. */
    void (*drained)(vmx_host *host);
    /* The thread that has called vmx_host_leave_to_driver has come out of drive. Called without the lock; the host may be gone
     * afterwards. NULL: nothing is ever left. */
    void (*left)(vmx_host *host);
    /* The last reference is gone. */
    void (*destroy)(vmx_host *host);
} vmx_host_vtable;

/* The first member of a client. */
struct vmx_host {
    const vmx_host_vtable *vtable;
    bool driven;
    _Atomic size_t refs;
    _Atomic bool closing;    /* no operation starts any more; written under the lock */
    _Atomic size_t sleepers; /* threads inside vmx_host_drive or vmx_host_wait_idle */
    vmx_lock lock;
    pthread_cond_t changed;
    struct {
        vmx_op *running; /* newest first */
        size_t running_count;
        vmx_queue *queues;
        bool drained; /* vtable->drained was called, or is owed */
        bool owed;    /* ... by the thread that is driving */
        bool left;    /* vtable->left is owed by it too */
        bool driving; /* some thread is inside vtable->drive */
    } locked;
};

/* One reference, for the caller. False when memory is out. */
bool
vmx_host_init(vmx_host *host, const vmx_host_vtable *vtable, bool driven);

/* For the destroy function of the vtable. */
void
vmx_host_destroy(vmx_host *host);

vmx_host *
vmx_host_acquire(vmx_host *host);
void
vmx_host_release(vmx_host *host);

/* Notes that `op` runs; false when the host is closing. `nested`: on behalf of an operation that runs, which a closing
 * host waits for: it may begin all the same. */
bool
vmx_host_add(vmx_host *host, vmx_op *op, bool nested);
void
vmx_host_remove(vmx_host *host, vmx_op *op);

/* Refuses new operations from now on; calls `drained` once nothing runs. */
void
vmx_host_close(vmx_host *host);

/* Cancels every operation that runs. */
void
vmx_host_cancel_all(vmx_host *host);

/* Waits (and drives) until nothing runs; false when the time is over. */
bool
vmx_host_wait_idle(vmx_host *host, uint64_t deadline_us);

/* How many operations run. */
size_t
vmx_host_running_count(vmx_host *host);

/* "2 upsert, 1 query": what runs, by kind. */
void
vmx_host_describe_running(vmx_host *host, char *text, size_t size);

/*
 * Drives a driven host once, or waits while another thread does, until `done(arg)` may have become true or the deadline.
 * Returns the number of events handled.
 */
size_t
vmx_host_drive(vmx_host *host, uint64_t deadline_us, bool (*done)(void *arg), void *arg);

/* True when this thread is inside drive: then vtable->left is called when it comes out. Once. */
bool
vmx_host_leave_to_driver(vmx_host *host);

/* Waits until no other thread drives; nobody will any more. After `drained`. */
void
vmx_host_stop_driving(vmx_host *host);

/* Something that a thread may be waiting for has changed (an operation completed, a queue was filled). */
void
vmx_host_changed(vmx_host *host);

#endif
