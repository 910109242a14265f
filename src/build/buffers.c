#include "build/buffers.h"

#include <stdalign.h>

#include "core/alloc.h"

typedef struct buffer {
    vmx_block block; /* first */
    vmx_buffers *owner;
    struct buffer *next; /* free ones */
    alignas(max_align_t) uint8_t data[];
} buffer;

struct vmx_buffers {
    vmx_memory *memory;
    vmx_block *anchor; /* keeps the budget alive, and has its part of the reservation */
    size_t reserved_bytes;
    size_t size_bytes;
    vmx_op *op; /* a reference is held while a buffer is wanted */
    vmx_loop *loop;
    vmx_task *task;
    pthread_mutex_t lock;
    struct {
        buffer *free;
        size_t unmade; /* so many may still be allocated */
        size_t out;
        bool thin; /* free ones are not kept */
        bool wanted;
        bool telling; /* the task is on its way */
        bool closed;
    } locked;
};

vmx_buffers *
vmx_buffers_new(vmx_memory *memory, size_t reserved_bytes, size_t count, size_t size_bytes, vmx_op *op, vmx_loop *loop,
                vmx_task *task)
{
    vmx_buffers *buffers = vmx_calloc(1, sizeof *buffers);
    if (buffers == NULL)
        return NULL;
    uint8_t *nothing;
    buffers->anchor = vmx_memory_block_new(memory, 0, &nothing);
    if (buffers->anchor == NULL) {
        vmx_dealloc(buffers);
        return NULL;
    }
    buffers->memory = memory;
    buffers->reserved_bytes = reserved_bytes - vmx_memory_block_bytes(0);
    buffers->size_bytes = size_bytes;
    buffers->op = op;
    buffers->loop = loop;
    buffers->task = task;
    buffers->locked.unmade = count;
    pthread_mutex_init(&buffers->lock, NULL);
    return buffers;
}

static void
free_all(buffer *first)
{
    for (buffer *next, *at = first; at != NULL; at = next) {
        next = at->next;
        vmx_dealloc(at);
    }
}

/* Closed, and the last buffer is back. */
static void
destroy(vmx_buffers *buffers)
{
    free_all(buffers->locked.free);
    vmx_memory_unassign(buffers->memory, VMX_MEMORY_BUILD, buffers->reserved_bytes + vmx_memory_block_bytes(0));
    vmx_memory_release(buffers->memory, buffers->reserved_bytes);
    vmx_block_release(buffers->anchor);
    pthread_mutex_destroy(&buffers->lock);
    vmx_dealloc(buffers);
}

/* The free ones, which may be made again. */
static buffer *
take_free_locked(vmx_buffers *buffers)
{
    buffer *taken = buffers->locked.free;
    for (const buffer *at = taken; at != NULL; at = at->next)
        buffers->locked.unmade++;
    buffers->locked.free = NULL;
    return taken;
}

static void
give_back(vmx_block *block)
{
    buffer *mine = (buffer *)block;
    vmx_buffers *buffers = mine->owner;
    pthread_mutex_lock(&buffers->lock);
    mine->next = buffers->locked.free;
    buffers->locked.free = mine;
    buffers->locked.out--;
    buffer *spare = buffers->locked.thin ? take_free_locked(buffers) : NULL;
    bool last = buffers->locked.closed && buffers->locked.out == 0;
    bool tell = buffers->locked.wanted;
    vmx_loop *loop = buffers->loop;
    vmx_task *task = buffers->task;
    buffers->locked.wanted = false;
    buffers->locked.telling |= tell;
    pthread_mutex_unlock(&buffers->lock);
    free_all(spare);
    if (last)
        destroy(buffers);
    else if (tell) /* whoever drops the buffer may hold locks */
        loop->transport->vtable->post(loop, task);
}

static buffer *
make_locked(vmx_buffers *buffers)
{
    if (buffers->locked.unmade == 0)
        return NULL;
    buffer *made = vmx_alloc(sizeof *made + buffers->size_bytes);
    if (made == NULL)
        return NULL;
    buffers->locked.unmade--;
    made->owner = buffers;
    made->block.release = give_back;
    return made;
}

vmx_block *
vmx_buffers_take(vmx_buffers *buffers, uint8_t **data, bool *comes)
{
    pthread_mutex_lock(&buffers->lock);
    buffer *taken = buffers->locked.free;
    if (taken != NULL)
        buffers->locked.free = taken->next;
    else
        taken = make_locked(buffers);
    *comes = buffers->locked.out > 0 || buffers->locked.telling;
    if (taken != NULL) {
        buffers->locked.out++;
    } else if (buffers->locked.out > 0 && !buffers->locked.wanted && !buffers->locked.telling) {
        buffers->locked.wanted = true;
        vmx_op_acquire(buffers->op);
    }
    pthread_mutex_unlock(&buffers->lock);
    if (taken == NULL)
        return NULL;
    atomic_init(&taken->block.refs, 1);
    *data = taken->data;
    return &taken->block;
}

void
vmx_buffers_thin(vmx_buffers *buffers)
{
    pthread_mutex_lock(&buffers->lock);
    buffers->locked.thin = true;
    buffer *spare = take_free_locked(buffers);
    pthread_mutex_unlock(&buffers->lock);
    free_all(spare);
}

void
vmx_buffers_told(vmx_buffers *buffers)
{
    pthread_mutex_lock(&buffers->lock);
    buffers->locked.telling = false;
    pthread_mutex_unlock(&buffers->lock);
}

void
vmx_buffers_close(vmx_buffers *buffers)
{
    if (buffers == NULL)
        return;
    pthread_mutex_lock(&buffers->lock);
    bool wanted = buffers->locked.wanted, last = buffers->locked.out == 0;
    vmx_op *op = buffers->op;
    buffers->locked.wanted = false;
    buffers->locked.closed = true;
    pthread_mutex_unlock(&buffers->lock);
    if (last)
        destroy(buffers);
    if (wanted)
        vmx_op_release(op);
}
