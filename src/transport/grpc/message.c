#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* The core has dropped all slices of a loan that share a block: any thread, perhaps long after the stream's end. */
static void
take_back(void *user)
{
    vmx_grpc_lent *lent = user;
    vmx_tsan_acquire(lent);
    vmx_grpc_loan *loan = lent->loan;
    vmx_block_release(lent->block);
    if (atomic_fetch_sub_explicit(&loan->remaining, 1, memory_order_acq_rel) != 1)
        return;
    vmx_grpc_stream *stream = loan->stream;
    if (loan != &stream->loan)
        vmx_dealloc(loan);
    vmx_grpc_stream_unref(stream);
}

/* The stream's own loan serves its first message, if that has few slices. */
static vmx_grpc_loan *
loan_new(vmx_grpc_stream *stream, size_t slice_count)
{
    vmx_grpc_loan *loan = &stream->loan;
    if (!stream->loan_used && slice_count <= VMX_GRPC_INLINE_SLICES) {
        stream->loan_used = true;
        loan->lent = loan->first;
    } else {
        if (slice_count > (SIZE_MAX - sizeof *loan) / sizeof *loan->lent)
            return NULL;
        loan = vmx_alloc(sizeof *loan + slice_count * sizeof *loan->lent);
        if (loan == NULL)
            return NULL;
        loan->lent = (vmx_grpc_lent *)(loan + 1);
    }
    loan->stream = stream;
    return loan;
}

/*
 * Slices of one block share one reference count of the core's, which would take an allocation for each of them: a batch of
 * lent vectors has two slices for each, but two blocks. The blocks of the last few slices are remembered.
 */
#define REMEMBERED 2

typedef struct lending {
    const vmx_block *blocks[REMEMBERED];
    grpc_slice slices[REMEMBERED]; /* in the buffer already, so their counts live */
    size_t next;                   /* to be forgotten */
} lending;

/* Where the block is remembered; REMEMBERED if it is not. */
static size_t
find_block(const lending *state, const vmx_block *block)
{
    size_t i = 0;
    while (i < REMEMBERED && state->blocks[i] != block)
        i++;
    return i;
}

static size_t
remember_block(lending *state, const vmx_block *block)
{
    size_t i = state->next;
    state->blocks[i] = block;
    state->next = (i + 1) % REMEMBERED;
    return i;
}

/* How many reference counts it takes; empty and static slices are not lent. */
static size_t
count_lent(const vmx_message *message)
{
    size_t count = 0;
    lending state = {{NULL}, .next = 0};
    for (size_t i = 0; i < message->count; i++) {
        const vmx_slice *slice = &message->slices[i];
        if (slice->len == 0 || slice->block == NULL || find_block(&state, slice->block) < REMEMBERED)
            continue;
        remember_block(&state, slice->block);
        count++;
    }
    return count;
}

/* The core only reads what it is lent, though its functions take no const. */
static void *
writable(const void *data)
{
    return (void *)(uintptr_t)data;
}

/* A slice with a count of its own, or with that of a remembered one; `*lent` advances past what it takes. */
static grpc_slice
lend_slice(lending *state, const vmx_slice *slice, vmx_grpc_loan *loan, vmx_grpc_lent **lent)
{
    size_t i = find_block(state, slice->block);
    if (i < REMEMBERED) {
        grpc_slice shared = grpc_slice_ref(state->slices[i]);
        shared.data.refcounted.bytes = writable(slice->data);
        shared.data.refcounted.length = slice->len;
        return shared;
    }
    vmx_grpc_lent *own = (*lent)++;
    *own = (vmx_grpc_lent){vmx_block_acquire(slice->block), loan};
    vmx_tsan_release(own);
    i = remember_block(state, slice->block);
    return state->slices[i] = grpc_slice_new_with_user_data(writable(slice->data), slice->len, take_back, own);
}

bool
vmx_grpc_lend(vmx_grpc_stream *stream, const vmx_message *message)
{
    size_t lent_count = count_lent(message);
    vmx_grpc_loan *loan = NULL;
    if (lent_count > 0) {
        loan = loan_new(stream, lent_count);
        if (loan == NULL)
            return false;
        atomic_init(&loan->remaining, lent_count);
        atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed);
    }
    grpc_slice_buffer *out = &stream->outgoing.data.raw.slice_buffer;
    vmx_grpc_lent *lent = loan != NULL ? loan->lent : NULL;
    lending state = {{NULL}, .next = 0};
    for (size_t i = 0; i < message->count; i++) {
        const vmx_slice *slice = &message->slices[i];
        if (slice->len > 0)
            grpc_slice_buffer_add_indexed(out, slice->block == NULL
                                                   ? grpc_slice_from_static_buffer(slice->data, slice->len)
                                                   : lend_slice(&state, slice, loan, &lent));
    }
    return true;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void
drop_received(void *buffer)
{
    grpc_byte_buffer_destroy(buffer);
}

/*
 * The bytes of a received message are the receiver's alone: chttp2 moves them out of its read buffers, each into one slice of
 * one message, and looks at them no more (chttp2/transport/frame_data.cc, grpc_slice_buffer_move_first); with TLS and with
 * compression they come from buffers made for them.
 */
bool
vmx_grpc_message_init(vmx_message *message, grpc_byte_buffer *buffer)
{
    const grpc_slice_buffer *in = &buffer->data.raw.slice_buffer;
    *message = (vmx_message){
        .count = in->count, .size_bytes = in->length, .drop = drop_received, .memory = buffer, .writable = true};
    message->slices = in->count <= VMX_FEW_SLICES ? message->few : vmx_calloc(in->count, sizeof *message->slices);
    if (message->slices == NULL) {
        *message = (vmx_message){0};
        grpc_byte_buffer_destroy(buffer);
        return false;
    }
    for (size_t i = 0; i < in->count; i++)
        message->slices[i] = (vmx_slice){GRPC_SLICE_START_PTR(in->slices[i]), GRPC_SLICE_LENGTH(in->slices[i]), NULL};
    return true;
}
