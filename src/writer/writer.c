#include "writer/writer.h"

#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "op/queue.h"
#include "rpc/retry.h"
#include "writer/pull.h"

#define DEFAULT_LINGER_MS           5
#define DEFAULT_IN_FLIGHT           8
#define DEFAULT_DELIVERY_TIMEOUT_MS 300000

void
vmx_writer_options_init(vmx_writer_options *options, size_t size)
{
    vmx_sized_init(options, size);
}

uint64_t
vmx_writer_now(const vmx_writer *writer)
{
    return writer->parts.host->vtable->now(writer->parts.host);
}

/* --- references ---------------------------------------------------------------------------------------------------- */

vmx_writer *
vmx_writer_acquire(vmx_writer *writer)
{
    vmx_op_acquire(&writer->op);
    return writer;
}

void
vmx_writer_release(vmx_writer *writer)
{
    vmx_op_release(&writer->op);
}

static void
destroy(vmx_op *op)
{
    vmx_writer *writer = (vmx_writer *)op;
    if (writer->listener.kick != NULL)
        vmx_memory_unlisten(writer->parts.memory, &writer->listener);
    vmx_ledger_leave(writer->parts.ledger, writer);
    if (writer->locked.open != NULL) /* opened, and never filled */
        vmx_batch_free(writer->locked.open);
    if (writer->dead_letters >= 0)
        close(writer->dead_letters);
    if (writer->options.queue != NULL)
        vmx_queue_release(writer->options.queue);
    vmx_ids_free(&writer->locked.ids);
    pthread_mutex_destroy(&writer->lock);
    pthread_mutex_destroy(&writer->timer_lock);
    vmx_arena_reset(&op->arena);
    vmx_host *host = vmx_op_fini(op);
    vmx_dealloc(writer);
    vmx_host_release(host);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

/* Everything that is not in flight, taken out. */
static vmx_send_list
take_rest_locked(vmx_writer *writer)
{
    vmx_send_list rest = {0};
    vmx_send *send;
    writer->locked.closed = writer->locked.freed = true;
    vmx_writer_close_batch_locked(writer);
    while ((send = vmx_send_pop(&writer->locked.ready)) != NULL)
        vmx_send_push(&rest, send);
    while ((send = vmx_send_pop(&writer->locked.waiting)) != NULL)
        vmx_send_push(&rest, send);
    for (vmx_batch *batch = writer->locked.oldest; batch != NULL; batch = batch->next) {
        batch->follower_count = 0; /* nobody waits for it any more: those that did go before it */
        if (batch->closed && batch->send != NULL) {
            vmx_send_push(&rest, batch->send);
            batch->send = NULL;
        }
    }
    return rest;
}

/* That of an open batch that was never filled; NULL: there is none. */
static vmx_send *
take_unused_locked(vmx_writer *writer)
{
    vmx_batch *open = writer->locked.open;
    vmx_send *unused = open != NULL ? open->send : NULL;
    if (open != NULL)
        open->send = NULL;
    return unused;
}

/* Fails a send that is not in flight. */
static void
give_up(vmx_send *send)
{
    if (!send->begun)
        send->begun = vmx_op_begin_nested(&send->op);
    vmx_send_note_cancelled(send);
    vmx_send_settle(send);
}

static void
cancel_flying(vmx_writer *writer)
{
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        vmx_send *send = writer->locked.flying;
        while (send != NULL && atomic_load(&send->op.cancel_requested))
            send = send->fly_next;
        if (send != NULL)
            vmx_op_acquire(&send->op);
        pthread_mutex_unlock(&writer->lock);
        if (send == NULL)
            return;
        vmx_op_cancel(&send->op);
        vmx_op_release(&send->op);
    }
}

/* What is not delivered yet fails. */
static void
abandon(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    vmx_send_list rest = take_rest_locked(writer);
    vmx_send *unused = take_unused_locked(writer);
    pthread_mutex_unlock(&writer->lock);
    if (unused != NULL)
        vmx_op_release(&unused->op);
    vmx_pullers_wake(writer); /* they find it closed */
    cancel_flying(writer);
    for (vmx_send *send; (send = vmx_send_pop(&rest)) != NULL;)
        give_up(send);
}

static void
disarm(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->timer_lock);
    writer->dead = true;
    bool idle = writer->timed && writer->parts.caller->transport->vtable->timer_cancel(writer->loop, &writer->timer);
    if (idle)
        writer->timed = false;
    pthread_mutex_unlock(&writer->timer_lock);
    if (idle)
        vmx_writer_release(writer);
}

static void
run_end(vmx_task *task)
{
    vmx_writer *writer = (vmx_writer *)((char *)task - offsetof(vmx_writer, end_task));
    vmx_op_complete(&writer->op);
}

void
vmx_writer_unhold(vmx_writer *writer, size_t count)
{
    pthread_mutex_lock(&writer->lock);
    writer->locked.holds -= count;
    bool last = writer->locked.holds == 0;
    pthread_mutex_unlock(&writer->lock);
    if (last)
        vmx_op_submit(&writer->op, &writer->end_task);
}

/* The client need not wait for the writer any more. Nothing is waiting or in flight, but for cancelled sends; those whose
 * ops have not begun yet still find the writer's running. */
static void
end_session(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    bool ends = !writer->locked.ended;
    writer->locked.ended = true;
    pthread_mutex_unlock(&writer->lock);
    if (!ends)
        return;
    disarm(writer);
    vmx_writer_unhold(writer, 1);
}

/* The client is freed: so is what the writer still holds; its handle stays the user's. */
static void
cancel_writer(vmx_op *op)
{
    abandon((vmx_writer *)op);
    end_session((vmx_writer *)op);
}

static const vmx_op_vtable op_vtable = {.cancel = cancel_writer, .destroy = destroy};

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* No option is zero any more; none is beyond what the engine takes. */
static vmx_status
resolve_options(vmx_writer *writer, const vmx_writer_options *theirs, vmx_error *error)
{
    vmx_writer_options *options = &writer->options;
    const vmx_limits *limits = &writer->parts.engine->limits;
    vmx_writer_options_init(options, sizeof *options);
    if (theirs != NULL)
        vmx_sized_read(options, sizeof *options, theirs);
    if (options->batch_vectors > limits->upsert_vectors || options->batch_bytes > limits->upsert_bytes)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "writer: batches of %zu vectors and %zu bytes; at most %zu (upsert.max.vectors) and %zu "
                             "(upsert.max.bytes) are allowed",
                             options->batch_vectors, options->batch_bytes, limits->upsert_vectors,
                             limits->upsert_bytes);
    if (options->queue != NULL && vmx_queue_host(options->queue) != writer->parts.host)
        return vmx_error_set(error, VMX_ERR_INVALID, "writer: the queue belongs to another client");
    bool rates = options->vectors_per_second >= 0 && options->bytes_per_second >= 0; /* which NaN is not */
    if (!rates || options->timeout_ms < 0 || options->delivery_timeout_ms < 0 || options->linger_ms < -1)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "writer: a rate or a time is negative, or no number; 0 is the default (linger_ms may be "
                             "-1)");
    options->batch_vectors = options->batch_vectors != 0 ? options->batch_vectors : limits->upsert_vectors;
    options->batch_bytes = options->batch_bytes != 0 ? options->batch_bytes : limits->upsert_bytes;
    options->linger_ms = options->linger_ms != 0 ? options->linger_ms : DEFAULT_LINGER_MS;
    options->max_in_flight = options->max_in_flight != 0 ? options->max_in_flight : DEFAULT_IN_FLIGHT;
    options->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : writer->parts.call_timeout_ms;
    if (options->delivery_timeout_ms == 0)
        options->delivery_timeout_ms = DEFAULT_DELIVERY_TIMEOUT_MS;
    return VMX_OK;
}

static vmx_status
resolve_retry(vmx_writer *writer, vmx_error *error)
{
    vmx_retry_init(&writer->retry, sizeof writer->retry, VMX_RETRY_BULK);
    if (writer->options.retry != NULL)
        vmx_sized_read(&writer->retry, sizeof writer->retry, writer->options.retry);
    writer->options.retry = NULL;
    return vmx_retry_check(&writer->retry, error);
}

static vmx_status
make_target(vmx_writer *writer, vmx_error *error)
{
    writer->codec = writer->parts.engine->vtable->rows;
    writer->target = (vmx_row_target){
        .engine = writer->parts.engine,
        .collection = vmx_arena_str(&writer->op.arena, writer->parts.collection),
        .name_space = vmx_arena_str(&writer->op.arena, writer->parts.name_space),
    };
    writer->parts.collection = writer->parts.name_space = (vmx_str){NULL, 0}; /* were borrowed */
    if (writer->target.collection.ptr == NULL || writer->target.name_space.ptr == NULL)
        return vmx_error_no_memory(error);
    writer->overhead_bytes = writer->codec->overhead_bytes(&writer->target);
    return VMX_OK;
}

static void
kick(vmx_memory_listener *listener)
{
    vmx_writer_kick((vmx_writer *)((char *)listener - offsetof(vmx_writer, listener)));
}

/* Only while its op runs may a writer be kicked: its client would not wait for the timer of another. */
static void
listen(vmx_writer *writer)
{
    writer->listener.kick = kick;
    vmx_memory_listen(writer->parts.memory, &writer->listener);
}

static vmx_status
open_writer(vmx_writer *writer, const vmx_writer_options *options, vmx_error *error)
{
    vmx_status status = vmx_engine_check(writer->parts.engine, VMX_CAN_WRITER, error);
    if (status == VMX_OK)
        status = resolve_options(writer, options, error);
    if (status == VMX_OK)
        status = resolve_retry(writer, error);
    if (status == VMX_OK)
        status = make_target(writer, error);
    if (status == VMX_OK)
        status = vmx_dead_letters_open(writer, writer->options.dead_letter_file, error);
    writer->options.dead_letter_file = (vmx_str){NULL, 0}; /* was borrowed */
    return status;
}

static vmx_writer *
make_writer(const vmx_writer_parts *parts)
{
    vmx_writer *writer = vmx_calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    vmx_op_init(&writer->op, &op_vtable, "writer", parts->host, NULL, NULL);
    writer->parts = *parts;
    writer->end_task.run = run_end;
    writer->dead_letters = -1;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_mutex_init(&writer->timer_lock, NULL);
    vmx_ids_init(&writer->locked.ids, parts->seed);
    writer->locked.holds = 1;
    writer->loop = vmx_caller_loop(parts->caller, parts->seed);
    vmx_ledger_enter(parts->ledger, writer);
    return writer;
}

vmx_status
vmx_writer_new(const vmx_writer_parts *parts, const vmx_writer_options *options, vmx_writer **out, vmx_error *error)
{
    *out = NULL;
    vmx_writer *writer = make_writer(parts);
    if (writer == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = open_writer(writer, options, error);
    if (status == VMX_OK && writer->options.queue != NULL)
        vmx_queue_acquire(writer->options.queue);
    else
        writer->options.queue = NULL;
    if (status == VMX_OK && !vmx_op_begin(&writer->op))
        status = vmx_error_set(error, VMX_ERR_CLOSED, "writer: the client is closed; open a new one");
    if (status == VMX_OK) {
        listen(writer);
        *out = writer;
    } else {
        vmx_writer_release(writer);
    }
    return status;
}

/* --- flushing and closing ------------------------------------------------------------------------------------------ */

typedef struct flush_wait {
    vmx_writer *writer;
    uint64_t seq; /* batches before this one are waited for */
} flush_wait;

/* Closes the open batch; returns the first that need not be waited for, which may be one that was never filled. */
static uint64_t
begin_flush(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    vmx_writer_close_batch_locked(writer);
    uint64_t seq = writer->locked.open != NULL ? writer->locked.open->seq : writer->locked.next_seq;
    pthread_mutex_unlock(&writer->lock);
    return seq;
}

static bool
is_flushed(void *arg)
{
    flush_wait *wait = arg;
    pthread_mutex_lock(&wait->writer->lock);
    const vmx_batch *oldest = wait->writer->locked.oldest;
    bool flushed = (oldest == NULL || oldest->seq >= wait->seq) && wait->writer->locked.telling == 0;
    pthread_mutex_unlock(&wait->writer->lock);
    return flushed;
}

static void
count_flush(vmx_writer *writer, bool waits)
{
    pthread_mutex_lock(&writer->lock);
    writer->locked.flushing += waits ? 1 : (size_t)-1;
    pthread_mutex_unlock(&writer->lock);
}

/* False when the time is over. */
static bool
wait_for_outcomes(flush_wait *wait, uint64_t deadline_us)
{
    vmx_writer *writer = wait->writer;
    count_flush(writer, true);
    bool flushed = is_flushed(wait);
    while (!flushed && vmx_writer_now(writer) < deadline_us) {
        vmx_host_drive(writer->parts.host, deadline_us, is_flushed, wait);
        flushed = is_flushed(wait);
    }
    count_flush(writer, false);
    return flushed;
}

/* Once for each vector that failed and is not in the file. */
static vmx_status
tell_lost_letters(vmx_writer *writer, vmx_error *error)
{
    pthread_mutex_lock(&writer->lock);
    uint64_t lost = writer->locked.account.dead_letters_lost - writer->locked.lost_told;
    writer->locked.lost_told += lost;
    pthread_mutex_unlock(&writer->lock);
    if (lost == 0)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_IO,
                         "flush: everything has its outcome, but %llu failed vectors could not be written to the dead "
                         "letter file; the log and the reports have the reason",
                         (unsigned long long)lost);
}

vmx_status
vmx_writer_flush(vmx_writer *writer, int64_t timeout_ms, vmx_error *error)
{
    if (vmx_forked())
        return vmx_error_set(error, VMX_ERR_FORKED, "flush: this process was forked; spawn, do not fork");
    if (vmx_callback_inside())
        return vmx_error_set(error, VMX_ERR_WOULD_DEADLOCK, "flush: called from inside a callback of this library");
    flush_wait wait = {writer, begin_flush(writer)};
    vmx_writer_service(writer);
    if (!wait_for_outcomes(&wait, vmx_deadline_us(vmx_writer_now(writer), timeout_ms)))
        return vmx_error_set(error, VMX_ERR_TIMEOUT, "flush: not everything has its outcome after %lld ms",
                             (long long)timeout_ms);
    return tell_lost_letters(writer, error);
}

/* Everything has its outcome, and nothing is taken any more. */
static void
close_letters(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    int descriptor = writer->dead_letters;
    writer->dead_letters = -1;
    pthread_mutex_unlock(&writer->lock);
    if (descriptor >= 0)
        close(descriptor);
}

vmx_status
vmx_writer_close(vmx_writer *writer, int64_t timeout_ms, vmx_error *error)
{
    if (!vmx_forked()) {
        pthread_mutex_lock(&writer->lock);
        writer->locked.closed = true;
        pthread_mutex_unlock(&writer->lock);
        vmx_pullers_wake(writer);             /* they find it closed, */
        vmx_host_changed(writer->parts.host); /* and so do puts that wait */
    }
    vmx_status status = vmx_writer_flush(writer, timeout_ms, error);
    if (status == VMX_OK || status == VMX_ERR_IO) {
        end_session(writer);
        close_letters(writer);
    }
    return status;
}

void
vmx_writer_free(vmx_writer *writer)
{
    if (writer == NULL || vmx_forked())
        return;
    abandon(writer);
    end_session(writer);
    vmx_writer_release(writer);
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

void
vmx_writer_account_init(vmx_writer_account *account, size_t size)
{
    vmx_sized_init(account, size);
}

/* Rates are measured from look to look, over a second at least. */
static void
sample_rates_locked(vmx_writer *writer)
{
    uint64_t now_us = vmx_writer_now(writer);
    vmx_writer_account *account = &writer->locked.account;
    uint64_t past_us = now_us - writer->locked.rate_us;
    if (past_us < 1000000)
        return;
    account->vectors_per_second = (double)(account->stored - writer->locked.rate_stored) * 1e6 / (double)past_us;
    account->bytes_per_second = (double)(account->stored_bytes - writer->locked.rate_bytes) * 1e6 / (double)past_us;
    writer->locked.rate_us = now_us;
    writer->locked.rate_stored = account->stored;
    writer->locked.rate_bytes = account->stored_bytes;
}

void
vmx_writer_get_account(vmx_writer *writer, vmx_writer_account *account)
{
    pthread_mutex_lock(&writer->lock);
    sample_rates_locked(writer);
    vmx_writer_account ours = writer->locked.account;
    ours.batches_in_flight = writer->locked.flying_count;
    ours.waiting = ours.taken - ours.stored - ours.failed - ours.in_flight;
    pthread_mutex_unlock(&writer->lock);
    vmx_sized_write(account, &ours, sizeof ours);
}
