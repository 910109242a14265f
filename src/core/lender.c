#include "core/lender.h"

#include "core/alloc.h"
#include "core/sync.h"

typedef struct lender {
    vmx_block block; /* first */
    void (*release)(void *user);
    void *user;
} lender;

static void
release_lender(vmx_block *block)
{
    lender *self = (lender *)block;
    vmx_callback_enter();
    self->release(self->user);
    vmx_callback_leave();
    vmx_dealloc(self);
}

vmx_block *
vmx_lender_new(void (*release)(void *user), void *user)
{
    lender *self = vmx_calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->block.release = release_lender;
    atomic_init(&self->block.refs, 1);
    self->release = release;
    self->user = user;
    return &self->block;
}

void
vmx_lender_discard(vmx_block *block)
{
    vmx_dealloc(block);
}
