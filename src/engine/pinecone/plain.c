#include "engine/pinecone/plain.h"

#include "core/alloc.h"
#include "engine/check.h"
#include "wire/vector_encoder.h"

/* What the first walk finds. */
typedef struct plain_size {
    size_t values_bytes; /* of each vector */
    size_t size_bytes;   /* of the request */
    bool referenced;
} plain_size;

/* Where the second one is. */
typedef struct plain_writer {
    vmx_block *block;
    uint8_t *run; /* first byte of the block that is in no slice yet */
    uint8_t *at;
    vmx_slice *next;        /* of the message's, to be filled */
    vmx_vector_frame frame; /* of the vector before; it fits most */
} plain_writer;

static inline const vmx_vector_frame *
frame_for(vmx_vector_frame *frame, const vmx_vector *vector)
{
    if (!vmx_vector_frame_fits(frame, vector->id.len, vector->values.len))
        vmx_vector_frame_init(frame, vector->id.len, vector->values.len);
    return frame;
}

static bool
measure(const vmx_vectors *vectors, const vmx_limits *limits, vmx_str name_space, const vmx_block *lender,
        plain_size *size)
{
    if (vectors->count == 0 || vectors->count > limits->upsert_vectors)
        return false;
    vmx_vector room;
    vmx_vector_frame frame = {0};
    size_t dimension = vmx_vectors_item(vectors, 0, &room)->values.len;
    size_t bytes = vmx_namespace_size(name_space);
    size->values_bytes = dimension * sizeof(float);
    for (size_t i = 0; i < vectors->count; i++) {
        const vmx_vector *vector = vmx_vectors_item(vectors, i, &room);
        if (!vmx_vector_is_plain(vector) || vector->values.len != dimension)
            return false;
        bytes += vmx_vector_frame_bytes(frame_for(&frame, vector)) + size->values_bytes;
    }
    size->size_bytes = bytes;
    size->referenced = vmx_values_are_referenced(size->values_bytes, lender);
    return bytes <= limits->upsert_bytes;
}

/* The slices: two for each referenced vector, and the last run. */
static bool
begin(plain_writer *w, const plain_size *size, size_t count, vmx_block *lender, vmx_message *message)
{
    size_t lent_bytes = size->referenced ? count * size->values_bytes : 0;
    uint8_t *bytes;
    vmx_block *block = vmx_block_new(size->size_bytes - lent_bytes, &bytes);
    if (block == NULL)
        return false;
    *message = (vmx_message){.size_bytes = size->size_bytes, .shared = {block}};
    message->slices = size->referenced ? vmx_alloc((2 * count + 1) * sizeof *message->slices) : message->few;
    if (message->slices == NULL) {
        vmx_block_release(block);
        *message = (vmx_message){0};
        return false;
    }
    if (size->referenced)
        message->shared[1] = vmx_block_acquire(lender);
    *w = (plain_writer){.block = block, .run = bytes, .at = bytes, .next = message->slices};
    return true;
}

static inline void
end_run(plain_writer *w)
{
    *w->next++ = (vmx_slice){w->run, (size_t)(w->at - w->run), w->block};
    w->run = w->at;
}

/* What is copied is looked at on the way. */
static inline bool
copy(plain_writer *w, vmx_floats values)
{
    uint8_t *to = w->at;
    w->at += values.len * sizeof(float);
    return !vmx_copy_not_finite(to, values.ptr, values.len);
}

static inline bool
reference(plain_writer *w, vmx_floats values, vmx_block *lender)
{
    end_run(w);
    *w->next++ = (vmx_slice){(const uint8_t *)values.ptr, values.len * sizeof(float), lender};
    return !vmx_any_not_finite(values.ptr, values.len);
}

/* False: a value is not finite. */
static bool
write_all(plain_writer *w, const vmx_vectors *vectors, vmx_block *lender)
{
    bool sound = true;
    for (size_t i = 0; i < vectors->count && sound; i++) {
        vmx_vector room;
        const vmx_vector *vector = vmx_vectors_item(vectors, i, &room);
        w->at = vmx_vector_frame_write(frame_for(&w->frame, vector), vector->id.ptr, w->at);
        sound = lender != NULL ? reference(w, vector->values, lender) : copy(w, vector->values);
    }
    return sound;
}

bool
vmx_plain_encode(const vmx_vectors *vectors, const vmx_limits *limits, vmx_str name_space, vmx_block *lender,
                 vmx_message *message)
{
    plain_size size;
    plain_writer w;
    if (!measure(vectors, limits, name_space, lender, &size) || !begin(&w, &size, vectors->count, lender, message))
        return false;
    bool sound = write_all(&w, vectors, size.referenced ? lender : NULL);
    w.at = vmx_namespace_write(name_space, w.at);
    if (w.at > w.run)
        end_run(&w);
    message->count = (size_t)(w.next - message->slices);
    if (!sound)
        vmx_message_clear(message);
    return sound;
}
