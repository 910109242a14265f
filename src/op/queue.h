/*
 * op/queue.h: where completions arrive, inside.
 */
#ifndef VMX_OP_QUEUE_H
#define VMX_OP_QUEUE_H

#include <vecmux/op.h>

#include "op/host.h"

vmx_status
vmx_queue_create(vmx_host *host, vmx_queue **queue, vmx_error *error);

vmx_queue *
vmx_queue_acquire(vmx_queue *queue);
void
vmx_queue_release(vmx_queue *queue);

/* The host that the queue belongs to. */
vmx_host *
vmx_queue_host(const vmx_queue *queue);

/* The queues of a host, and the events that wait in all of them. */
typedef struct vmx_queue_figures {
    size_t queues;
    size_t events;
} vmx_queue_figures;

void
vmx_queue_read(vmx_host *host, vmx_queue_figures *figures);

/* Appends a finished op's event, unless the op was detached or the queue freed. */
void
vmx_queue_push(vmx_queue *queue, vmx_op *op);

/*
 * What this thread appends within a round is announced to those who wait at its end: one wake-up for all of it. Rounds are
 * short and never sleep; they do not nest.
 */
void
vmx_queue_begin_round(void);
void
vmx_queue_end_round(void);
bool
vmx_queue_in_round(void);

/* The user frees the op: its event, waiting or still to come, is dropped. */
void
vmx_queue_detach(vmx_queue *queue, vmx_op *op);

#endif
