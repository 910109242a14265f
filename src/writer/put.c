#include "core/error.h"
#include "core/lender.h"
#include "core/sized.h"
#include "core/sync.h"
#include "engine/check.h"
#include "op/host_memory.h"
#include "writer/run.h"
#include "writer/writer.h"

/* So many reports may wait for the user before no more vectors are taken: they are not in the memory budget. */
#define MAX_UNREAD 1024

/* A put on its way. */
typedef struct taking {
    vmx_writer *writer;
    vmx_block *lender;
    vmx_run run;
    uint64_t now_us;       /* of this hold of the lock */
    size_t reserved_bytes; /* of the budget, not used yet */
    size_t slab_bytes;     /* how large a slab is asked for; 0: none yet */
    uint64_t deadline_us;
    bool blocks;        /* the caller is ready to wait */
    uint64_t linger_us; /* a batch was opened: when it is due */
} taking;

typedef enum progress {
    TAKEN = 0,
    NEEDS_MEMORY = 1, /* taking->needed bytes */
    NEEDS_READER = 2, /* somebody must free reports */
    NEEDS_LINE = 3,   /* batches must be sent first */
    OUT_OF_MEMORY = 4,
    CLOSED = 5,
    NOT_FINITE = 6 /* the next record's values */
} progress;

/* --- with the lock held -------------------------------------------------------------------------------------------- */

/* Whether the open batch can take one more record, by the rules of batches, of ids and of dimensions: a record that is
 * out of line must not spoil the batch of others. */
static inline bool
goes_into(const vmx_writer *writer, const vmx_batch *batch, const vmx_measured *r, const vmx_batch *before)
{
    size_t size = batch->size_bytes + r->bytes + writer->overhead_bytes;
    return vmx_batch_has_place(batch) && batch->count < writer->options.batch_vectors &&
           size <= writer->options.batch_bytes && batch->dimension == r->row.item.values.len && before != batch;
}

/* A quarter as many batches as may be in flight stand ready behind them: enough for whenever some end at once. More would
 * only wait, be it in memory that is lent, and be out of the caches when they are sent. */
static bool
line_is_full(const vmx_writer *writer)
{
    return writer->locked.ready.count >= (writer->options.max_in_flight + 3) / 4;
}

/* What is still needed of the budget for the record; 0: nothing. */
static size_t
needed_bytes(const vmx_writer *writer, taking *t, const vmx_measured *r)
{
    const vmx_batch *batch = writer->locked.open;
    size_t max_bytes = writer->options.batch_bytes, max_vectors = writer->options.batch_vectors;
    vmx_batch none = {0};
    if (batch != NULL && vmx_batch_has_room(batch, r->copied_bytes))
        return 0;
    if (t->slab_bytes < r->copied_bytes)
        t->slab_bytes =
            vmx_batch_slab_bytes(batch != NULL ? batch : &none, writer->parts.memory, r->copied_bytes, max_bytes);
    size_t own = batch != NULL ? 0 : vmx_batch_own_bytes(&r->row, max_vectors, max_bytes, t->lender != NULL);
    return own + vmx_memory_block_bytes(t->slab_bytes);
}

/* With its send: whatever becomes of the memory later, the batch can be closed. */
static bool
open_batch_locked(vmx_writer *writer, taking *t, const vmx_measured *r)
{
    size_t max_bytes = writer->options.batch_bytes, max_vectors = writer->options.batch_vectors;
    vmx_batch *batch = vmx_batch_new(writer->parts.memory, &r->row, max_vectors, max_bytes, t->lender != NULL);
    vmx_send *send = batch != NULL ? vmx_send_new(writer, batch, 0, 0) : NULL;
    if (send == NULL) {
        vmx_batch_discard(batch);
        return false;
    }
    t->reserved_bytes -= batch->own_bytes;
    batch->send = send;
    batch->refs = 1;
    batch->seq = writer->locked.next_seq++;
    batch->first = writer->locked.account.taken;
    batch->linger_us = VMX_NEVER;
    batch->prev = writer->locked.newest;
    if (batch->prev != NULL)
        batch->prev->next = batch;
    else
        writer->locked.oldest = batch;
    writer->locked.newest = batch;
    writer->locked.open = batch;
    return true;
}

/* Uses what was reserved: a batch, if there is none open, and a slab. */
static bool
make_room_locked(vmx_writer *writer, taking *t, const vmx_measured *r)
{
    if (writer->locked.open == NULL && !open_batch_locked(writer, t, r))
        return false;
    if (!vmx_batch_add_slab(writer->locked.open, t->slab_bytes))
        return false;
    t->reserved_bytes -= vmx_memory_block_bytes(t->slab_bytes);
    t->slab_bytes = 0;
    return true;
}

static inline progress
append_locked(vmx_writer *writer, taking *t, const vmx_measured *r, vmx_ids_slot *slot)
{
    vmx_batch *batch = writer->locked.open;
    if (slot->batch != NULL && !vmx_batch_follow(slot->batch, batch))
        return OUT_OF_MEMORY;
    if (!vmx_batch_append(batch, writer->codec, r, t->lender, t->now_us))
        return NOT_FINITE;
    vmx_ids_set(&writer->locked.ids, slot, r->id_hash, batch);
    writer->locked.account.taken++;
    if (batch->count == 1)
        batch->dimension = r->row.item.values.len;
    if (batch->count == 1 && writer->options.linger_ms >= 0)
        t->linger_us = batch->linger_us = vmx_deadline_us(t->now_us, writer->options.linger_ms);
    return TAKEN;
}

/* For a record that finds no room in the open batch as it is. `fits`: the batch may have it nevertheless. What is not sound
 * neither closes a batch nor opens one. */
static progress
find_room_locked(vmx_writer *writer, taking *t, const vmx_measured *r, bool fits, size_t *needed, bool *closed_one)
{
    if (r->unseen && vmx_any_not_finite(r->row.item.values.ptr, r->row.item.values.len))
        return NOT_FINITE;
    if (writer->locked.open != NULL && !fits) {
        *closed_one = writer->locked.open->count > 0;
        vmx_writer_close_batch_locked(writer);
    }
    if (writer->locked.open == NULL && line_is_full(writer))
        return NEEDS_LINE;
    *needed = needed_bytes(writer, t, r);
    if (*needed > t->reserved_bytes)
        return NEEDS_MEMORY;
    return *needed == 0 || make_room_locked(writer, t, r) ? TAKEN : OUT_OF_MEMORY;
}

/* Takes one record, for whose id there is room. Nothing but it changes the table of ids meanwhile, so the id's slot is
 * looked for once. */
static inline progress
take_locked(vmx_writer *writer, taking *t, const vmx_measured *r, size_t *needed, bool *closed_one)
{
    vmx_ids_slot *slot = vmx_ids_seek(&writer->locked.ids, r->id_hash);
    const vmx_batch *open = writer->locked.open;
    bool fits = open != NULL && goes_into(writer, open, r, slot->batch);
    if (!fits || !vmx_batch_has_room(open, r->copied_bytes)) {
        progress made = find_room_locked(writer, t, r, fits, needed, closed_one);
        if (made != TAKEN)
            return made;
    }
    return append_locked(writer, t, r, slot);
}

/* Takes of the run what can be taken without waiting, and without keeping a batch waiting that was closed. */
static progress
take_run_locked(vmx_writer *writer, taking *t, size_t *needed, bool *closed_one)
{
    vmx_run *run = &t->run;
    progress made = TAKEN;
    if (writer->locked.closed)
        return CLOSED;
    if (writer->locked.unread >= MAX_UNREAD)
        return NEEDS_READER;
    if (!vmx_ids_reserve(&writer->locked.ids, run->count - run->next))
        return OUT_OF_MEMORY;
    for (size_t i = run->next; i < run->count; i++)
        vmx_ids_prefetch(&writer->locked.ids, run->records[i].id_hash);
    t->now_us = vmx_writer_now(writer);
    while (made == TAKEN && run->next < run->count && !*closed_one) {
        made = take_locked(writer, t, &run->records[run->next], needed, closed_one);
        run->next += made == TAKEN;
    }
    return made;
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

/* Room may have returned before it was wanted: then giving back what was there tells of it. */
static void
want_room(taking *t, size_t bytes)
{
    vmx_writer *writer = t->writer;
    vmx_memory *memory = writer->parts.memory;
    pthread_mutex_lock(&writer->lock);
    writer->locked.wants_room = true;
    pthread_mutex_unlock(&writer->lock);
    vmx_memory_want_room(&writer->listener);
    if (bytes > 0 && vmx_memory_try(memory, bytes))
        vmx_memory_release(memory, bytes);
    vmx_writer_kick(writer); /* the open batch may hold what is missing */
}

/* `bytes` are missing in the memory budget; 0: something else is. */
static vmx_status
would_block(taking *t, size_t bytes, const char *what, vmx_error *error)
{
    if (!t->blocks) {
        want_room(t, bytes);
        return vmx_error_set(error, VMX_ERR_WOULD_BLOCK, "put: no room now: %s", what);
    }
    return vmx_callback_inside()
               ? vmx_error_set(error, VMX_ERR_WOULD_DEADLOCK, "put: would wait inside a callback of this library")
               : vmx_error_set(error, VMX_ERR_TIMEOUT, "put: no room within the time given: %s", what);
}

static vmx_status
get_memory(taking *t, size_t bytes, vmx_error *error)
{
    vmx_memory *memory = t->writer->parts.memory;
    vmx_memory_release(memory, t->reserved_bytes);
    t->reserved_bytes = 0;
    if (bytes > vmx_memory_most(memory))
        return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                             "put: %zu bytes are needed for the vector and its batch, but memory.limit.bytes, without "
                             "what is kept for files, is %zu; raise it, or lower batch_bytes",
                             bytes, vmx_memory_most(memory));
    bool reserved = vmx_memory_try(memory, bytes);
    if (!reserved && t->blocks && !vmx_callback_inside())
        reserved = vmx_host_reserve(t->writer->parts.host, memory, bytes, t->deadline_us);
    if (!reserved)
        return would_block(t, bytes, "memory.limit.bytes is in use", error);
    t->reserved_bytes = bytes;
    return VMX_OK;
}

/* Refuses for want of something that is no memory. `came(writer)`: it came before room was wanted, so that nobody else may
 * tell of it. */
static vmx_status
refuse(taking *t, bool (*came)(void *writer), const char *what, vmx_error *error)
{
    vmx_status status = would_block(t, 0, what, error);
    if (status == VMX_ERR_WOULD_BLOCK && came(t->writer))
        want_room(t, 1);
    return status;
}

static bool
reports_were_read(void *arg)
{
    vmx_writer *writer = arg;
    pthread_mutex_lock(&writer->lock);
    bool read = writer->locked.unread < MAX_UNREAD || writer->locked.closed;
    pthread_mutex_unlock(&writer->lock);
    return read;
}

/* What was seen once is enough: another thread may use it first, and then this one waits again. */
static vmx_status
wait_for_reader(taking *t, vmx_error *error)
{
    vmx_writer *writer = t->writer;
    bool waits = t->blocks && !vmx_callback_inside();
    bool read = reports_were_read(writer);
    while (waits && !read && vmx_writer_now(writer) < t->deadline_us) {
        vmx_host_drive(writer->parts.host, t->deadline_us, reports_were_read, writer);
        read = reports_were_read(writer);
    }
    return read ? VMX_OK : refuse(t, reports_were_read, "1024 reports wait to be polled and freed", error);
}

static bool
line_has_room(void *arg)
{
    vmx_writer *writer = arg;
    pthread_mutex_lock(&writer->lock);
    bool room = !line_is_full(writer) || writer->locked.closed;
    pthread_mutex_unlock(&writer->lock);
    return room;
}

static void
count_line_waiter(vmx_writer *writer, bool waits)
{
    pthread_mutex_lock(&writer->lock);
    writer->locked.line_waiters += waits ? 1 : (size_t)-1;
    pthread_mutex_unlock(&writer->lock);
}

/* The same holds for the line. */
static vmx_status
wait_for_line(taking *t, vmx_error *error)
{
    vmx_writer *writer = t->writer;
    bool room = line_has_room(writer);
    if (t->blocks && !vmx_callback_inside()) {
        count_line_waiter(writer, true);
        while (!room && vmx_writer_now(writer) < t->deadline_us) {
            vmx_host_drive(writer->parts.host, t->deadline_us, line_has_room, writer);
            room = line_has_room(writer);
        }
        count_line_waiter(writer, false);
    }
    return room ? VMX_OK : refuse(t, line_has_room, "enough batches wait to be sent", error);
}

/* --- putting ------------------------------------------------------------------------------------------------------- */

/* Takes the run, or what can be had of it. */
static vmx_status
take_run(taking *t, vmx_error *error)
{
    vmx_writer *writer = t->writer;
    vmx_status status = VMX_OK;
    while (t->run.next < t->run.count && status == VMX_OK) {
        size_t needed = 0;
        bool closed_one = false;
        pthread_mutex_lock(&writer->lock);
        progress made = take_run_locked(writer, t, &needed, &closed_one);
        pthread_mutex_unlock(&writer->lock);
        if (closed_one)
            vmx_writer_service(writer);
        if (made == NEEDS_MEMORY)
            status = get_memory(t, needed, error);
        else if (made == NEEDS_READER)
            status = wait_for_reader(t, error);
        else if (made == NEEDS_LINE)
            status = wait_for_line(t, error);
        else if (made == CLOSED)
            status = vmx_error_set(error, VMX_ERR_CLOSED, "put: the writer is closed");
        else if (made == OUT_OF_MEMORY)
            status = vmx_error_no_memory(error);
        else if (made == NOT_FINITE)
            status = vmx_run_refuse_next(&t->run, writer, error);
    }
    return status;
}

vmx_status
vmx_writer_take_all(vmx_writer *writer, const vmx_record_source *source, vmx_block *lender, int64_t timeout_ms,
                    size_t *taken, vmx_error *error)
{
    if (taken != NULL)
        *taken = 0;
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "put: this process was forked; spawn, do not fork");
    vmx_status status = VMX_OK;
    size_t i = 0;
    taking t;
    vmx_run_init(&t.run);
    t.writer = writer;
    t.lender = lender;
    t.reserved_bytes = t.slab_bytes = 0;
    t.blocks = timeout_ms > 0;
    t.linger_us = VMX_NEVER;
    t.deadline_us = vmx_deadline_us(vmx_writer_now(writer), timeout_ms);
    vmx_memory_begin_filling(writer->parts.memory);
    while (i < source->count && status == VMX_OK) {
        vmx_status sound = vmx_run_prepare(&t.run, writer, source, i, lender, error);
        status = take_run(&t, error);
        i += t.run.next;
        if (status == VMX_OK)
            status = sound;
    }
    vmx_memory_end_filling(writer->parts.memory, t.reserved_bytes);
    vmx_run_clear(&t.run);
    if (t.linger_us != VMX_NEVER)
        vmx_writer_arm(writer, t.linger_us);
    if (taken != NULL)
        *taken = i;
    return status;
}

static vmx_status
vector_at(const vmx_record_source *source, size_t i, vmx_vector *room, const vmx_vector **vector, vmx_error *error)
{
    (void)error;
    *vector = vmx_vectors_item(source->data, i, room);
    return VMX_OK;
}

vmx_status
vmx_writer_put(vmx_writer *writer, const vmx_vectors *vectors, int64_t timeout_ms, size_t *taken, vmx_error *error)
{
    vmx_record_source source = {
        .at = vector_at, .data = (void *)vectors, .count = vectors->count, .at_once = VMX_SOURCE_RUN};
    return vmx_writer_take_all(writer, &source, NULL, timeout_ms, taken, error);
}

vmx_status
vmx_writer_lend(vmx_writer *writer, const vmx_vectors *vectors, void (*release)(void *user), void *user,
                int64_t timeout_ms, size_t *taken, vmx_error *error)
{
    size_t count = 0;
    vmx_block *lender = vmx_lender_new(release, user);
    if (taken != NULL)
        *taken = 0;
    if (lender == NULL)
        return vmx_error_no_memory(error);
    vmx_record_source source = {
        .at = vector_at, .data = (void *)vectors, .count = vectors->count, .at_once = VMX_SOURCE_RUN};
    vmx_status status = vmx_writer_take_all(writer, &source, lender, timeout_ms, &count, error);
    if (taken != NULL)
        *taken = count;
    if (status == VMX_OK || count > 0)
        vmx_block_release(lender);
    else
        vmx_lender_discard(lender);
    return status;
}
