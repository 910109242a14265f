/*
 * wire/vector_encoder.h: vectors in, a request in slices out. No input or output of its own, no state.
 *
 * The bytes are those of Pinecone's UpsertRequest{1 repeated Vector{1 id, 2 packed floats, 3 Struct, 4 SparseValues
 * {1 packed uint32, 2 packed floats}}, 2 namespace}, exactly as protobuf-c packs it. The size is known before a byte is
 * written: count what fits with vmx_vectors_fit, encode it, go on with the rest. float32 is wire format already on
 * little-endian machines, so values that the caller lends are referenced, not copied; only tags, lengths and small
 * parts are written, into one block.
 */
#ifndef VMX_WIRE_VECTOR_ENCODER_H
#define VMX_WIRE_VECTOR_ENCODER_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/copy.h"
#include "core/slice.h"
#include "wire/sparse_encoder.h"
#include "wire/varint.h"

/* Field numbers of UpsertRequest and of Vector. */
enum { VMX_UPSERT_VECTORS = 1, VMX_UPSERT_NAMESPACE = 2 };
enum { VMX_VECTOR_ID = 1, VMX_VECTOR_VALUES = 2, VMX_VECTOR_METADATA = 3, VMX_VECTOR_SPARSE = 4 };

/* One record to encode; everything is borrowed. */
typedef struct vmx_vector_item {
    vmx_str id;
    vmx_floats values;
    vmx_sparse sparse;
    vmx_str metadata;   /* a packed google.protobuf.Struct; ptr NULL: none */
    size_t sparse_size; /* vmx_vector_item_measure: bytes of the packed indices, ... */
    size_t size;        /* ... and of the whole Vector, without its own tag and length */
} vmx_vector_item;

/* Lent values shorter than this are copied all the same: a slice of its own costs more (docs/performance.md). */
#define VMX_REFERENCE_MIN_BYTES 2048

/* Whether a vector's values, which are the lender's (NULL: nobody's), are referenced. */
static inline bool
vmx_values_are_referenced(size_t values_bytes, const vmx_block *lender)
{
    return lender != NULL && values_bytes >= VMX_REFERENCE_MIN_BYTES;
}

/* Bytes of the dense values. */
static inline size_t
vmx_vector_values_bytes(const vmx_vector_item *item)
{
    return item->values.len * sizeof(float);
}

/* proto3 leaves empty fields out. */
static inline size_t
vmx_field_size_unless_empty(size_t content_bytes)
{
    return content_bytes > 0 ? vmx_field_size(content_bytes) : 0;
}

/* Fills in the sizes. Once per item, before everything below. */
static inline void
vmx_vector_item_measure(vmx_vector_item *item)
{
    item->sparse_size = 0;
    item->size = vmx_field_size_unless_empty(item->id.len) + vmx_field_size_unless_empty(vmx_vector_values_bytes(item));
    if (item->metadata.ptr != NULL)
        item->size += vmx_field_size(item->metadata.len);
    if (item->sparse.len > 0) {
        item->sparse_size = vmx_sparse_indices_size(item->sparse);
        item->size += vmx_field_size(vmx_sparse_size(item->sparse, item->sparse_size));
    }
}

/*
 * How many of the items, from the first on, fit into one request of at most `max_bytes` (0: any size) for the namespace;
 * *size_bytes is the request's exact size. 0 items fit: the first is too large by itself, and the size is its request's.
 */
size_t
vmx_vectors_fit(const vmx_vector_item *items, size_t count, vmx_str name_space, size_t max_bytes, size_t *size_bytes);

/*
 * Encodes `count` items as one request of `size_bytes` (as vmx_vectors_fit counts them). `lender` NULL: all is copied
 * into one slice. Else the items' values belong to the lender, a block, and every slice that references some of them
 * holds a reference on it. False when memory is out.
 */
bool
vmx_vectors_encode(const vmx_vector_item *items, size_t count, vmx_str name_space, size_t size_bytes, vmx_block *lender,
                   vmx_message *message);

/* For writers that lay records out themselves: a record of vmx_field_size(item->size) bytes is what _before writes (tags,
 * lengths, id), the values' own bytes, and what _after writes. Both return the place behind. */
static inline uint8_t *
vmx_vector_write_before(const vmx_vector_item *item, uint8_t *at)
{
    at = vmx_field_begin(at, VMX_UPSERT_VECTORS, item->size);
    if (item->id.len > 0)
        at = vmx_field_write(at, VMX_VECTOR_ID, item->id.ptr, item->id.len);
    return item->values.len > 0 ? vmx_field_begin(at, VMX_VECTOR_VALUES, vmx_vector_values_bytes(item)) : at;
}

static inline uint8_t *
vmx_vector_write_after(const vmx_vector_item *item, uint8_t *at)
{
    if (item->metadata.ptr != NULL)
        at = vmx_field_write(at, VMX_VECTOR_METADATA, item->metadata.ptr, item->metadata.len);
    return item->sparse.len > 0 ? vmx_sparse_write(at, VMX_VECTOR_SPARSE, item->sparse, item->sparse_size) : at;
}

/*
 * What vectors of nothing but an id and values have in common where these have the same lengths: a record is `head`, the
 * id, `middle`, the values.
 */
typedef struct vmx_vector_frame {
    size_t id_len, values_len;
    uint8_t head[8], middle[8];
    size_t head_len, middle_len;
} vmx_vector_frame;

/* Neither is 0. */
void
vmx_vector_frame_init(vmx_vector_frame *frame, size_t id_len, size_t values_len);

static inline bool
vmx_vector_frame_fits(const vmx_vector_frame *frame, size_t id_len, size_t values_len)
{
    return frame->id_len == id_len && frame->values_len == values_len;
}

/* Bytes before the values. */
static inline size_t
vmx_vector_frame_bytes(const vmx_vector_frame *frame)
{
    return frame->head_len + frame->id_len + frame->middle_len;
}

/* Writes those bytes; returns the place behind. */
static inline uint8_t *
vmx_vector_frame_write(const vmx_vector_frame *frame, const char *id, uint8_t *at)
{
    at = vmx_copy_few(at, frame->head, frame->head_len);
    at = vmx_copy_few(at, id, frame->id_len);
    return vmx_copy_few(at, frame->middle, frame->middle_len);
}

/* The request's last field; nothing for an empty name. Its size is vmx_vectors_fit's for no items. */
uint8_t *
vmx_namespace_write(vmx_str name_space, uint8_t *at);
size_t
vmx_namespace_size(vmx_str name_space);

#endif
