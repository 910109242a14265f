#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>

#include "core/alloc.h"
#include "transport/grpc/internal.h"

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* The core has dropped a slice: any thread, perhaps long after the stream's end. */
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

/* Slices that stand for memory that must be given back; empty and static ones are not lent. */
static size_t
count_lent(const vmx_message *message)
{
    size_t count = 0;
    for (size_t i = 0; i < message->count; i++)
        count += message->slices[i].len > 0 && message->slices[i].block != NULL;
    return count;
}

/* The core only reads what it is lent, though its functions take no const. */
static void *
writable(const void *data)
{
    return (void *)(uintptr_t)data;
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
    for (size_t i = 0; i < message->count; i++) {
        const vmx_slice *slice = &message->slices[i];
        if (slice->len == 0)
            continue;
        if (slice->block == NULL) {
            grpc_slice_buffer_add_indexed(out, grpc_slice_from_static_buffer(slice->data, slice->len));
            continue;
        }
        *lent = (vmx_grpc_lent){vmx_block_acquire(slice->block), loan};
        vmx_tsan_release(lent);
        grpc_slice_buffer_add_indexed(
            out, grpc_slice_new_with_user_data(writable(slice->data), slice->len, take_back, lent++));
    }
    return true;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void
drop_received(void *buffer)
{
    grpc_byte_buffer_destroy(buffer);
}

bool
vmx_grpc_message_init(vmx_message *message, grpc_byte_buffer *buffer)
{
    const grpc_slice_buffer *in = &buffer->data.raw.slice_buffer;
    *message = (vmx_message){.count = in->count, .size_bytes = in->length, .drop = drop_received, .memory = buffer};
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
