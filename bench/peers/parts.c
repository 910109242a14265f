#include "parts.h"

#include <grpc/slice.h>
#include <stdlib.h>
#include <string.h>

#include "../data.h"
#include "engine/finite.h"

/* The batches one after the other: the heads (tags, lengths, ids) in one slice, the values in another. */
struct raw_parts {
    bench_send send;
    size_t vectors, head_bytes, values_bytes; /* of a batch, and of a vector */
    grpc_slice heads, values;
};

raw_parts *
raw_parts_new(bench_send send, const grpc_slice *batches, size_t count, size_t vectors, size_t values_bytes)
{
    raw_parts *self = malloc(sizeof *self);
    if (!self)
        return NULL;
    size_t record_bytes = GRPC_SLICE_LENGTH(batches[0]) / vectors, head_bytes = record_bytes - values_bytes;
    *self = (raw_parts){send,
                        vectors,
                        head_bytes,
                        values_bytes,
                        grpc_slice_malloc(count * vectors * head_bytes),
                        grpc_slice_malloc(count * vectors * values_bytes)};
    uint8_t *head = GRPC_SLICE_START_PTR(self->heads), *values = GRPC_SLICE_START_PTR(self->values);
    for (size_t i = 0; i < count * vectors; i++) {
        const uint8_t *record = GRPC_SLICE_START_PTR(batches[i / vectors]) + i % vectors * record_bytes;
        memcpy(head + i * head_bytes, record, head_bytes);
        memcpy(values + i * values_bytes, record + head_bytes, values_bytes);
    }
    return self;
}

void
raw_parts_free(raw_parts *parts)
{
    if (!parts)
        return;
    grpc_slice_unref(parts->heads);
    grpc_slice_unref(parts->values);
    free(parts);
}

static void
add_piece(grpc_slice_buffer *buffer, grpc_slice all, size_t offset, size_t len)
{
    grpc_slice piece = grpc_slice_ref(all);
    piece.data.refcounted.bytes += offset;
    piece.data.refcounted.length = len;
    grpc_slice_buffer_add_indexed(buffer, piece);
}

/* A value that is not finite would not be sent; there is none. */
static void
refuse(bool not_finite)
{
    if (not_finite)
        abort();
}

static void
put_pieces(const raw_parts *self, size_t first, grpc_slice_buffer *buffer)
{
    const uint8_t *values = GRPC_SLICE_START_PTR(self->values);
    for (size_t i = first; i < first + self->vectors; i++) {
        add_piece(buffer, self->heads, i * self->head_bytes, self->head_bytes);
        if (self->send == BENCH_SEND_CHECKED)
            refuse(vmx_any_not_finite((const float *)(const void *)(values + i * self->values_bytes),
                                      self->values_bytes / sizeof(float)));
        add_piece(buffer, self->values, i * self->values_bytes, self->values_bytes);
    }
}

static void
put_copy(const raw_parts *self, size_t first, grpc_slice *copy, grpc_slice_buffer *buffer)
{
    if (!copy->refcount)
        *copy = grpc_slice_malloc(self->vectors * (self->head_bytes + self->values_bytes));
    const uint8_t *heads = GRPC_SLICE_START_PTR(self->heads), *values = GRPC_SLICE_START_PTR(self->values);
    uint8_t *to = GRPC_SLICE_START_PTR(*copy);
    for (size_t i = first; i < first + self->vectors; i++) {
        memcpy(to, heads + i * self->head_bytes, self->head_bytes);
        to += self->head_bytes;
        refuse(vmx_copy_not_finite(to, (const float *)(const void *)(values + i * self->values_bytes),
                                   self->values_bytes / sizeof(float)));
        to += self->values_bytes;
    }
    grpc_slice_buffer_add(buffer, grpc_slice_ref(*copy));
}

void
raw_parts_put(const raw_parts *parts, size_t i, grpc_slice *copy, grpc_slice_buffer *buffer)
{
    if (parts->send == BENCH_SEND_COPIED)
        put_copy(parts, i * parts->vectors, copy, buffer);
    else
        put_pieces(parts, i * parts->vectors, buffer);
}
