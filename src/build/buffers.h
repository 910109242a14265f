/*
 * build/buffers.h: a few buffers of equal size, used again and again, whose memory was reserved from the budget.
 *
 * A buffer is a block (core/slice.h): it comes back when its last reference is dropped, by whatever thread. The owner may
 * close the set while some are out; the reservation is given back with the last of them.
 */
#ifndef VMX_BUILD_BUFFERS_H
#define VMX_BUILD_BUFFERS_H

#include <stdbool.h>

#include "core/memory.h"
#include "op/op.h"
#include "transport/transport.h"

typedef struct vmx_buffers vmx_buffers;

/* `reserved_bytes` of `memory`, assigned to builds, are the set's from now on. `task` is run on the loop when a buffer that was wanted is free:
 * it gives back a reference on `op`. NULL when memory is out: the reservation is still the caller's. */
vmx_buffers *
vmx_buffers_new(vmx_memory *memory, size_t reserved_bytes, size_t count, size_t size_bytes, vmx_op *op, vmx_loop *loop,
                vmx_task *task);

/* A free buffer with one reference. NULL: there is none, and the task comes when there is, or, if `comes` is false, memory
 * is out and none is in use that could come back. Strand. */
vmx_block *
vmx_buffers_take(vmx_buffers *buffers, uint8_t **data, bool *comes);

/* From now on the memory of free buffers is given back, which is for others: used again is only what is out. Strand. */
void
vmx_buffers_thin(vmx_buffers *buffers);

/* The task has come. Strand. */
void
vmx_buffers_told(vmx_buffers *buffers);

/* The owner lets go (NULL is allowed). Strand; a task that is on its way still comes. */
void
vmx_buffers_close(vmx_buffers *buffers);

#endif
