#include "core/slice.h"

#include <stdalign.h>

#include "core/alloc.h"

typedef struct vmx_memory_block {
    vmx_block block;
    alignas(max_align_t) uint8_t data[];
} vmx_memory_block;

static void
release_memory(vmx_block *block)
{
    vmx_dealloc(block);
}

vmx_block *
vmx_block_new(size_t size_bytes, uint8_t **data)
{
    if (size_bytes > SIZE_MAX - sizeof(vmx_memory_block))
        return NULL;
    vmx_memory_block *memory = vmx_alloc(sizeof *memory + size_bytes);
    if (!memory)
        return NULL;
    atomic_init(&memory->block.refs, 1);
    memory->block.release = release_memory;
    *data = memory->data;
    return &memory->block;
}

vmx_block *
vmx_block_acquire(vmx_block *block)
{
    if (block)
        atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}

vmx_block *
vmx_block_release(vmx_block *block)
{
    if (block && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
        block->release(block);
    return NULL;
}

void
vmx_message_init_one(vmx_message *message, vmx_block *block, const uint8_t *data, size_t len)
{
    *message = (vmx_message){.count = 1, .size_bytes = len, .one = {data, len, block}};
    message->slices = &message->one;
}

void
vmx_message_move(vmx_message *to, vmx_message *from)
{
    *to = *from;
    if (from->slices == &from->one)
        to->slices = &to->one;
    *from = (vmx_message){0};
}

void
vmx_message_clear(vmx_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        vmx_block_release(message->slices[i].block);
    if (message->slices != &message->one)
        vmx_dealloc(message->slices);
    *message = (vmx_message){0};
}
