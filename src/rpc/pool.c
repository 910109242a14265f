#include "rpc/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"

#define FAILURE_SIZE 256

struct vmx_pool_slot {
    vmx_pool *pool;
    vmx_channel *channel;
    vmx_channel_state state;
    size_t in_flight;
    uint64_t started;
    uint64_t times_ready;
};

struct vmx_pool {
    vmx_transport *transport;
    size_t max_streams;
    void (*closed)(void *user);
    void *user;
    pthread_mutex_t lock;
    struct {
        vmx_pool_waiter *head, *tail;
        size_t open;    /* channels that have not reported CLOSED */
        size_t turn;    /* where the search for a channel begins */
        bool probing;   /* a waiting call was sent to a failing channel to learn the reason */
        bool knows_why; /* `failure` is the reason why nothing connects now */
        char failure[FAILURE_SIZE];
    } locked;
    size_t count;
    vmx_pool_slot slots[];
};

/* --- with the lock held -------------------------------------------------------------------------------------------- */

/* READY, under its cap, fewest in flight; NULL if there is none. */
static vmx_pool_slot *
best_ready_locked(vmx_pool *pool)
{
    vmx_pool_slot *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        vmx_pool_slot *slot = &pool->slots[(pool->locked.turn + i) % pool->count];
        if (slot->state != VMX_CHANNEL_READY || slot->in_flight >= pool->max_streams)
            continue;
        if (best == NULL || slot->in_flight < best->in_flight)
            best = slot;
    }
    return best;
}

/* A failing channel if all are failing, else NULL. */
static vmx_pool_slot *
all_failing_locked(vmx_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->slots[i].state != VMX_CHANNEL_FAILING)
            return NULL;
    return &pool->slots[pool->locked.turn % pool->count];
}

/*
 * The channel that a call can have now. A call that would rather wait for a connection is sent to a failing channel
 * too, one at a time, while the reason of the failure is unknown: only a call brings it to light.
 */
static vmx_pool_slot *
choose_locked(vmx_pool *pool, bool fail_fast)
{
    vmx_pool_slot *slot = best_ready_locked(pool);
    if (slot != NULL)
        return slot;
    slot = all_failing_locked(pool);
    if (slot == NULL || fail_fast)
        return slot;
    if (pool->locked.knows_why || pool->locked.probing)
        return NULL;
    pool->locked.probing = true;
    return slot;
}

static void
take_locked(vmx_pool *pool, vmx_pool_slot *slot)
{
    slot->in_flight++;
    slot->started++;
    pool->locked.turn = (size_t)(slot - pool->slots) + 1;
}

static void
enqueue_locked(vmx_pool *pool, vmx_pool_waiter *waiter)
{
    waiter->queued = true;
    waiter->next = NULL;
    waiter->prev = pool->locked.tail;
    if (pool->locked.tail != NULL)
        pool->locked.tail->next = waiter;
    else
        pool->locked.head = waiter;
    pool->locked.tail = waiter;
}

static void
dequeue_locked(vmx_pool *pool, vmx_pool_waiter *waiter)
{
    waiter->queued = false;
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        pool->locked.head = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        pool->locked.tail = waiter->prev;
}

/* The first in line that can go now, taken out of it. While all channels fail, those who fail fast overtake. */
static vmx_pool_waiter *
next_grant_locked(vmx_pool *pool, vmx_pool_slot **slot)
{
    for (vmx_pool_waiter *waiter = pool->locked.head; waiter != NULL; waiter = waiter->next) {
        *slot = choose_locked(pool, waiter->fail_fast);
        if (*slot != NULL) {
            take_locked(pool, *slot);
            dequeue_locked(pool, waiter);
            return waiter;
        }
        if (all_failing_locked(pool) == NULL)
            return NULL;
    }
    return NULL;
}

/* --- without it ---------------------------------------------------------------------------------------------------- */

static void
serve_waiters(vmx_pool *pool)
{
    for (;;) {
        vmx_pool_slot *slot = NULL;
        pthread_mutex_lock(&pool->lock);
        vmx_pool_waiter *waiter = next_grant_locked(pool, &slot);
        pthread_mutex_unlock(&pool->lock);
        if (waiter == NULL)
            return;
        waiter->granted(waiter, slot);
    }
}

static void
on_state(void *user, vmx_channel_state state)
{
    vmx_pool_slot *slot = user;
    vmx_pool *pool = slot->pool;
    pthread_mutex_lock(&pool->lock);
    slot->state = state;
    if (state == VMX_CHANNEL_READY) {
        slot->times_ready++;
        pool->locked.knows_why = false;
        pool->locked.probing = false;
    }
    bool last = state == VMX_CHANNEL_CLOSED && --pool->locked.open == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool->closed(pool->user);
    else if (state == VMX_CHANNEL_IDLE)
        pool->transport->vtable->channel_connect(slot->channel);
    else if (state != VMX_CHANNEL_CLOSED)
        serve_waiters(pool);
}

static vmx_status
open_channels(vmx_pool *pool, const vmx_pool_options *options, vmx_error *error)
{
    const vmx_transport_vtable *transport = pool->transport->vtable;
    for (; pool->count < options->channel_count; pool->count++) {
        vmx_pool_slot *slot = &pool->slots[pool->count];
        vmx_channel_options channel = options->channel;
        channel.on_state = on_state;
        channel.user = slot;
        slot->pool = pool;
        vmx_status status = transport->channel_open(pool->transport, &channel, &slot->channel, error);
        if (status != VMX_OK)
            return status;
        pool->locked.open++;
    }
    return VMX_OK;
}

vmx_status
vmx_pool_new(vmx_transport *transport, const vmx_pool_options *options, vmx_pool **out, vmx_error *error)
{
    *out = NULL;
    vmx_pool *pool = vmx_calloc(1, sizeof *pool + options->channel_count * sizeof pool->slots[0]);
    if (pool == NULL)
        return vmx_error_no_memory(error);
    pool->transport = transport;
    pool->max_streams = options->max_streams;
    pool->closed = options->closed;
    pool->user = options->user;
    pthread_mutex_init(&pool->lock, NULL);
    vmx_status status = open_channels(pool, options, error);
    if (status != VMX_OK && pool->count == 0) {
        vmx_pool_free(pool);
        return status;
    }
    *out = pool; /* with a failure, what was opened must still be closed by the caller */
    for (size_t i = 0; i < pool->count; i++)
        transport->vtable->channel_connect(pool->slots[i].channel);
    return status;
}

void
vmx_pool_close(vmx_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        pool->transport->vtable->channel_close(pool->slots[i].channel);
}

void
vmx_pool_free(vmx_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    vmx_dealloc(pool);
}

vmx_pool_slot *
vmx_pool_acquire(vmx_pool *pool, vmx_pool_waiter *waiter)
{
    pthread_mutex_lock(&pool->lock);
    bool in_line = pool->locked.head != NULL && !(waiter->fail_fast && all_failing_locked(pool) != NULL);
    vmx_pool_slot *slot = in_line ? NULL : choose_locked(pool, waiter->fail_fast);
    if (slot != NULL)
        take_locked(pool, slot);
    else
        enqueue_locked(pool, waiter);
    pthread_mutex_unlock(&pool->lock);
    return slot;
}

bool
vmx_pool_abandon(vmx_pool *pool, vmx_pool_waiter *waiter)
{
    pthread_mutex_lock(&pool->lock);
    bool was_queued = waiter->queued;
    if (was_queued)
        dequeue_locked(pool, waiter);
    pthread_mutex_unlock(&pool->lock);
    return was_queued;
}

void
vmx_pool_release(vmx_pool *pool, vmx_pool_slot *slot)
{
    pthread_mutex_lock(&pool->lock);
    slot->in_flight--;
    pool->locked.probing = false;
    bool waiting = pool->locked.head != NULL;
    pthread_mutex_unlock(&pool->lock);
    if (waiting)
        serve_waiters(pool);
}

vmx_channel *
vmx_pool_channel(const vmx_pool_slot *slot)
{
    return slot->channel;
}

void
vmx_pool_note_failure(vmx_pool *pool, vmx_str text)
{
    pthread_mutex_lock(&pool->lock);
    pool->locked.probing = false;
    pool->locked.knows_why = true;
    snprintf(pool->locked.failure, FAILURE_SIZE, "%.*s", (int)(text.len < FAILURE_SIZE ? text.len : FAILURE_SIZE),
             text.ptr != NULL ? text.ptr : "");
    pthread_mutex_unlock(&pool->lock);
}

void
vmx_pool_last_failure(vmx_pool *pool, char *text, size_t size)
{
    pthread_mutex_lock(&pool->lock);
    snprintf(text, size, "%s", pool->locked.knows_why ? pool->locked.failure : "");
    pthread_mutex_unlock(&pool->lock);
}

size_t
vmx_pool_count(const vmx_pool *pool)
{
    return pool->count;
}

bool
vmx_pool_info(vmx_pool *pool, size_t i, vmx_channel_info *info)
{
    if (i >= pool->count)
        return false;
    const vmx_pool_slot *slot = &pool->slots[i];
    pthread_mutex_lock(&pool->lock);
    vmx_channel_info ours = {
        .state = slot->state,
        .calls_in_flight = slot->in_flight,
        .calls_started = slot->started,
        .reconnects = slot->times_ready > 0 ? slot->times_ready - 1 : 0,
    };
    pthread_mutex_unlock(&pool->lock);
    vmx_sized_write(info, &ours, sizeof ours);
    return true;
}
