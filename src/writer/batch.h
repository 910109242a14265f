/*
 * writer/batch.h: records, encoded, in the order they were taken.
 *
 * The bytes lie in slabs of the client's memory budget, or with the caller who lends them; each is written once and never
 * moved. A batch is sent whole, or, when the server calls it invalid, in parts: any run of its records becomes a request
 * that references the same bytes, by one reference on the batch, which is the block of all of them. Not thread safe: the
 * writer's lock guards it, but a closed batch's bytes may be read by anyone who holds a reference.
 */
#ifndef VMX_WRITER_BATCH_H
#define VMX_WRITER_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/memory.h"
#include "engine/row.h"

/* A record that was measured, on its way into a batch. */
typedef struct vmx_measured {
    vmx_row row;                   /* all of it, or, with a frame, its id, values and sizes */
    const vmx_vector_frame *frame; /* NULL: the codec writes the row */
    size_t bytes;                  /* of the row; copied into the batch are: */
    size_t copied_bytes;
    uint64_t id_hash;
    bool unseen; /* its values are looked at when they are copied */
} vmx_measured;

/* One in the batch. */
typedef struct vmx_entry {
    uint64_t id_hash;
    uint64_t taken_us;
    uint32_t size; /* of the whole row; before the values, and of them, are: */
    uint32_t before_bytes, values_bytes;
    uint32_t piece;  /* where it begins: pieces[piece] ... */
    uint32_t offset; /* ... at this byte */
} vmx_entry;

typedef struct vmx_batch vmx_batch;

struct vmx_batch {
    vmx_block block; /* first: the writer and each message hold a reference */
    vmx_memory *memory;
    size_t own_bytes; /* reserved for the struct and its arrays */
    uint64_t seq;
    uint64_t first;   /* sequence number of the first record; the others follow it */
    size_t dimension; /* of every record */
    /* Where the bytes are, all with the batch as their block. What was written into the slab becomes a piece when something
     * else follows it, or the batch is closed. */
    vmx_slice *pieces;
    size_t piece_count, piece_capacity;
    vmx_block **held; /* whose bytes those are: slabs and lenders, with a reference on each */
    size_t held_count, held_capacity;
    const vmx_block *lender; /* the last one that is held */
    vmx_entry *entries;
    size_t count, capacity;
    size_t size_bytes; /* encoded records */
    uint8_t *run;      /* first byte of the slab being filled that is in no piece yet; NULL: there is no slab */
    uint8_t *at, *slab_end;

    /* the writer's */
    size_t refs;      /* sends, reports and dead letters that read it, and the writer's list */
    size_t unsettled; /* records without an outcome */
    bool closed;
    uint64_t linger_us;           /* when it is closed at the latest */
    size_t blockers;              /* earlier batches that must be settled first: they hold the same ids */
    struct vmx_send *send;        /* of all of it, until it is ready: it is closed, and has no blockers */
    struct vmx_batch **followers; /* those that it blocks */
    size_t follower_count, follower_capacity;
    struct vmx_batch *prev, *next; /* unsettled batches, oldest first */
};

/* What a batch for records like `first` takes of the budget before its first slab. */
size_t
vmx_batch_own_bytes(const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent);

/* Makes one; its own bytes have been reserved. NULL when memory is out (the reservation stays the caller's). */
vmx_batch *
vmx_batch_new(vmx_memory *memory, const vmx_row *first, size_t max_vectors, size_t max_bytes, bool lent);

/* Undoes vmx_batch_new; NULL is allowed. */
void
vmx_batch_discard(vmx_batch *batch);

/* The writer's reference: the batch goes when no message holds its bytes any more. */
void
vmx_batch_free(vmx_batch *batch);

/* Whether the row's values stay where they are. */
static inline bool
vmx_batch_references(const vmx_row *row, const vmx_block *lender)
{
    return vmx_values_are_referenced(vmx_vector_values_bytes(&row->item), lender);
}

/* Bytes of the row that are copied into the batch. */
static inline size_t
vmx_batch_copied_bytes(const vmx_row *row, const vmx_block *lender)
{
    size_t bytes = vmx_row_bytes(row);
    return vmx_batch_references(row, lender) ? bytes - vmx_vector_values_bytes(&row->item) : bytes;
}

/* Whether another record has room in the arrays: its pieces are the end of a slab, bytes before the values, the values,
 * and those behind them; a slab and a lender may be new. */
static inline bool
vmx_batch_has_place(const vmx_batch *batch)
{
    return batch->count < batch->capacity && batch->piece_count + 4 <= batch->piece_capacity &&
           batch->held_count + 2 <= batch->held_capacity;
}

/* Whether the slab has room for so many bytes. */
static inline bool
vmx_batch_has_room(const vmx_batch *batch, size_t copied_bytes)
{
    return (size_t)(batch->slab_end - batch->at) >= copied_bytes;
}

/* How large the next slab should be, for a record of so many copied bytes in a batch that may grow to `max_bytes`. */
size_t
vmx_batch_slab_bytes(const vmx_batch *batch, vmx_memory *memory, size_t copied_bytes, size_t max_bytes);

/* Begins a slab of `slab_bytes`, for which vmx_memory_block_bytes have been reserved. False when memory is out. */
bool
vmx_batch_add_slab(vmx_batch *batch, size_t slab_bytes);

/* Encodes the record: there is a place and room. `lender` is that of its measuring. False if its values were unseen and are
 * not all finite: the batch is as it was. */
bool
vmx_batch_append(vmx_batch *batch, const vmx_row_codec *codec, const vmx_measured *record, vmx_block *lender,
                 uint64_t now_us);

/* `batch` may be sent only after `before`, which is older and unsettled. False when memory is out. */
bool
vmx_batch_follow(vmx_batch *before, vmx_batch *batch);

/* Closes the batch: nothing is appended any more. */
void
vmx_batch_close(vmx_batch *batch);

/* Composes the request of records [from, to) of a closed batch. Errors: the codec's. */
vmx_status
vmx_batch_message(vmx_batch *batch, size_t from, size_t to, const vmx_row_codec *codec, const vmx_row_target *target,
                  vmx_message *message, vmx_error *error);

/* Row `i` of a closed batch; borrowed from it. */
vmx_row_view
vmx_batch_view(const vmx_batch *batch, size_t i);

/* Encoded bytes of records [from, to). */
size_t
vmx_batch_bytes(const vmx_batch *batch, size_t from, size_t to);

#endif
