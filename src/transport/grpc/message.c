#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>
#include <grpc/support/alloc.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void
loan_free(vmx_grpc_loan *loan)
{
    if (loan != &loan->stream->loan)
        vmx_dealloc(loan);
}

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
    loan_free(loan);
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
    vmx_grpc_loan *loan;
    vmx_grpc_lent *next; /* of the loan's, to be taken */
    const vmx_block *blocks[REMEMBERED];
    grpc_slice slices[REMEMBERED]; /* in the buffer already, so their counts live */
    size_t oldest;                 /* to be forgotten */
} lending;

/* The core only reads what it is lent, though its functions take no const. */
static void *
writable(const void *data)
{
    return (void *)(uintptr_t)data;
}

/* How many reference counts it takes at most; empty and static slices are not lent. */
static size_t
most_lent(const vmx_message *message)
{
    size_t count = message->shared[0] != NULL;
    if (message->shared[1] != NULL)
        count++;
    for (size_t i = 0; i < message->count; i++)
        if (message->slices[i].len > 0 && !vmx_message_shares(message, message->slices[i].block))
            count++;
    return count;
}

/* A slice with a count of its own, whose block is remembered from now on. */
static grpc_slice
lend_block(lending *state, const vmx_slice *slice)
{
    size_t i = state->oldest;
    vmx_grpc_lent *own = state->next++;
    *own = (vmx_grpc_lent){vmx_block_acquire(slice->block), state->loan};
    state->oldest = (i + 1) % REMEMBERED;
    state->blocks[i] = slice->block;
    return state->slices[i] = grpc_slice_new_with_user_data(writable(slice->data), slice->len, take_back, own);
}

static inline void
lend_slice(lending *state, const vmx_slice *slice, grpc_slice *to)
{
    size_t i = slice->block == state->blocks[0] ? 0 : 1;
    if (slice->block == NULL) {
        *to = grpc_slice_from_static_buffer(slice->data, slice->len);
    } else if (slice->block != state->blocks[i]) {
        *to = lend_block(state, slice);
    } else {
        *to = grpc_slice_ref(state->slices[i]);
        to->data.refcounted.bytes = writable(slice->data);
        to->data.refcounted.length = slice->len;
    }
}

/* The loan lasts as long as what was lent of it; the core has seen nothing of it yet. */
static void
close_loan(const lending *state)
{
    vmx_grpc_loan *loan = state->loan;
    if (loan == NULL)
        return;
    if (state->next == loan->lent) {
        loan_free(loan);
        return;
    }
    atomic_init(&loan->remaining, (size_t)(state->next - loan->lent));
    atomic_fetch_add_explicit(&loan->stream->refs, 1, memory_order_relaxed);
    for (vmx_grpc_lent *lent = loan->lent; lent < state->next; lent++)
        vmx_tsan_release(lent);
}

void
vmx_grpc_reserve_slices(grpc_slice_buffer *buffer, size_t count)
{
    if (count > buffer->capacity) {
        if (buffer->base_slices != buffer->inlined)
            gpr_free(buffer->base_slices);
        buffer->base_slices = gpr_malloc(count * sizeof *buffer->base_slices);
        buffer->capacity = count;
    }
    buffer->slices = buffer->base_slices;
}

bool
vmx_grpc_lend(vmx_grpc_stream *stream, const vmx_message *message)
{
    size_t most = most_lent(message);
    lending state = {.loan = most > 0 ? loan_new(stream, most) : NULL};
    if (most > 0 && state.loan == NULL)
        return false;
    state.next = most > 0 ? state.loan->lent : NULL;
    grpc_slice_buffer *out = &stream->outgoing.data.raw.slice_buffer;
    vmx_grpc_reserve_slices(out, message->count);
    grpc_slice *to = out->slices;
    const vmx_slice *end = message->slices + message->count;
    for (const vmx_slice *slice = message->slices; slice < end; slice++)
        if (slice->len > 0)
            lend_slice(&state, slice, to++);
    out->length += message->size_bytes;
    out->count = (size_t)(to - out->slices);
    close_loan(&state);
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
static vmx_grpc_loss
keep_received(vmx_message *message, grpc_byte_buffer *buffer)
{
    const grpc_slice_buffer *in = &buffer->data.raw.slice_buffer;
    *message = (vmx_message){
        .count = in->count, .size_bytes = in->length, .drop = drop_received, .memory = buffer, .writable = true};
    message->slices = in->count <= VMX_FEW_SLICES ? message->few : vmx_calloc(in->count, sizeof *message->slices);
    if (message->slices == NULL) {
        *message = (vmx_message){0};
        grpc_byte_buffer_destroy(buffer);
        return VMX_GRPC_LOST_NO_MEMORY;
    }
    for (size_t i = 0; i < in->count; i++)
        message->slices[i] = (vmx_slice){GRPC_SLICE_START_PTR(in->slices[i]), GRPC_SLICE_LENGTH(in->slices[i]), NULL};
    return VMX_GRPC_LOST_NOTHING;
}

/* The core hands over the bytes as they came. It has read the message to its end before anybody sees its length (1.51.1: so it
 * did with its own filter for that). */
vmx_grpc_loss
vmx_grpc_message_init(vmx_message *message, grpc_byte_buffer *buffer, size_t limit_bytes)
{
    const grpc_slice_buffer *in = &buffer->data.raw.slice_buffer;
    bool packed = buffer->data.raw.compression != GRPC_COMPRESS_NONE;
    if (in->length <= limit_bytes && !packed)
        return keep_received(message, buffer);
    vmx_grpc_loss loss =
        in->length > limit_bytes ? VMX_GRPC_LOST_TOO_LARGE : vmx_grpc_inflate(message, buffer, limit_bytes);
    grpc_byte_buffer_destroy(buffer);
    return loss;
}
