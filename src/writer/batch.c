#include "writer/batch.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

/* Slabs grow with the batch, so that a few small records take little. */
#define MIN_SLAB_BYTES (16 * 1024)
#define MAX_SLAB_BYTES (256 * 1024)
#define SMALL_SLABS    8

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

/* A lent record is two pieces, the end of one run and the values; else there is a piece to a slab. */
static size_t
pieces_for(size_t capacity, size_t max_bytes, bool lent)
{
    size_t slabs = max_bytes / MAX_SLAB_BYTES + SMALL_SLABS;
    return (lent ? 2 * capacity : capacity) + slabs;
}

size_t
vmx_batch_own_bytes(const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent)
{
    size_t capacity = capacity_for(first, max_vectors, max_bytes);
    return sizeof(vmx_batch) + capacity * (sizeof(vmx_entry) + ID_BYTES) +
           pieces_for(capacity, max_bytes, lent) * sizeof(vmx_slice);
}

vmx_batch *
vmx_batch_new(vmx_memory *memory, const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent)
{
    vmx_batch *batch = vmx_calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->capacity = capacity_for(first, max_vectors, max_bytes);
    batch->piece_capacity = pieces_for(batch->capacity, max_bytes, lent);
    batch->entries = vmx_calloc(batch->capacity, sizeof *batch->entries);
    batch->pieces = vmx_calloc(batch->piece_capacity, sizeof *batch->pieces);
    if (batch->entries != NULL && batch->pieces != NULL) {
        batch->memory = memory;
        batch->own_bytes = vmx_batch_own_bytes(first, max_vectors, max_bytes, lent);
        return batch;
    }
    vmx_dealloc(batch->entries);
    vmx_dealloc(batch->pieces);
    vmx_dealloc(batch);
    return NULL;
}

void
vmx_batch_free(vmx_batch *batch)
{
    for (size_t i = 0; i < batch->piece_count; i++)
        vmx_block_release(batch->pieces[i].block);
    vmx_block_release(batch->slab);
    vmx_memory_release(batch->memory, batch->own_bytes);
    vmx_dealloc(batch->entries);
    vmx_dealloc(batch->pieces);
    vmx_dealloc(batch->followers);
    vmx_dealloc(batch);
}

/* --- filling ------------------------------------------------------------------------------------------------------- */

static size_t
values_bytes(const vmx_row *row)
{
    return row->item.values.len * sizeof(float);
}

static bool
is_referenced(const vmx_row *row, const vmx_block *lender)
{
    return lender != NULL && values_bytes(row) >= VMX_REFERENCE_MIN_BYTES;
}

size_t
vmx_batch_copied_bytes(const vmx_row *row, const vmx_block *lender)
{
    return vmx_row_bytes(row) - (is_referenced(row, lender) ? values_bytes(row) : 0);
}

bool
vmx_batch_has_place(const vmx_batch *batch)
{
    return batch->count < batch->capacity && batch->piece_count + 3 <= batch->piece_capacity;
}

bool
vmx_batch_has_room(const vmx_batch *batch, size_t copied_bytes)
{
    return batch->slab != NULL && (size_t)(batch->slab_end - batch->at) >= copied_bytes;
}

size_t
vmx_batch_slab_bytes(const vmx_batch *batch, size_t copied_bytes, size_t max_bytes)
{
    size_t left = max_bytes > batch->size_bytes ? max_bytes - batch->size_bytes : 0;
    size_t wanted = batch->size_bytes < MIN_SLAB_BYTES ? MIN_SLAB_BYTES : batch->size_bytes;
    if (wanted > MAX_SLAB_BYTES)
        wanted = MAX_SLAB_BYTES;
    if (wanted > left)
        wanted = left;
    return wanted > copied_bytes ? wanted : copied_bytes;
}

bool
vmx_batch_add_slab(vmx_batch *batch, size_t slab_bytes)
{
    uint8_t *data;
    vmx_block *slab = vmx_memory_block_new(batch->memory, slab_bytes, &data);
    if (slab == NULL)
        return false;
    vmx_block_release(batch->slab);
    batch->slab = slab;
    batch->at = data;
    batch->slab_end = data + slab_bytes;
    return true;
}

static void
add_piece(vmx_batch *batch, const uint8_t *data, size_t len, vmx_block *block)
{
    batch->pieces[batch->piece_count++] = (vmx_slice){data, len, vmx_block_acquire(block)};
}

/* Bytes up to `end` were written into the slab: they lengthen the last piece, or begin a new one. */
static void
take_written(vmx_batch *batch, uint8_t *end)
{
    size_t len = (size_t)(end - batch->at);
    vmx_slice *last = batch->piece_count > 0 ? &batch->pieces[batch->piece_count - 1] : NULL;
    if (len > 0 && last != NULL && last->block == batch->slab && last->data + last->len == batch->at)
        last->len += len;
    else if (len > 0)
        add_piece(batch, batch->at, len, batch->slab);
    batch->at = end;
}

/* Where the next written byte goes. */
static void
mark_start(const vmx_batch *batch, vmx_entry *entry)
{
    const vmx_slice *last = batch->piece_count > 0 ? &batch->pieces[batch->piece_count - 1] : NULL;
    bool goes_on = last != NULL && last->block == batch->slab && last->data + last->len == batch->at;
    entry->piece = (uint32_t)(goes_on ? batch->piece_count - 1 : batch->piece_count);
    entry->offset = goes_on ? (uint32_t)last->len : 0;
}

void
vmx_batch_append(vmx_batch *batch, const vmx_row_codec *codec, const vmx_row *row, vmx_block *lender, uint64_t id_hash,
                 uint64_t now_us)
{
    vmx_entry *entry = &batch->entries[batch->count++];
    *entry = (vmx_entry){
        .id_hash = id_hash,
        .taken_us = now_us,
        .size = (uint32_t)vmx_row_bytes(row),
        .before_bytes = (uint32_t)row->before_bytes,
        .values_bytes = (uint32_t)values_bytes(row),
    };
    mark_start(batch, entry);
    take_written(batch, codec->write_before(row, batch->at));
    if (is_referenced(row, lender)) {
        add_piece(batch, (const uint8_t *)row->item.values.ptr, values_bytes(row), lender);
    } else if (row->item.values.len > 0) {
        memcpy(batch->at, row->item.values.ptr, values_bytes(row));
        take_written(batch, batch->at + values_bytes(row));
    }
    take_written(batch, codec->write_after(row, batch->at));
    batch->size_bytes += entry->size;
    batch->unsettled++;
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
    batch->closed = true;
    batch->slab = vmx_block_release(batch->slab);
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* Walks the pieces of a run of records. */
typedef struct walk {
    const vmx_batch *batch;
    size_t piece;
    size_t offset;
    size_t left_bytes;
} walk;

static walk
walk_of(const vmx_batch *batch, size_t from, size_t to)
{
    const vmx_entry *first = &batch->entries[from];
    return (walk){batch, first->piece, first->offset, vmx_batch_bytes(batch, from, to)};
}

/* The next stretch of bytes; false at the end. */
static bool
next_stretch(walk *w, vmx_slice *stretch)
{
    if (w->left_bytes == 0)
        return false;
    const vmx_slice *piece = &w->batch->pieces[w->piece];
    size_t len = piece->len - w->offset < w->left_bytes ? piece->len - w->offset : w->left_bytes;
    *stretch = (vmx_slice){piece->data + w->offset, len, piece->block};
    w->left_bytes -= len;
    w->offset = 0;
    w->piece++;
    return true;
}

size_t
vmx_batch_bytes(const vmx_batch *batch, size_t from, size_t to)
{
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

/* The run's stretches, and its views where they are wanted, in `scratch`; false when memory is out. */
static bool
gather(const vmx_batch *batch, size_t from, size_t to, bool columns, vmx_arena *scratch, vmx_rows *rows)
{
    vmx_slice stretch;
    size_t count = 0;
    for (walk w = walk_of(batch, from, to); next_stretch(&w, &stretch);)
        count++;
    vmx_slice *slices = vmx_arena_calloc(scratch, count, sizeof *slices);
    vmx_row_view *views = columns ? vmx_arena_calloc(scratch, to - from, sizeof *views) : NULL;
    if (slices == NULL || (columns && views == NULL))
        return false;
    *rows = (vmx_rows){.count = to - from, .slices = slices, .slice_count = count, .views = views};
    walk w = walk_of(batch, from, to);
    for (size_t i = 0; i < count && next_stretch(&w, &slices[i]); i++)
        rows->size_bytes += slices[i].len;
    for (size_t i = from; columns && i < to; i++)
        views[i - from] = vmx_batch_view(batch, i);
    return true;
}

vmx_status
vmx_batch_message(const vmx_batch *batch, size_t from, size_t to, const vmx_row_codec *codec,
                  const vmx_row_target *target, vmx_message *message, vmx_error *error)
{
    vmx_rows rows;
    vmx_arena scratch = {0};
    vmx_status status = VMX_OK;
    if (gather(batch, from, to, codec->columns, &scratch, &rows))
        status = codec->compose(target, &rows, message, error);
    else
        status = vmx_error_no_memory(error);
    vmx_arena_reset(&scratch);
    return status;
}
