/* Messages that were made outside the budget, and are counted in it until they are let go. */
#include "core/alloc.h"
#include "core/memory.h"

/* Stands in a message's slices for the blocks that they belong to. */
typedef struct hold {
    vmx_block block; /* first */
    vmx_memory *memory;
    size_t bytes;
    size_t count;
    vmx_block *blocks[]; /* with the references that the message had */
} hold;

static void
release_hold(vmx_block *block)
{
    hold *self = (hold *)block;
    vmx_memory *memory = self->memory;
    size_t bytes = self->bytes;
    for (size_t i = 0; i < self->count; i++)
        vmx_block_release(self->blocks[i]);
    vmx_dealloc(self);
    vmx_memory_unassign(memory, VMX_MEMORY_UPSERT, bytes);
    vmx_memory_release(memory, bytes);
    vmx_memory_unref(memory);
}

/* Takes over the message's shared blocks, but for the lender; returns a place among them that is empty now. */
static vmx_block **
take_shared(hold *self, vmx_message *message, const vmx_block *lender)
{
    vmx_block **place = NULL;
    for (size_t i = 0; i < VMX_SHARED_BLOCKS; i++) {
        vmx_block **shared = &message->shared[i];
        if (*shared != NULL && *shared == lender)
            continue;
        if (*shared != NULL)
            self->blocks[self->count++] = *shared;
        *shared = NULL;
        place = shared;
    }
    return place;
}

bool
vmx_memory_hold(vmx_memory *memory, vmx_message *message, const vmx_block *lender, size_t bytes)
{
    hold *self = vmx_alloc(sizeof *self + (message->count + VMX_SHARED_BLOCKS) * sizeof self->blocks[0]);
    if (self == NULL)
        return false;
    *self = (hold){.block.release = release_hold, .memory = memory, .bytes = bytes};
    for (size_t i = 0; i < message->count; i++) {
        vmx_slice *slice = &message->slices[i];
        if (slice->block == NULL || slice->block == lender)
            continue;
        if (!vmx_message_shares(message, slice->block))
            self->blocks[self->count++] = slice->block;
        slice->block = &self->block;
    }
    vmx_block **place = take_shared(self, message, lender);
    vmx_memory_acquire(memory);
    vmx_memory_assign(memory, VMX_MEMORY_UPSERT, bytes);
    atomic_init(&self->block.refs, 1);
    if (self->count > 0)
        *place = &self->block;
    else /* everything is lent, or static */
        release_hold(&self->block);
    return true;
}
