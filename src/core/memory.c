#include "core/memory.h"

#include <stdalign.h>

#include "core/alloc.h"

typedef struct counted_block counted_block;

struct counted_block {
    vmx_block block; /* first */
    vmx_memory *memory;
    size_t bytes;
    counted_block *next; /* of kept ones */
    alignas(max_align_t) uint8_t data[];
};

struct vmx_memory {
    _Atomic size_t refs; /* the client, and one for each block */
    _Atomic size_t kind_bytes[VMX_MEMORY_KINDS];
    _Atomic size_t filling; /* who are between vmx_memory_begin_filling and end_filling */
    size_t limit_bytes;
    pthread_mutex_t lock;
    pthread_cond_t told; /* locked.telling has fallen */
    struct {
        size_t used_bytes;
        size_t peak_bytes;
        size_t waiting;
        counted_block *kept; /* the last one first */
        size_t kept_bytes;   /* which are not in used_bytes */
        size_t serving;      /* blocks of that size that are in use */
        vmx_reservation *head, *tail;
        vmx_memory_listener *listeners;
        void (*changed)(void *user);
        void *user;
        size_t telling; /* threads that call hooks; they walk the listeners without the lock */
    } locked;
};

vmx_memory *
vmx_memory_new(size_t limit_bytes, void (*changed)(void *user), void *user)
{
    vmx_memory *memory = vmx_calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    atomic_init(&memory->refs, 1);
    memory->limit_bytes = limit_bytes;
    memory->locked.changed = changed;
    memory->locked.user = user;
    pthread_mutex_init(&memory->lock, NULL);
    pthread_cond_init(&memory->told, NULL);
    return memory;
}

/* --- kept blocks --------------------------------------------------------------------------------------------------- */

static void
keep_locked(vmx_memory *memory, counted_block *block)
{
    block->next = memory->locked.kept;
    memory->locked.kept = block;
    memory->locked.kept_bytes += block->bytes;
}

/* NULL: none is kept. */
static counted_block *
take_kept_locked(vmx_memory *memory)
{
    counted_block *block = memory->locked.kept;
    if (block == NULL)
        return NULL;
    memory->locked.kept = block->next;
    memory->locked.kept_bytes -= block->bytes;
    return block;
}

/* Takes out those that there is no room for, or all when nobody needs them; for free_blocks. */
static counted_block *
take_surplus_locked(vmx_memory *memory)
{
    bool needed = memory->locked.serving > 0 || atomic_load(&memory->filling) > 0;
    size_t most = needed ? memory->limit_bytes - memory->locked.used_bytes : 0;
    counted_block *surplus = NULL;
    while (memory->locked.kept_bytes > most) {
        counted_block *block = take_kept_locked(memory);
        block->next = surplus;
        surplus = block;
    }
    return surplus;
}

/* Without the lock. */
static void
free_blocks(counted_block *blocks)
{
    while (blocks != NULL) {
        counted_block *next = blocks->next;
        vmx_dealloc(blocks);
        blocks = next;
    }
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

void
vmx_memory_acquire(vmx_memory *memory)
{
    atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
}

void
vmx_memory_unref(vmx_memory *memory)
{
    if (atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) != 1)
        return;
    free_blocks(memory->locked.kept);
    pthread_cond_destroy(&memory->told);
    pthread_mutex_destroy(&memory->lock);
    vmx_dealloc(memory);
}

static void
wait_until_told_locked(vmx_memory *memory)
{
    while (memory->locked.telling > 0)
        pthread_cond_wait(&memory->told, &memory->lock);
}

void
vmx_memory_detach(vmx_memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    memory->locked.changed = NULL;
    wait_until_told_locked(memory);
    pthread_mutex_unlock(&memory->lock);
    vmx_memory_unref(memory);
}

void
vmx_memory_listen(vmx_memory *memory, vmx_memory_listener *listener)
{
    pthread_mutex_lock(&memory->lock);
    listener->prev = NULL;
    listener->next = memory->locked.listeners;
    if (listener->next != NULL)
        listener->next->prev = listener;
    memory->locked.listeners = listener;
    pthread_mutex_unlock(&memory->lock);
}

void
vmx_memory_unlisten(vmx_memory *memory, vmx_memory_listener *listener)
{
    pthread_mutex_lock(&memory->lock);
    wait_until_told_locked(memory);
    if (listener->prev != NULL)
        listener->prev->next = listener->next;
    else
        memory->locked.listeners = listener->next;
    if (listener->next != NULL)
        listener->next->prev = listener->prev;
    pthread_mutex_unlock(&memory->lock);
}

/* --- with the lock held -------------------------------------------------------------------------------------------- */

static bool
take_locked(vmx_memory *memory, size_t bytes)
{
    if (bytes > memory->limit_bytes - memory->locked.used_bytes)
        return false;
    memory->locked.used_bytes += bytes;
    if (memory->locked.used_bytes > memory->locked.peak_bytes)
        memory->locked.peak_bytes = memory->locked.used_bytes;
    return true;
}

static void
unlink_locked(vmx_memory *memory, vmx_reservation *reservation)
{
    reservation->queued = false;
    memory->locked.waiting--;
    if (reservation->prev != NULL)
        reservation->prev->next = reservation->next;
    else
        memory->locked.head = reservation->next;
    if (reservation->next != NULL)
        reservation->next->prev = reservation->prev;
    else
        memory->locked.tail = reservation->prev;
}

static void
link_locked(vmx_memory *memory, vmx_reservation *reservation)
{
    reservation->queued = true;
    reservation->next = NULL;
    reservation->prev = memory->locked.tail;
    if (reservation->prev != NULL)
        reservation->prev->next = reservation;
    else
        memory->locked.head = reservation;
    memory->locked.tail = reservation;
    memory->locked.waiting++;
}

/* Grants from the head of the line while it fits; true if anything was granted. */
static bool
serve_locked(vmx_memory *memory)
{
    bool served = false;
    while (memory->locked.head != NULL && take_locked(memory, memory->locked.head->bytes)) {
        vmx_reservation *reservation = memory->locked.head;
        unlink_locked(memory, reservation);
        reservation->granted = true;
        served = true;
    }
    return served;
}

/* --- without it ---------------------------------------------------------------------------------------------------- */

bool
vmx_memory_try(vmx_memory *memory, size_t bytes)
{
    pthread_mutex_lock(&memory->lock);
    bool taken = memory->locked.head == NULL && take_locked(memory, bytes);
    counted_block *surplus = take_surplus_locked(memory);
    pthread_mutex_unlock(&memory->lock);
    free_blocks(surplus);
    return taken;
}

/* What the hooks are to be told, taken down under the lock. */
typedef struct news {
    vmx_memory_listener *listeners;
    bool pressure; /* somebody has begun to wait */
    bool room;     /* bytes were given back, or somebody has left the line */
    void (*changed)(void *user);
    void *user;
} news;

static news
begin_telling_locked(vmx_memory *memory, bool pressure, bool room, bool served)
{
    memory->locked.telling++;
    return (news){memory->locked.listeners, pressure, room, served ? memory->locked.changed : NULL,
                  memory->locked.user};
}

/* Calls the hooks, outside the lock. */
static void
tell(vmx_memory *memory, const news *what)
{
    for (vmx_memory_listener *listener = what->listeners; listener != NULL; listener = listener->next)
        if (what->pressure || (what->room && atomic_exchange(&listener->wants_room, false)))
            listener->kick(listener);
    if (what->changed != NULL)
        what->changed(what->user);
    pthread_mutex_lock(&memory->lock);
    memory->locked.telling--;
    pthread_cond_broadcast(&memory->told);
    pthread_mutex_unlock(&memory->lock);
}

bool
vmx_memory_queue(vmx_memory *memory, vmx_reservation *reservation, size_t bytes)
{
    pthread_mutex_lock(&memory->lock);
    reservation->bytes = bytes;
    reservation->granted = memory->locked.head == NULL && take_locked(memory, bytes);
    bool granted = reservation->granted;
    if (!granted)
        link_locked(memory, reservation);
    counted_block *surplus = take_surplus_locked(memory);
    news pressure = begin_telling_locked(memory, !granted, false, false);
    pthread_mutex_unlock(&memory->lock);
    free_blocks(surplus);
    tell(memory, &pressure);
    return granted;
}

bool
vmx_memory_is_granted(vmx_memory *memory, vmx_reservation *reservation)
{
    pthread_mutex_lock(&memory->lock);
    bool granted = reservation->granted;
    pthread_mutex_unlock(&memory->lock);
    return granted;
}

void
vmx_memory_want_room(vmx_memory_listener *listener)
{
    atomic_store(&listener->wants_room, true);
}

/* Serves the line, and tells of it. `room`: who found none before may find some now. `released`: NULL, or a block to keep,
 * whose bytes are those given back. */
static void
serve(vmx_memory *memory, size_t given_back_bytes, bool room, counted_block *released)
{
    pthread_mutex_lock(&memory->lock);
    memory->locked.used_bytes -= given_back_bytes;
    bool served = serve_locked(memory);
    if (released != NULL)
        keep_locked(memory, released);
    memory->locked.serving -= released != NULL;
    counted_block *surplus = take_surplus_locked(memory);
    bool quiet = !served && memory->locked.listeners == NULL;
    news what = {0};
    if (!quiet)
        what = begin_telling_locked(memory, false, room, served);
    pthread_mutex_unlock(&memory->lock);
    free_blocks(surplus);
    if (!quiet)
        tell(memory, &what);
}

/* Who leaves the line makes room too: nobody was let past. */
void
vmx_memory_cancel(vmx_memory *memory, vmx_reservation *reservation)
{
    pthread_mutex_lock(&memory->lock);
    size_t bytes = reservation->granted ? reservation->bytes : 0;
    if (reservation->queued)
        unlink_locked(memory, reservation);
    reservation->granted = false;
    pthread_mutex_unlock(&memory->lock);
    serve(memory, bytes, true, NULL);
}

void
vmx_memory_release(vmx_memory *memory, size_t bytes)
{
    serve(memory, bytes, bytes > 0, NULL);
}

size_t
vmx_memory_limit(const vmx_memory *memory)
{
    return memory->limit_bytes;
}

size_t
vmx_memory_most(vmx_memory *memory)
{
    return memory->limit_bytes - atomic_load(&memory->kind_bytes[VMX_MEMORY_FILE]);
}

void
vmx_memory_assign(vmx_memory *memory, vmx_memory_kind kind, size_t bytes)
{
    atomic_fetch_add(&memory->kind_bytes[kind], bytes);
}

void
vmx_memory_unassign(vmx_memory *memory, vmx_memory_kind kind, size_t bytes)
{
    atomic_fetch_sub(&memory->kind_bytes[kind], bytes);
}

/* Under the lock no byte is given back, so that what has a kind is never more than what is used. */
void
vmx_memory_read(vmx_memory *memory, vmx_memory_figures *figures)
{
    pthread_mutex_lock(&memory->lock);
    *figures = (vmx_memory_figures){.limit_bytes = memory->limit_bytes,
                                    .used_bytes = memory->locked.used_bytes,
                                    .peak_bytes = memory->locked.peak_bytes,
                                    .waiting = memory->locked.waiting,
                                    .kept_bytes = memory->locked.kept_bytes};
    figures->writer_bytes = figures->used_bytes;
    for (size_t kind = 0; kind < VMX_MEMORY_KINDS; kind++) {
        figures->kind_bytes[kind] = atomic_load(&memory->kind_bytes[kind]);
        figures->writer_bytes -= figures->kind_bytes[kind];
    }
    pthread_mutex_unlock(&memory->lock);
}

/* --- blocks -------------------------------------------------------------------------------------------------------- */

static bool
is_to_keep(size_t bytes)
{
    return bytes == vmx_memory_block_bytes(VMX_MEMORY_KEPT_BYTES);
}

static void
release_counted(vmx_block *block)
{
    counted_block *counted = (counted_block *)block;
    vmx_memory *memory = counted->memory;
    size_t bytes = counted->bytes;
    bool keeps = is_to_keep(bytes);
    if (!keeps)
        vmx_dealloc(counted);
    serve(memory, bytes, true, keeps ? counted : NULL);
    vmx_memory_unref(memory);
}

size_t
vmx_memory_block_bytes(size_t size_bytes)
{
    return sizeof(counted_block) + size_bytes;
}

/* A kept block, or a new one of that size. NULL when memory is out. */
static counted_block *
take_to_serve(vmx_memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    counted_block *block = take_kept_locked(memory);
    if (block == NULL)
        block = vmx_alloc(vmx_memory_block_bytes(VMX_MEMORY_KEPT_BYTES));
    memory->locked.serving += block != NULL;
    pthread_mutex_unlock(&memory->lock);
    return block;
}

void
vmx_memory_begin_filling(vmx_memory *memory)
{
    atomic_fetch_add(&memory->filling, 1);
}

void
vmx_memory_end_filling(vmx_memory *memory, size_t bytes)
{
    atomic_fetch_sub(&memory->filling, 1);
    vmx_memory_release(memory, bytes);
}

bool
vmx_memory_keeps_block(vmx_memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    bool keeps = memory->locked.kept != NULL;
    pthread_mutex_unlock(&memory->lock);
    return keeps;
}

vmx_block *
vmx_memory_block_new(vmx_memory *memory, size_t size_bytes, uint8_t **data)
{
    counted_block *counted =
        size_bytes == VMX_MEMORY_KEPT_BYTES ? take_to_serve(memory) : vmx_alloc(vmx_memory_block_bytes(size_bytes));
    if (counted == NULL)
        return NULL;
    atomic_init(&counted->block.refs, 1);
    counted->block.release = release_counted;
    counted->memory = memory;
    counted->bytes = vmx_memory_block_bytes(size_bytes);
    vmx_memory_acquire(memory);
    *data = counted->data;
    return &counted->block;
}
