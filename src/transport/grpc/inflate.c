#include <isa-l/igzip_lib.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/*
 * Peers are not told that compression is understood (grpc-accept-encoding), and few compress all the same: Python's server
 * does with a compression of its own set. The core's filter for that costs each call a thousand instructions; this costs
 * those that need it an allocation more.
 */

typedef struct unpacking {
    struct inflate_state state; /* large: not on the stack */
    vmx_buffer out;
    size_t limit_bytes;
} unpacking;

enum { STEP_BYTES = 65536 };

/* Room for one byte above the limit tells what is too large. */
static bool
make_room(unpacking *work)
{
    size_t most = work->limit_bytes - work->out.len + 1;
    uint32_t room = (uint32_t)(most < STEP_BYTES ? most : STEP_BYTES);
    work->state.next_out = vmx_buffer_reserve(&work->out, room);
    work->state.avail_out = room;
    return work->state.next_out != NULL;
}

static vmx_grpc_loss
unpack_slice(unpacking *work, const grpc_slice *slice)
{
    struct inflate_state *state = &work->state;
    state->next_in = (uint8_t *)(uintptr_t)GRPC_SLICE_START_PTR(*slice);
    state->avail_in = (uint32_t)GRPC_SLICE_LENGTH(*slice);
    for (;;) {
        if (!make_room(work))
            return VMX_GRPC_LOST_NO_MEMORY;
        uint32_t room = state->avail_out;
        int fault = isal_inflate(state);
        work->out.len += room - state->avail_out;
        if (work->out.len > work->limit_bytes)
            return VMX_GRPC_LOST_TOO_LARGE;
        if (fault != ISAL_DECOMP_OK && fault != ISAL_END_INPUT && fault != ISAL_OUT_OVERFLOW)
            return VMX_GRPC_LOST_DAMAGED;
        if (state->block_state == ISAL_BLOCK_FINISH || state->avail_out > 0)
            return VMX_GRPC_LOST_NOTHING;
    }
}

/* All of it, to the end that the format marks. */
static vmx_grpc_loss
unpack(unpacking *work, const grpc_slice_buffer *packed)
{
    for (size_t i = 0; i < packed->count; i++) {
        if (work->state.block_state == ISAL_BLOCK_FINISH)
            return VMX_GRPC_LOST_DAMAGED; /* something behind the end */
        vmx_grpc_loss loss = unpack_slice(work, &packed->slices[i]);
        if (loss != VMX_GRPC_LOST_NOTHING)
            return loss;
    }
    bool whole = work->state.block_state == ISAL_BLOCK_FINISH && work->state.avail_in == 0;
    return whole ? VMX_GRPC_LOST_NOTHING : VMX_GRPC_LOST_DAMAGED;
}

static void
drop_unpacked(void *memory)
{
    vmx_dealloc(memory);
}

/* The message takes the bytes over. */
static void
make_message(vmx_message *message, vmx_buffer *bytes)
{
    *message = (vmx_message){.count = 1,
                             .size_bytes = bytes->len,
                             .drop = drop_unpacked,
                             .memory = bytes->data,
                             .writable = true,
                             .few = {{bytes->data, bytes->len, NULL}}};
    message->slices = message->few;
    *bytes = (vmx_buffer){0};
}

vmx_grpc_loss
vmx_grpc_inflate(vmx_message *message, const grpc_byte_buffer *packed, size_t limit_bytes)
{
    *message = (vmx_message){0};
    unpacking *work = vmx_alloc(sizeof *work);
    if (work == NULL)
        return VMX_GRPC_LOST_NO_MEMORY;
    isal_inflate_init(&work->state);
    work->state.crc_flag = packed->data.raw.compression == GRPC_COMPRESS_GZIP ? ISAL_GZIP : ISAL_ZLIB;
    work->out = (vmx_buffer){0};
    work->limit_bytes = limit_bytes;
    vmx_grpc_loss loss = unpack(work, &packed->data.raw.slice_buffer);
    if (loss == VMX_GRPC_LOST_NOTHING)
        make_message(message, &work->out);
    vmx_buffer_free(&work->out);
    vmx_dealloc(work);
    return loss;
}
