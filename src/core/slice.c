#include "core/slice.h"

#include <stdalign.h>
#include <string.h>

#include "core/alloc.h"

typedef struct vmx_memory_block {
    vmx_block block;
    size_t size_bytes;
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
    memory->size_bytes = size_bytes;
    *data = memory->data;
    return &memory->block;
}

/* Only the owner of a spare block hands it out: what nobody else holds stays so. */
static bool
is_free(const vmx_block *spare, size_t size_bytes)
{
    return spare != NULL && ((const vmx_memory_block *)spare)->size_bytes >= size_bytes &&
           atomic_load_explicit(&spare->refs, memory_order_acquire) == 1;
}

vmx_block *
vmx_block_reuse(vmx_block **spare, size_t size_bytes, uint8_t **data)
{
    if (size_bytes > VMX_SPARE_BYTES)
        return vmx_block_new(size_bytes, data);
    if (!is_free(*spare, size_bytes)) {
        vmx_block *block = vmx_block_new(size_bytes, data);
        if (block == NULL)
            return NULL;
        vmx_block_release(*spare);
        *spare = block;
    }
    *data = ((vmx_memory_block *)*spare)->data;
    return vmx_block_acquire(*spare);
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
    *message = (vmx_message){.count = 1, .size_bytes = len, .few = {{data, len, block}}};
    message->slices = message->few;
}

void
vmx_message_add_all(vmx_message *message, const vmx_slice *slices, size_t count, size_t size_bytes)
{
    memcpy(message->slices + message->count, slices, count * sizeof *slices);
    message->count += count;
    message->size_bytes += size_bytes;
    for (size_t i = 0; i < count && (i == 0 || !vmx_message_shares(message, slices[i].block)); i++)
        vmx_message_hold(message, slices[i].block);
}

/* Of `few` nothing is read while there are no slices. */
static void
forget(vmx_message *message)
{
    message->slices = NULL;
    message->count = message->size_bytes = 0;
    message->drop = NULL;
    message->memory = NULL;
}

void
vmx_message_move(vmx_message *to, vmx_message *from)
{
    *to = *from;
    if (from->slices == from->few)
        to->slices = to->few;
    forget(from);
}

void
vmx_message_clear(vmx_message *message)
{
    if (message->slices == NULL)
        return;
    for (size_t i = 0; i < message->count; i++)
        if (!vmx_message_shares(message, message->slices[i].block))
            vmx_block_release(message->slices[i].block);
    for (size_t i = 0; i < VMX_SHARED_BLOCKS; i++)
        vmx_block_release(message->shared[i]);
    if (message->slices != message->few)
        vmx_dealloc(message->slices);
    if (message->drop != NULL)
        message->drop(message->memory);
    forget(message);
}
