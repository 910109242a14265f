#include <string.h>

#include "core/error.h"
#include "core/sync.h"
#include "op/queue.h"
#include "writer/writer.h"

#define FIRST_PAUSE_US 100000u
#define MAX_PAUSE_US   5000000u

/* --- leaving the air ----------------------------------------------------------------------------------------------- */

static void
land_locked(vmx_writer *writer, vmx_send *send)
{
    if (send->fly_prev != NULL)
        send->fly_prev->fly_next = send->fly_next;
    else if (writer->locked.flying == send)
        writer->locked.flying = send->fly_next;
    else
        return; /* it was not in flight */
    if (send->fly_next != NULL)
        send->fly_next->fly_prev = send->fly_prev;
    send->fly_prev = send->fly_next = NULL;
    writer->locked.flying_count--;
    vmx_send_note_sent_locked(send);
    writer->locked.account.in_flight -= send->to - send->from;
    size_t attempts = send->call.records.count;
    writer->locked.account.retries += attempts > 1 ? attempts - 1 : 0;
}

/* --- sending again ------------------------------------------------------------------------------------------------- */

/* The request is bad, not the moment: its halves are sent, the earlier one first. False when memory is out, or the writer
 * was freed. */
static bool
halve(vmx_send *send)
{
    vmx_writer *writer = send->writer;
    size_t middle = send->from + (send->to - send->from) / 2;
    vmx_send *second = vmx_send_new(writer, send->batch, middle, send->to);
    if (second == NULL)
        return false;
    pthread_mutex_lock(&writer->lock);
    if (writer->locked.freed) {
        pthread_mutex_unlock(&writer->lock);
        vmx_op_release(&second->op);
        return false;
    }
    vmx_error_clear(&send->op.error);
    land_locked(writer, send);
    send->to = middle;
    send->halved = second->halved = true;
    send->batch->refs++;
    vmx_send_push_front(&writer->locked.ready, second);
    vmx_send_push_front(&writer->locked.ready, send);
    pthread_mutex_unlock(&writer->lock);
    return true;
}

/* When it may be sent again: after the pause that the server asks for, be it for ever, or one that doubles from round to
 * round; half of that is chance. */
static uint64_t
next_round_us(vmx_send *send, uint64_t now_us)
{
    int64_t hint_ms = send->op.error.retry_after_ms;
    if (hint_ms > 0)
        return vmx_deadline_us(now_us, hint_ms);
    uint32_t doublings = send->rounds > 1 ? send->rounds - 1 : 0;
    uint64_t bound = doublings < 6 ? (uint64_t)FIRST_PAUSE_US << doublings : MAX_PAUSE_US;
    return now_us + bound / 2 + vmx_random_up_to(&send->call.random, bound / 2);
}

static bool
may_send_again(const vmx_send *send, uint64_t due_us)
{
    const vmx_error *error = &send->op.error;
    if (error->code == VMX_ERR_CANCELLED || !(error->retriable || error->outcome == VMX_OUTCOME_UNKNOWN))
        return false;
    uint64_t taken_us = send->batch->entries[send->from].taken_us;
    return due_us < vmx_deadline_us(taken_us, send->writer->options.delivery_timeout_ms);
}

/* Puts it in the list of those that wait; false if the writer was freed. */
static bool
send_later(vmx_send *send, uint64_t due_us)
{
    vmx_writer *writer = send->writer;
    pthread_mutex_lock(&writer->lock);
    bool waits = !writer->locked.freed;
    if (waits) {
        vmx_error_clear(&send->op.error);
        land_locked(writer, send);
        writer->locked.account.retries++; /* the next round's first attempt */
        send->due_us = due_us;
        vmx_send_push(&writer->locked.waiting, send);
    }
    pthread_mutex_unlock(&writer->lock);
    return waits;
}

/* --- judging ------------------------------------------------------------------------------------------------------- */

/* A server that says it stored another number of records than it was sent has lost some. */
static void
check_count(vmx_send *send)
{
    uint64_t stored, sent = send->to - send->from;
    if (send->writer->codec->read_reply(&send->call.last->message, sent, &stored) && stored == sent)
        return;
    vmx_error_set(&send->op.error, VMX_ERR_PROTOCOL,
                  "write at %s: the server's reply does not say that all %llu vectors are stored; write them again",
                  send->writer->parts.caller->endpoint, (unsigned long long)sent);
    send->op.error.outcome = VMX_OUTCOME_UNKNOWN;
}

void
vmx_send_judge(vmx_send *send)
{
    vmx_writer *writer = vmx_writer_acquire(send->writer);
    vmx_error *error = &send->op.error;
    if (error->code == VMX_OK)
        check_count(send);
    bool invalid = error->code != VMX_OK && !send->preparing && error->grpc_code == VMX_GRPC_INVALID_ARGUMENT;
    uint64_t due_us = next_round_us(send, vmx_writer_now(writer));
    bool halved = invalid && send->to - send->from > 1 && halve(send);
    bool later = !halved && !invalid && error->code != VMX_OK && error->code != VMX_ERR_PROTOCOL &&
                 may_send_again(send, due_us) && send_later(send, due_us);
    if (!halved && !later)
        vmx_send_settle(send);
    vmx_writer_service(writer);
    vmx_writer_release(writer);
}

/* --- settling ------------------------------------------------------------------------------------------------------ */

/* The batch is done: those that waited for it may go. */
static void
unblock_locked(vmx_writer *writer, vmx_batch *batch)
{
    for (size_t i = 0; i < batch->follower_count; i++) {
        vmx_batch *follower = batch->followers[i];
        follower->blockers--;
        if (follower->blockers == 0 && follower->closed && follower->send != NULL)
            vmx_batch_ready_locked(writer, follower);
    }
}

static void
unlist_locked(vmx_writer *writer, vmx_batch *batch)
{
    if (batch->prev != NULL)
        batch->prev->next = batch->next;
    else
        writer->locked.oldest = batch->next;
    if (batch->next != NULL)
        batch->next->prev = batch->prev;
    else
        writer->locked.newest = batch->prev;
}

/* So many slots are on their way into the cache while one is looked at. */
#define AHEAD 8

static void
forget_ids_locked(vmx_writer *writer, const vmx_send *send)
{
    const vmx_entry *entries = send->batch->entries;
    for (size_t i = send->from; i < send->to; i++) {
        if (i + AHEAD < send->to)
            vmx_ids_prefetch(&writer->locked.ids, entries[i + AHEAD].id_hash);
        vmx_ids_drop(&writer->locked.ids, entries[i].id_hash, send->batch);
    }
}

/* Gives the send's records their outcome; true when nobody needs the batch any more. */
static bool
settle_locked(vmx_writer *writer, vmx_send *send, bool stored)
{
    vmx_batch *batch = send->batch;
    size_t count = send->to - send->from;
    land_locked(writer, send);
    writer->locked.telling++;
    writer->locked.account.batches++;
    if (stored) {
        writer->locked.account.stored += count;
        writer->locked.account.stored_bytes += vmx_batch_bytes(batch, send->from, send->to);
    } else {
        writer->locked.account.failed += count;
    }
    forget_ids_locked(writer, send);
    batch->unsettled -= count;
    if (batch->unsettled == 0) {
        unblock_locked(writer, batch);
        unlist_locked(writer, batch);
        batch->refs--; /* the list's */
    }
    return --batch->refs == 0;
}

/* Ends the op: as an event for the user, who then owns it, or silently. */
static void
finish_op(vmx_send *send, bool reported)
{
    vmx_op *op = &send->op;
    bool begun = send->begun;
    op->queue_owns = begun && reported;
    if (op->queue != NULL && !reported)
        vmx_queue_detach(op->queue, op);
    if (begun)
        vmx_op_complete(op);
    if (!begun || !reported)
        vmx_op_release(op);
}

/* The outcome was told, and so a flush may end. */
static void
note_told(vmx_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->locked.telling--;
    bool awaited = writer->locked.flushing > 0;
    pthread_mutex_unlock(&writer->lock);
    if (awaited)
        vmx_host_changed(writer->parts.host);
}

void
vmx_send_make_known(vmx_send *send)
{
    vmx_writer *writer = vmx_writer_acquire(send->writer);
    vmx_writer_account account;
    vmx_batch *batch = send->batch;
    vmx_block_acquire(&batch->block); /* the log reads it; another send may be its last one meanwhile */
    if (send->begun)
        vmx_report_prepare(send);
    pthread_mutex_lock(&writer->lock);
    bool last = settle_locked(writer, send, send->op.error.code == VMX_OK);
    account = writer->locked.account;
    pthread_mutex_unlock(&writer->lock);
    vmx_report_batch(send, &account);
    vmx_block_release(&batch->block);
    if (last)
        vmx_batch_free(batch);
    finish_op(send, send->deliveries != NULL);
    note_told(writer);
    vmx_writer_release(writer);
}

void
vmx_send_settle(vmx_send *send)
{
    if (send->op.error.code != VMX_OK && send->writer->dead_letters >= 0)
        vmx_dead_letters_submit(send);
    else
        vmx_send_make_known(send);
}
