/*
 * core/slice.h: reference-counted bytes that are handed around without copies.
 *
 * A slice is a view into a block; whoever keeps a slice holds one reference on its block. The block's release function
 * runs when the last reference goes, on whatever thread that happens: that moment, not the end of a call, is when memory
 * is free again (gRPC core may hold bytes of a stalled peer long after the call has its status).
 */
#ifndef VMX_CORE_SLICE_H
#define VMX_CORE_SLICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vmx_block vmx_block;

struct vmx_block {
    _Atomic size_t refs;
    void (*release)(vmx_block *block); /* frees the block and what it stands for */
};

/* A block with `size_bytes` of memory behind it, one reference; *data is that memory. NULL when memory is out. */
vmx_block *
vmx_block_new(size_t size_bytes, uint8_t **data);

/*
 * As vmx_block_new, in the memory of *spare if that is large enough and nobody else holds it any more. The block becomes
 * *spare, which holds a reference of its own: so one who makes blocks one after the other allocates once. Of *spare (NULL:
 * none yet) only its owner may make blocks, which must come from here. Blocks above VMX_SPARE_BYTES are not kept.
 */
#define VMX_SPARE_BYTES 16384
vmx_block *
vmx_block_reuse(vmx_block **spare, size_t size_bytes, uint8_t **data);

/* Return their argument, or NULL for NULL; release always returns NULL. Any thread. */
vmx_block *
vmx_block_acquire(vmx_block *block);
vmx_block *
vmx_block_release(vmx_block *block);

#define VMX_FEW_SLICES    2
#define VMX_SHARED_BLOCKS 2

typedef struct vmx_slice {
    const uint8_t *data;
    size_t len;
    vmx_block *block; /* NULL: static memory, or the message's */
} vmx_slice;

/*
 * A message in pieces. Owns a reference on each slice's block, but for the blocks in `shared`: one reference on each of
 * them stands for all of its slices (a batch of lent vectors has two slices for each). Zero-initialised is the empty
 * message.
 *
 * A received one may own its memory as a whole, without blocks: it can be read and moved, not sent.
 */
typedef struct vmx_message {
    vmx_slice *slices; /* points at `few`, or at memory of vmx_alloc */
    size_t count;
    size_t size_bytes;          /* the sum of the slices' lengths */
    void (*drop)(void *memory); /* frees `memory`; NULL: there is none */
    void *memory;               /* that slices without a block point into */
    bool writable;              /* `memory` is nobody else's: its bytes may be changed */
    vmx_block *shared[VMX_SHARED_BLOCKS];
    vmx_slice few[VMX_FEW_SLICES];
} vmx_message;

/* A message of one slice; takes over the caller's reference on `block`. */
void
vmx_message_init_one(vmx_message *message, vmx_block *block, const uint8_t *data, size_t len);

/* Whether one reference stands for all slices of the block. */
static inline bool
vmx_message_shares(const vmx_message *message, const vmx_block *block)
{
    return block == message->shared[0] || block == message->shared[1];
}

/* A slice of the block has been appended: the message holds it, the first blocks once for all of their slices. */
static inline void
vmx_message_hold(vmx_message *message, vmx_block *block)
{
    if (block == NULL || vmx_message_shares(message, block))
        return;
    vmx_block_acquire(block);
    if (message->shared[0] == NULL)
        message->shared[0] = block;
    else if (message->shared[1] == NULL)
        message->shared[1] = block;
}

/* Appends bytes of a block (NULL: static), for which there is room in `slices`. */
static inline void
vmx_message_add(vmx_message *message, const uint8_t *data, size_t len, vmx_block *block)
{
    if (len == 0)
        return;
    message->slices[message->count++] = (vmx_slice){data, len, block};
    message->size_bytes += len;
    vmx_message_hold(message, block);
}

/* Appends slices of one block, `size_bytes` in all and none of them empty. */
void
vmx_message_add_all(vmx_message *message, const vmx_slice *slices, size_t count, size_t size_bytes);

/* Moves `from` to `to` and leaves `from` empty. Messages may not be copied by assignment (`slices` points inside). */
void
vmx_message_move(vmx_message *to, vmx_message *from);

/* Drops the references; the message is empty afterwards. */
void
vmx_message_clear(vmx_message *message);

#endif
