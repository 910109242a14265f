/*
 * core/memory.h: one budget of bytes for everything that a client encodes.
 *
 * A reservation is made before the memory exists and given back when it is gone: for slices, when the last reference is
 * dropped, wherever that happens. Reservations that find no room wait in line, first come, first served; a later, smaller
 * one never overtakes. Thread safe. The budget outlives its client as long as blocks hold it.
 */
#ifndef VMX_CORE_MEMORY_H
#define VMX_CORE_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/types.h>

#include "core/slice.h"

typedef struct vmx_memory vmx_memory;

/* A place in line; its owner's memory. Zero-initialised it is out of line. */
typedef struct vmx_reservation {
    struct vmx_reservation *prev, *next;
    size_t bytes;
    bool queued;
    bool granted;
} vmx_reservation;

/* Hears when somebody begins to wait (whoever holds memory that it could let go of should), and, if it wants to, when
 * room has returned. Part of a larger struct. */
typedef struct vmx_memory_listener {
    struct vmx_memory_listener *prev, *next;
    _Atomic bool wants_room; /* vmx_memory_want_room */
    /* Any thread, without the budget's lock; must not block, nor listen or unlisten. */
    void (*kick)(struct vmx_memory_listener *listener);
} vmx_memory_listener;

/* `changed(user)` is called, without the lock, when reservations in line have been granted. NULL when memory is out. */
vmx_memory *
vmx_memory_new(size_t limit_bytes, void (*changed)(void *user), void *user);

/* The client is going: when this returns `changed` is not running and is not called any more. Drops the client's
 * reference. */
void
vmx_memory_detach(vmx_memory *memory);

/* For what outlives the client: a block, or whoever gives bytes back later. */
void
vmx_memory_acquire(vmx_memory *memory);
void
vmx_memory_unref(vmx_memory *memory);

void
vmx_memory_listen(vmx_memory *memory, vmx_memory_listener *listener);
/* When it returns no kick is running. */
void
vmx_memory_unlisten(vmx_memory *memory, vmx_memory_listener *listener);

/* One kick when memory is next given back, or somebody leaves the line without any. */
void
vmx_memory_want_room(vmx_memory_listener *listener);

/* Reserves now, or not at all: not past those who wait. */
bool
vmx_memory_try(vmx_memory *memory, size_t bytes);

/* Reserves now (true) or takes a place in line. `bytes` is at most the limit. */
bool
vmx_memory_queue(vmx_memory *memory, vmx_reservation *reservation, size_t bytes);

bool
vmx_memory_is_granted(vmx_memory *memory, vmx_reservation *reservation);

/* Leaves the line; a reservation that was granted meanwhile is given back. */
void
vmx_memory_cancel(vmx_memory *memory, vmx_reservation *reservation);

void
vmx_memory_release(vmx_memory *memory, size_t bytes);

size_t
vmx_memory_limit(const vmx_memory *memory);

/* The most that anybody can be granted: what is kept for files stays for long. */
size_t
vmx_memory_most(vmx_memory *memory);

/* What reserved bytes are for. What nobody has given a kind is a writer's: its batches come and go too often to be
 * counted apart. */
typedef enum vmx_memory_kind {
    VMX_MEMORY_UPSERT, /* requests: vmx_memory_hold */
    VMX_MEMORY_BUILD,
    VMX_MEMORY_FILE,
    VMX_MEMORY_KINDS
} vmx_memory_kind;

/* Reserved bytes get a kind, and lose it before they are given back. */
void
vmx_memory_assign(vmx_memory *memory, vmx_memory_kind kind, size_t bytes);
void
vmx_memory_unassign(vmx_memory *memory, vmx_memory_kind kind, size_t bytes);

typedef struct vmx_memory_figures {
    size_t limit_bytes, used_bytes, peak_bytes, waiting;
    size_t kind_bytes[VMX_MEMORY_KINDS]; /* of used_bytes */
    size_t writer_bytes;                 /* the rest of them */
    size_t kept_bytes;                   /* beside used_bytes: blocks that were released, and wait to serve again */
} vmx_memory_figures;

void
vmx_memory_read(vmx_memory *memory, vmx_memory_figures *figures);

/* What vmx_memory_block_new counts for a block of `size_bytes`. */
size_t
vmx_memory_block_bytes(size_t size_bytes);

/*
 * Blocks of this size are kept when they are released, and serve again, the last one first: a bulk load then neither asks
 * the kernel for fresh pages all the time nor writes into memory that is in no cache. They go when none is in use and
 * nobody is about to fill one: the load has ended, or waits. What is kept and what is in use are within the limit
 * together: a reservation that needs the room gets it.
 */
#define VMX_MEMORY_KEPT_BYTES ((size_t)128 * 1024)

/* Between them blocks are kept though none is in use: somebody fills them, or waits until he may. Any thread; `bytes` were
 * reserved, and are given back. */
void
vmx_memory_begin_filling(vmx_memory *memory);
void
vmx_memory_end_filling(vmx_memory *memory, size_t bytes);

/* Whether a block of that size is there. It may be gone a moment later. */
bool
vmx_memory_keeps_block(vmx_memory *memory);

/*
 * A block whose bytes (vmx_memory_block_bytes) have been reserved; they are given back when it is released. NULL when
 * memory is out: the reservation is still the caller's.
 */
vmx_block *
vmx_memory_block_new(vmx_memory *memory, size_t size_bytes, uint8_t **data);

/*
 * For a message that was made outside the budget: `bytes`, which have been reserved, are given back when nobody holds one
 * of its slices any more, but for those of `lender` (NULL: none), whose memory is not ours. False when memory is out: the
 * message is as it was, and the reservation is still the caller's.
 */
bool
vmx_memory_hold(vmx_memory *memory, vmx_message *message, const vmx_block *lender, size_t bytes);

#endif
