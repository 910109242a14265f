/*
 * op/op.h: the operation, inside. What the public contract (vecmux/op.h) promises is kept here, whatever the operation
 * does; what it does is its owner's affair (api/run.c), which embeds a vmx_op as its first member.
 */
#ifndef VMX_OP_OP_H
#define VMX_OP_OP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <vecmux/op.h>

#include "core/arena.h"
#include "core/reply.h"
#include "core/strand.h"
#include "op/host.h"

typedef struct vmx_op_vtable {
    /* On the strand, at most once, only while the op runs: bring it to its end soon, with VMX_ERR_CANCELLED. */
    void (*cancel)(vmx_op *op);
    /* The last reference is gone: free the whole. */
    void (*destroy)(vmx_op *op);
} vmx_op_vtable;

/* References: the user's handle holds one, running holds one, and whoever calls vmx_op_submit holds one meanwhile. */
struct vmx_op {
    const vmx_op_vtable *vtable;
    const char *name; /* static */
    vmx_host *host;   /* holds a reference */
    vmx_queue *queue; /* holds a reference; may be NULL */
    void *user;
    _Atomic size_t refs;
    _Atomic bool done;
    _Atomic bool cancel_requested;
    vmx_strand strand;
    vmx_task cancel_task;

    /* host lock */
    vmx_op *run_prev, *run_next;
    vmx_op *cancel_next;
    bool cancel_chained;

    /* queue lock */
    vmx_op *queue_prev, *queue_next;
    bool queued;
    _Atomic bool polled; /* whoever polled it need not detach it */
    bool detached;
    bool queue_owns; /* nobody has the handle until its event is polled: a queue that drops the event frees the op */

    /* written on the strand before `done`, read by the user after it */
    vmx_arena arena; /* request scratch, reply and results */
    const vmx_header *headers;
    size_t header_count;
    const void *result; /* a vmx_result, for api/ */
    vmx_error error;    /* last: its text need not be zeroed */
};

/* Zeroed memory, or what was an op before (vmx_op_fini), becomes an op with one reference (the user's) that is not running yet. */
void
vmx_op_init(vmx_op *op, const vmx_op_vtable *vtable, const char *name, vmx_host *host, vmx_queue *queue, void *user);

/* Begins to run: takes the running reference. False when the host is closing; then nothing has changed. */
bool
vmx_op_begin(vmx_op *op);

/* Likewise, on behalf of another operation that runs (a writer): a closing host does not refuse it. */
bool
vmx_op_begin_nested(vmx_op *op);

/* For the destroy function: gives back what vmx_op_init took, but for the reference on the host, which it returns: the
 * caller releases it last of all. The arena stays. */
vmx_host *
vmx_op_fini(vmx_op *op);

vmx_op *
vmx_op_acquire(vmx_op *op);
void
vmx_op_release(vmx_op *op);

/* Runs a task on the op's strand, holding a reference meanwhile. Any thread. */
void
vmx_op_submit(vmx_op *op, vmx_task *task);

/* On the strand, once: the op has ended. Its error (code VMX_OK for success), headers and result must be written. Gives
 * the running reference back: nothing of the op may be touched afterwards. */
void
vmx_op_complete(vmx_op *op);

#endif
