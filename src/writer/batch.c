#include "writer/batch.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "engine/finite.h"

/* Slabs grow with the batch, so that a few small records take little, unless a large one is there to serve again. Of
 * records of more than an eighth of it so little would fit that a larger one is made. */
#define MIN_SLAB_BYTES  (16 * 1024)
#define SLAB_BYTES      VMX_MEMORY_KEPT_BYTES
#define WIDE_SLAB_BYTES (2 * SLAB_BYTES)
#define SMALL_SLABS     8

/* What a record takes in the table of ids (writer/ids.h), kept half empty. */
#define ID_BYTES 32

/* --- size and life ------------------------------------------------------------------------------------------------- */

/* How many records like the first one a batch may come to hold. */
static size_t
capacity_for(const vmx_row *first, size_t max_vectors, size_t max_bytes)
{
    size_t by_bytes = max_bytes / vmx_row_bytes(first) + 1;
    return by_bytes < max_vectors ? by_bytes : max_vectors;
}

static size_t
slabs_for(size_t max_bytes)
{
    return max_bytes / (SLAB_BYTES / 2) + SMALL_SLABS;
}

/* A lent record is two pieces, the end of one run and the values; else there is a piece to a slab. */
static size_t
pieces_for(size_t capacity, size_t max_bytes, bool lent)
{
    return (lent ? 2 * capacity : capacity) + slabs_for(max_bytes);
}

/* Each record may have another lender, or, where all are copied, be too large for what is left of a slab. */
static size_t
held_for(size_t capacity, size_t max_bytes)
{
    return capacity + slabs_for(max_bytes);
}

size_t
vmx_batch_own_bytes(const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent)
{
    size_t capacity = capacity_for(first, max_vectors, max_bytes);
    return sizeof(vmx_batch) + capacity * (sizeof(vmx_entry) + ID_BYTES) +
           pieces_for(capacity, max_bytes, lent) * sizeof(vmx_slice) +
           held_for(capacity, max_bytes) * sizeof(vmx_block *);
}

static void
free_arrays(vmx_batch *batch)
{
    vmx_dealloc(batch->entries);
    vmx_dealloc(batch->pieces);
    vmx_dealloc(batch->held);
    vmx_dealloc(batch->followers);
}

/* What was reserved is given back while the slabs keep the budget alive. */
static void
release_batch(vmx_block *block)
{
    vmx_batch *batch = (vmx_batch *)block;
    vmx_memory_release(batch->memory, batch->own_bytes);
    for (size_t i = 0; i < batch->held_count; i++)
        vmx_block_release(batch->held[i]);
    free_arrays(batch);
    vmx_dealloc(batch);
}

vmx_batch *
vmx_batch_new(vmx_memory *memory, const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent)
{
    vmx_batch *batch = vmx_calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->block.release = release_batch;
    atomic_init(&batch->block.refs, 1);
    batch->capacity = capacity_for(first, max_vectors, max_bytes);
    batch->piece_capacity = pieces_for(batch->capacity, max_bytes, lent);
    batch->held_capacity = held_for(batch->capacity, max_bytes);
    batch->entries = vmx_alloc(batch->capacity * sizeof *batch->entries);
    batch->pieces = vmx_alloc(batch->piece_capacity * sizeof *batch->pieces);
    batch->held = vmx_alloc(batch->held_capacity * sizeof *batch->held);
    if (batch->entries != NULL && batch->pieces != NULL && batch->held != NULL) {
        batch->memory = memory;
        batch->own_bytes = vmx_batch_own_bytes(first, max_vectors, max_bytes, lent);
        return batch;
    }
    vmx_batch_discard(batch);
    return NULL;
}

void
vmx_batch_discard(vmx_batch *batch)
{
    if (batch == NULL)
        return;
    free_arrays(batch);
    vmx_dealloc(batch);
}

void
vmx_batch_free(vmx_batch *batch)
{
    vmx_block_release(&batch->block);
}

/* --- filling ------------------------------------------------------------------------------------------------------- */

/* A slab that is to be kept is whole, be it at the end of a batch. */
size_t
vmx_batch_slab_bytes(const vmx_batch *batch, vmx_memory *memory, size_t copied_bytes, size_t max_bytes)
{
    bool wide = copied_bytes > SLAB_BYTES / 8;
    size_t left = max_bytes > batch->size_bytes ? max_bytes - batch->size_bytes : 0;
    size_t wanted = batch->size_bytes < MIN_SLAB_BYTES ? MIN_SLAB_BYTES : batch->size_bytes;
    if (!wide && (wanted >= SLAB_BYTES || vmx_memory_keeps_block(memory)))
        return SLAB_BYTES;
    if (wanted > WIDE_SLAB_BYTES)
        wanted = WIDE_SLAB_BYTES;
    if (wanted > left)
        wanted = left;
    return wanted > copied_bytes ? wanted : copied_bytes;
}

static inline void
add_piece(vmx_batch *batch, const uint8_t *data, size_t len)
{
    batch->pieces[batch->piece_count++] = (vmx_slice){data, len, &batch->block};
}

/* What was written into the slab becomes a piece. */
static inline void
end_run(vmx_batch *batch)
{
    if (batch->at > batch->run)
        add_piece(batch, batch->run, (size_t)(batch->at - batch->run));
    batch->run = batch->at;
}

bool
vmx_batch_add_slab(vmx_batch *batch, size_t slab_bytes)
{
    uint8_t *data;
    vmx_block *slab = vmx_memory_block_new(batch->memory, slab_bytes, &data);
    if (slab == NULL)
        return false;
    end_run(batch);
    batch->held[batch->held_count++] = slab;
    batch->run = batch->at = data;
    batch->slab_end = data + slab_bytes;
    return true;
}

/* The entry of a record that begins here; it counts when the record is written. */
static inline void
note_entry(vmx_batch *batch, const vmx_measured *record, uint64_t now_us)
{
    batch->entries[batch->count] = (vmx_entry){
        .id_hash = record->id_hash,
        .taken_us = now_us,
        .size = (uint32_t)record->bytes,
        .before_bytes = (uint32_t)record->row.before_bytes,
        .values_bytes = (uint32_t)vmx_vector_values_bytes(&record->row.item),
        .piece = (uint32_t)batch->piece_count,
        .offset = (uint32_t)(batch->at - batch->run),
    };
}

/* Vectors that are lent together have one lender, which is held once. */
static inline void
reference_values(vmx_batch *batch, const vmx_measured *record, vmx_block *lender)
{
    end_run(batch);
    add_piece(batch, (const uint8_t *)record->row.item.values.ptr, vmx_vector_values_bytes(&record->row.item));
    if (lender != batch->lender)
        batch->held[batch->held_count++] = vmx_block_acquire(lender);
    batch->lender = lender;
}

/* False if they were unseen and are not all finite. */
static inline bool
copy_values(vmx_batch *batch, const vmx_measured *record)
{
    vmx_floats values = record->row.item.values;
    uint8_t *at = batch->at;
    batch->at += values.len * sizeof(float);
    if (record->unseen)
        return !vmx_copy_not_finite(at, values.ptr, values.len);
    if (values.len > 0)
        memcpy(at, values.ptr, values.len * sizeof(float));
    return true;
}

bool
vmx_batch_append(vmx_batch *batch, const vmx_row_codec *codec, const vmx_measured *record, vmx_block *lender,
                 uint64_t now_us)
{
    const vmx_vector_frame *frame = record->frame;
    uint8_t *begin = batch->at;
    note_entry(batch, record, now_us);
    batch->at = frame != NULL ? vmx_vector_frame_write(frame, record->row.item.id.ptr, begin)
                              : codec->write_before(&record->row, begin);
    if (record->copied_bytes < record->bytes) {
        reference_values(batch, record, lender);
    } else if (!copy_values(batch, record)) {
        batch->at = begin;
        return false;
    }
    if (frame == NULL)
        batch->at = codec->write_after(&record->row, batch->at);
    batch->size_bytes += record->bytes;
    batch->count++;
    batch->unsettled++;
    return true;
}

/* Batches are filled one after the other: if it follows already, it is the last follower. */
bool
vmx_batch_follow(vmx_batch *before, vmx_batch *batch)
{
    size_t count = before->follower_count;
    if (count > 0 && before->followers[count - 1] == batch)
        return true;
    if (count == before->follower_capacity) {
        size_t capacity = count > 0 ? 2 * count : 4;
        vmx_batch **larger = vmx_realloc(before->followers, capacity * sizeof *larger);
        if (larger == NULL)
            return false;
        before->followers = larger;
        before->follower_capacity = capacity;
    }
    before->followers[before->follower_count++] = batch;
    batch->blockers++;
    return true;
}

void
vmx_batch_close(vmx_batch *batch)
{
    end_run(batch);
    batch->closed = true;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

size_t
vmx_batch_bytes(const vmx_batch *batch, size_t from, size_t to)
{
    if (to - from == batch->count)
        return batch->size_bytes;
    size_t bytes = 0;
    for (size_t i = from; i < to; i++)
        bytes += batch->entries[i].size;
    return bytes;
}

/* Where a row's bytes go on. */
typedef struct place {
    size_t piece;
    size_t offset;
} place;

/* The next `len` bytes, which were written or lent in one go: they lie in one piece. */
static vmx_slice
take_part(const vmx_batch *batch, place *at, size_t len)
{
    if (len == 0)
        return (vmx_slice){0};
    const vmx_slice *piece = &batch->pieces[at->piece];
    if (at->offset == piece->len) {
        piece = &batch->pieces[++at->piece];
        at->offset = 0;
    }
    vmx_slice part = {piece->data + at->offset, len, piece->block};
    at->offset += len;
    return part;
}

vmx_row_view
vmx_batch_view(const vmx_batch *batch, size_t i)
{
    const vmx_entry *entry = &batch->entries[i];
    place at = {entry->piece, entry->offset};
    vmx_row_view view;
    view.before = take_part(batch, &at, entry->before_bytes);
    view.values = take_part(batch, &at, entry->values_bytes);
    view.after = take_part(batch, &at, entry->size - entry->before_bytes - entry->values_bytes);
    return view;
}

/* The run's views; NULL when memory is out. */
static const vmx_row_view *
gather_views(const vmx_batch *batch, size_t from, size_t to, vmx_arena *scratch)
{
    vmx_row_view *views = vmx_arena_calloc(scratch, to - from, sizeof *views);
    for (size_t i = from; views != NULL && i < to; i++)
        views[i - from] = vmx_batch_view(batch, i);
    return views;
}

vmx_status
vmx_batch_message(vmx_batch *batch, size_t from, size_t to, const vmx_row_codec *codec, const vmx_row_target *target,
                  vmx_message *message, vmx_error *error)
{
    const vmx_entry *first = &batch->entries[from];
    vmx_arena scratch = {0};
    vmx_rows rows = {
        .count = to - from,
        .size_bytes = vmx_batch_bytes(batch, from, to),
        .slices = batch->pieces + first->piece,
        .slice_count = (to < batch->count ? batch->entries[to].piece + 1 : batch->piece_count) - first->piece,
        .skip_bytes = first->offset,
        .whole = to - from == batch->count,
        .views = codec->columns ? gather_views(batch, from, to, &scratch) : NULL,
    };
    vmx_status status = VMX_OK;
    if (codec->columns && rows.views == NULL)
        status = vmx_error_no_memory(error);
    else
        status = codec->compose(target, &rows, message, error);
    vmx_arena_reset(&scratch);
    return status;
}
