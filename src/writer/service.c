#include "core/error.h"
#include "core/sync.h"
#include "writer/pull.h"
#include "writer/writer.h"

/* --- the timer ----------------------------------------------------------------------------------------------------- */

static void
on_timer(vmx_timer *timer)
{
    vmx_writer *writer = (vmx_writer *)((char *)timer - offsetof(vmx_writer, timer));
    pthread_mutex_lock(&writer->timer_lock);
    writer->timed = false;
    pthread_mutex_unlock(&writer->timer_lock);
    vmx_writer_service(writer);
    vmx_writer_release(writer);
}

/* The timer holds a reference while it is armed. */
static void
arm_locked(vmx_writer *writer, uint64_t due_us)
{
    const vmx_transport_vtable *transport = writer->parts.caller->transport->vtable;
    bool moves = writer->timed && due_us < writer->timer_us && transport->timer_cancel(writer->loop, &writer->timer);
    if (!writer->timed)
        vmx_writer_acquire(writer);
    else if (!moves)
        return;
    writer->timed = true;
    writer->timer_us = due_us;
    writer->timer.fire = on_timer;
    transport->timer_set(writer->loop, &writer->timer, due_us);
}

/* A writer whose op has ended may be kicked all the same, by a report that is freed: its transport may be gone. */
void
vmx_writer_arm(vmx_writer *writer, uint64_t due_us)
{
    pthread_mutex_lock(&writer->timer_lock);
    if (!writer->dead)
        arm_locked(writer, due_us);
    pthread_mutex_unlock(&writer->timer_lock);
}

void
vmx_writer_kick(vmx_writer *writer)
{
    vmx_writer_arm(writer, vmx_writer_now(writer));
}

/* --- closing a batch ----------------------------------------------------------------------------------------------- */

void
vmx_writer_close_batch_locked(vmx_writer *writer)
{
    vmx_batch *batch = writer->locked.open;
    if (batch == NULL || batch->count == 0)
        return;
    batch->refs++;
    batch->send->to = batch->count;
    vmx_batch_close(batch);
    writer->locked.open = NULL;
    if (batch->blockers == 0)
        vmx_batch_ready_locked(writer, batch);
}

void
vmx_batch_ready_locked(vmx_writer *writer, vmx_batch *batch)
{
    vmx_send_push(&writer->locked.ready, batch->send);
    batch->send = NULL;
}

/* --- sends that are not on the connection yet ---------------------------------------------------------------------- */

/*
 * A send that cannot be written yet would only lie in the core, share the connection with those before it, which then
 * end later, and be out of the caches when its turn comes. So two for each connection are enough, and more are in flight
 * only while they wait for their replies. Where the network is slow (or a peer deaf) a send stops counting after a while.
 */
#define UNSENT_PER_CHANNEL 2
#define UNSENT_US          50000u

static size_t
bytes_of(const vmx_send *send)
{
    return vmx_batch_bytes(send->batch, send->from, send->to);
}

static void
queue_unsent_locked(vmx_writer *writer, vmx_send *send, uint64_t now_us)
{
    send->unsent = true;
    send->unsent_until_us = now_us + UNSENT_US;
    send->unsent_prev = writer->locked.unsent_last;
    send->unsent_next = NULL;
    if (send->unsent_prev != NULL)
        send->unsent_prev->unsent_next = send;
    else
        writer->locked.unsent_first = send;
    writer->locked.unsent_last = send;
    writer->locked.unsent_count++;
}

static bool
is_connection_busy_locked(vmx_writer *writer, uint64_t now_us)
{
    while (writer->locked.unsent_first != NULL && writer->locked.unsent_first->unsent_until_us <= now_us)
        vmx_send_note_sent_locked(writer->locked.unsent_first);
    return writer->locked.unsent_count >= UNSENT_PER_CHANNEL * vmx_pool_count(writer->parts.caller->pool);
}

/* --- starting sends ------------------------------------------------------------------------------------------------ */

/* Timers come up to a millisecond late, and later on a busy machine: so much of it is made up for, or small batches
 * would go far below the rate. */
#define PACE_CREDIT_US 20000u

/* A lower rate than that of a vector in thirty years is as good as this one. */
#define MAX_PACE_S 1e9

/* How long the rates are used up by a send; 0: it may go at any time. */
static uint64_t
pace_of(const vmx_writer *writer, const vmx_send *send)
{
    double seconds = 0, vectors = writer->options.vectors_per_second, bytes = writer->options.bytes_per_second;
    if (vectors > 0 && !send->halved)
        seconds = (double)(send->to - send->from) / vectors;
    if (bytes > 0) {
        double by_bytes = (double)bytes_of(send) / bytes;
        seconds = by_bytes > seconds ? by_bytes : seconds;
    }
    return (uint64_t)((seconds < MAX_PACE_S ? seconds : MAX_PACE_S) * 1e6);
}

static void
fly_locked(vmx_writer *writer, vmx_send *send, uint64_t now_us)
{
    send->fly_prev = NULL;
    send->fly_next = writer->locked.flying;
    if (send->fly_next != NULL)
        send->fly_next->fly_prev = send;
    writer->locked.flying = send;
    writer->locked.flying_count++;
    if (bytes_of(send) > VMX_SENT_TOLD_BYTES)
        queue_unsent_locked(writer, send, now_us);
    writer->locked.account.in_flight += send->to - send->from;
}

/* Must the first of those that are ready wait for the rates? */
static bool
is_paced_locked(const vmx_writer *writer, uint64_t now_us)
{
    const vmx_send *next = writer->locked.ready.head;
    return next != NULL && now_us < writer->locked.pace_us && pace_of(writer, next) > 0;
}

/* The next send that may go now, put in flight; NULL if none may. */
static vmx_send *
take_ready_locked(vmx_writer *writer, uint64_t now_us)
{
    bool held = writer->locked.flying_count >= writer->options.max_in_flight || is_paced_locked(writer, now_us) ||
                is_connection_busy_locked(writer, now_us);
    vmx_send *send = held ? NULL : vmx_send_pop(&writer->locked.ready);
    if (send == NULL)
        return NULL;
    uint64_t earliest_us = now_us > PACE_CREDIT_US ? now_us - PACE_CREDIT_US : 0;
    uint64_t from_us = writer->locked.pace_us > earliest_us ? writer->locked.pace_us : earliest_us;
    writer->locked.pace_us = from_us + pace_of(writer, send);
    send->halved = false;
    fly_locked(writer, send, now_us);
    return send;
}

/* Sends whose pause is over are ready again, before all others; returns when the next will be. */
static uint64_t
end_pauses_locked(vmx_writer *writer, uint64_t now_us)
{
    uint64_t next_us = VMX_NEVER;
    vmx_send_list waiting = writer->locked.waiting;
    writer->locked.waiting = (vmx_send_list){0};
    for (vmx_send *send; (send = vmx_send_pop(&waiting)) != NULL;) {
        if (send->due_us <= now_us) {
            vmx_send_push_front(&writer->locked.ready, send);
        } else {
            vmx_send_push(&writer->locked.waiting, send);
            next_us = send->due_us < next_us ? send->due_us : next_us;
        }
    }
    return next_us;
}

/* What the timer is for; VMX_NEVER: nothing. */
static uint64_t
next_due_locked(const vmx_writer *writer, uint64_t pause_us, uint64_t now_us)
{
    uint64_t due_us = pause_us;
    if (writer->locked.open != NULL && writer->locked.open->linger_us < due_us)
        due_us = writer->locked.open->linger_us;
    if (is_paced_locked(writer, now_us) && writer->locked.pace_us < due_us)
        due_us = writer->locked.pace_us;
    const vmx_send *unsent = writer->locked.ready.head != NULL ? writer->locked.unsent_first : NULL;
    if (unsent != NULL && unsent->unsent_until_us > now_us && unsent->unsent_until_us < due_us)
        due_us = unsent->unsent_until_us;
    return due_us;
}

/* An open batch is closed when its time is over, or when somebody waits, or would have, for the memory that it holds. */
static void
close_old_batch_locked(vmx_writer *writer, uint64_t now_us)
{
    vmx_memory_figures memory;
    if (writer->locked.open == NULL)
        return;
    vmx_memory_read(writer->parts.memory, &memory);
    if (now_us >= writer->locked.open->linger_us || memory.waiting > 0 || writer->locked.wants_room)
        vmx_writer_close_batch_locked(writer);
}

/* For each there is a hold. */
static void
start_all(vmx_writer *writer, vmx_send_list *starting)
{
    size_t count = starting->count;
    for (vmx_send *send; (send = vmx_send_pop(starting)) != NULL;)
        vmx_send_start(send);
    if (count > 0)
        vmx_writer_unhold(writer, count);
}

static void
tell_room(vmx_writer *writer)
{
    if (writer->options.on_room == NULL)
        return;
    vmx_callback_enter();
    writer->options.on_room(writer->options.user);
    vmx_callback_leave();
}

void
vmx_writer_service(vmx_writer *writer)
{
    vmx_send_list starting = {0};
    pthread_mutex_lock(&writer->lock);
    uint64_t now_us = vmx_writer_now(writer);
    close_old_batch_locked(writer, now_us);
    uint64_t pause_us = end_pauses_locked(writer, now_us);
    for (vmx_send *send; (send = take_ready_locked(writer, now_us)) != NULL;)
        vmx_send_push(&starting, send);
    writer->locked.holds += starting.count;
    uint64_t due_us = next_due_locked(writer, pause_us, now_us);
    bool shorter = starting.head != NULL && writer->locked.line_waiters > 0;
    bool room = writer->locked.wants_room && !atomic_load(&writer->listener.wants_room);
    bool wakes = room || writer->locked.wakes_pullers;
    if (room)
        writer->locked.wants_room = false;
    writer->locked.wakes_pullers = false;
    pthread_mutex_unlock(&writer->lock);
    if (due_us != VMX_NEVER)
        vmx_writer_arm(writer, due_us);
    start_all(writer, &starting);
    if (shorter)
        vmx_host_changed(writer->parts.host);
    if (wakes)
        vmx_pullers_wake(writer);
    if (room)
        tell_room(writer);
}
