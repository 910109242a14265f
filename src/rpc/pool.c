#include "rpc/pool.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"
#include "rpc/link.h"
#include "rpc/report.h"

/* --- choosing, with the lock held ---------------------------------------------------------------------------------- */

/* How much a link is to be shunned, 0 at best. Who comes from a link that has failed does not try others whose last call failed
 * so, either: silent connections have the fewest calls in flight. */
static unsigned
blemish_of(const vmx_link *link, bool wary, uint64_t now_us)
{
    if (vmx_health_is_ejected(&link->health, now_us))
        return 2;
    return wary && link->health.failures_in_row > 0;
}

/* READY, rather without blemish, fewest in flight; NULL if there is none. */
static vmx_link *
best_ready_locked(vmx_pool *pool, const vmx_link *not_this, uint64_t now_us)
{
    vmx_link *best = NULL;
    unsigned best_blemish = 0;
    for (size_t i = 0; i < pool->count; i++) {
        vmx_link *link = pool->places[(pool->locked.turn + i) % pool->count].link;
        if (link == not_this || link->state != VMX_CHANNEL_READY)
            continue;
        unsigned blemish = blemish_of(link, not_this != NULL, now_us);
        bool same = blemish == best_blemish;
        if (best == NULL || blemish < best_blemish || (same && link->in_flight < best->in_flight)) {
            best = link;
            best_blemish = blemish;
        }
    }
    return best;
}

/* A failing channel if all are failing, else NULL. */
static vmx_link *
all_failing_locked(const vmx_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->places[i].link->state != VMX_CHANNEL_FAILING)
            return NULL;
    return pool->places[pool->locked.turn % pool->count].link;
}

/* Ejected channels serve only when no other is READY, be it full: never all of them are left out. */
static vmx_link *
choose_ready_locked(vmx_pool *pool, const vmx_link *not_this, uint64_t now_us)
{
    if (!vmx_gate_is_open(&pool->locked.gate))
        return NULL;
    vmx_link *link = best_ready_locked(pool, not_this, now_us);
    return link != NULL && link->in_flight < pool->options.max_streams ? link : NULL;
}

/*
 * The channel that a call can have now. A call that would rather wait for a connection is sent to a failing channel
 * too, one at a time, while the reason of the failure is unknown: only a call brings it to light.
 */
static vmx_link *
choose_locked(vmx_pool *pool, const vmx_pool_waiter *waiter, uint64_t now_us)
{
    vmx_link *link = waiter->avoid != NULL ? choose_ready_locked(pool, waiter->avoid, now_us) : NULL;
    if (link == NULL)
        link = choose_ready_locked(pool, NULL, now_us);
    if (link != NULL)
        return link;
    link = all_failing_locked(pool);
    if (link == NULL || waiter->fail_fast)
        return link;
    if (pool->locked.knows_why || pool->locked.probing)
        return NULL;
    pool->locked.probing = true;
    return link;
}

static vmx_ticket
take_locked(vmx_pool *pool, vmx_link *link)
{
    link->in_flight++;
    pool->places[link->place].started++;
    pool->locked.turn = link->place + 1;
    return (vmx_ticket){
        .link = link,
        .channel = link->channel,
        .round = vmx_gate_enter(&pool->locked.gate),
        .was_connected = link->state == VMX_CHANNEL_READY,
    };
}

/* --- the line, with the lock held ---------------------------------------------------------------------------------- */

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
next_grant_locked(vmx_pool *pool, vmx_ticket *ticket)
{
    uint64_t now_us = pool->locked.head != NULL ? pool->transport->vtable->now(pool->transport) : 0;
    for (vmx_pool_waiter *waiter = pool->locked.head; waiter != NULL; waiter = waiter->next) {
        vmx_link *link = choose_locked(pool, waiter, now_us);
        if (link != NULL) {
            *ticket = take_locked(pool, link);
            dequeue_locked(pool, waiter);
            return waiter;
        }
        if (all_failing_locked(pool) == NULL)
            return NULL;
    }
    return NULL;
}

void
vmx_pool_serve(vmx_pool *pool)
{
    for (;;) {
        vmx_ticket ticket = {0};
        vmx_lock_acquire(&pool->lock);
        vmx_pool_waiter *waiter = next_grant_locked(pool, &ticket);
        vmx_lock_release(&pool->lock);
        if (waiter == NULL)
            return;
        waiter->granted(waiter, ticket);
    }
}

/* --- tickets ------------------------------------------------------------------------------------------------------- */

vmx_ticket
vmx_pool_acquire(vmx_pool *pool, vmx_pool_waiter *waiter, uint64_t now_us)
{
    vmx_ticket ticket = {0};
    if (pool->options.max_age_ms > 0)
        vmx_pool_renew(pool, now_us);
    vmx_lock_acquire(&pool->lock);
    bool in_line = pool->locked.head != NULL && !(waiter->fail_fast && all_failing_locked(pool) != NULL);
    vmx_link *link = in_line ? NULL : choose_locked(pool, waiter, now_us);
    if (link != NULL)
        ticket = take_locked(pool, link);
    else
        enqueue_locked(pool, waiter);
    vmx_lock_release(&pool->lock);
    return ticket;
}

vmx_ticket
vmx_pool_acquire_other(vmx_pool *pool, const vmx_link *not_this, uint64_t now_us)
{
    vmx_ticket ticket = {0};
    vmx_lock_acquire(&pool->lock);
    vmx_link *link = pool->locked.head == NULL ? choose_ready_locked(pool, not_this, now_us) : NULL;
    if (link != NULL)
        ticket = take_locked(pool, link);
    vmx_lock_release(&pool->lock);
    return ticket;
}

bool
vmx_pool_abandon(vmx_pool *pool, vmx_pool_waiter *waiter)
{
    vmx_lock_acquire(&pool->lock);
    bool was_queued = waiter->queued;
    if (was_queued)
        dequeue_locked(pool, waiter);
    vmx_lock_release(&pool->lock);
    return was_queued;
}

static void
eject_locked(vmx_pool *pool, vmx_link *link, vmx_release_news *news)
{
    uint64_t now_us = pool->transport->vtable->now(pool->transport);
    news->ejected = true;
    news->failures_in_row = link->health.failures_in_row;
    news->failures = link->health.failures;
    news->calls = link->health.calls;
    vmx_health_eject(&link->health, &pool->options.health, now_us);
    news->pause_ms = (int64_t)(link->health.ejected_until_us - now_us) / 1000;
    link->was_ejected = true;
    pool->places[link->place].ejections++;
}

static void
note_health_locked(vmx_pool *pool, vmx_link *link, bool failed, vmx_release_news *news)
{
    if (vmx_health_note(&link->health, &pool->options.health, failed)) {
        eject_locked(pool, link, news);
    } else if (link->was_ejected && !failed &&
               !vmx_health_is_ejected(&link->health, pool->transport->vtable->now(pool->transport))) {
        news->returned = true;
        link->was_ejected = false;
    }
}

void
vmx_pool_release(vmx_pool *pool, vmx_ticket ticket, vmx_ticket_report report)
{
    vmx_link *link = ticket.link;
    vmx_release_news news = {.place = link->place};
    vmx_lock_acquire(&pool->lock);
    link->in_flight--;
    pool->locked.probing = false;
    news.old_limit = pool->locked.gate.limit;
    vmx_gate_leave(&pool->locked.gate, ticket.round, report.load);
    news.limit = pool->locked.gate.limit;
    if (report.counts)
        note_health_locked(pool, link, report.failed, &news);
    bool done = vmx_link_is_done_locked(link);
    bool closed = link->closed && link->in_flight == 0;
    bool waiting = pool->locked.head != NULL;
    vmx_lock_release(&pool->lock);
    vmx_report_release(pool, &news);
    if (done)
        vmx_link_close(link);
    if (closed)
        vmx_dealloc(link);
    if (waiting)
        vmx_pool_serve(pool);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

/* A connection of an old place, past its age, that nothing replaces yet. */
static vmx_link *
take_expired_locked(vmx_pool *pool, uint64_t now_us)
{
    for (size_t i = 0; i < pool->count && !pool->locked.closed; i++) {
        vmx_link *link = pool->places[i].link;
        if (now_us >= link->expires_us && pool->places[i].successor == NULL) {
            link->expires_us = VMX_NEVER;
            return link;
        }
    }
    return NULL;
}

/* There was no memory for its successor. The link is there as long as nothing has replaced it and a call runs. */
static void
renew_later(vmx_pool *pool, vmx_link *old, uint64_t now_us)
{
    enum { PAUSE_MS = 1000 };
    vmx_lock_acquire(&pool->lock);
    old->expires_us = vmx_deadline_us(now_us, PAUSE_MS);
    vmx_lock_release(&pool->lock);
}

void
vmx_pool_renew(vmx_pool *pool, uint64_t now_us)
{
    vmx_lock_acquire(&pool->lock);
    vmx_link *old = take_expired_locked(pool, now_us);
    vmx_lock_release(&pool->lock);
    vmx_link *successor = NULL;
    if (old == NULL)
        return;
    if (vmx_link_open(pool, old->place, &successor, NULL) != VMX_OK) {
        renew_later(pool, old, now_us);
        return;
    }
    vmx_lock_acquire(&pool->lock);
    bool closed = pool->locked.closed;
    successor->closing = closed;
    if (!closed)
        pool->places[old->place].successor = successor;
    vmx_lock_release(&pool->lock);
    if (closed)
        vmx_link_close(successor);
    else
        pool->transport->vtable->channel_connect(successor->channel);
}

static vmx_status
open_links(vmx_pool *pool, vmx_error *error)
{
    for (; pool->count < pool->options.channel_count; pool->count++) {
        vmx_status status = vmx_link_open(pool, pool->count, &pool->places[pool->count].link, error);
        if (status != VMX_OK)
            return status;
    }
    for (size_t i = 0; i < pool->count; i++)
        pool->transport->vtable->channel_connect(pool->places[i].link->channel);
    return VMX_OK;
}

vmx_status
vmx_pool_new(vmx_transport *transport, const vmx_pool_options *options, vmx_pool **out, vmx_error *error)
{
    *out = NULL;
    vmx_pool *pool = vmx_calloc(1, sizeof *pool + options->channel_count * sizeof pool->places[0]);
    if (pool == NULL)
        return vmx_error_no_memory(error);
    pool->transport = transport;
    pool->options = *options;
    vmx_lock_init(&pool->lock);
    vmx_gate_init(&pool->locked.gate, options->adaptive);
    vmx_random_seed(&pool->locked.random, options->random_seed);
    vmx_status status = open_links(pool, error);
    if (status != VMX_OK && pool->count == 0)
        vmx_pool_free(pool);
    else
        *out = pool;
    return status;
}

/* The next link to close; NULL when all are being closed. */
static vmx_link *
take_unclosed(vmx_pool *pool)
{
    vmx_lock_acquire(&pool->lock);
    pool->locked.closed = true;
    vmx_link *link = pool->locked.all;
    while (link != NULL && (link->closing || link->channel == NULL))
        link = link->next;
    if (link != NULL)
        link->closing = true;
    vmx_lock_release(&pool->lock);
    return link;
}

void
vmx_pool_close(vmx_pool *pool)
{
    vmx_link *link;
    while ((link = take_unclosed(pool)) != NULL)
        vmx_link_close(link);
}

void
vmx_pool_free(vmx_pool *pool)
{
    vmx_lock_destroy(&pool->lock);
    vmx_dealloc(pool);
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

void
vmx_pool_note_failure(vmx_pool *pool, vmx_str text)
{
    int len = (int)(text.len < VMX_FAILURE_SIZE ? text.len : VMX_FAILURE_SIZE - 1);
    vmx_lock_acquire(&pool->lock);
    pool->locked.probing = false;
    bool is_news = !pool->locked.knows_why;
    pool->locked.knows_why = true;
    snprintf(pool->locked.failure, VMX_FAILURE_SIZE, "%.*s", len, text.ptr != NULL ? text.ptr : "");
    vmx_lock_release(&pool->lock);
    if (is_news)
        vmx_report_connect_failure(pool, text);
}

void
vmx_pool_last_failure(vmx_pool *pool, char *text, size_t size)
{
    vmx_lock_acquire(&pool->lock);
    snprintf(text, size, "%s", pool->locked.knows_why ? pool->locked.failure : "");
    vmx_lock_release(&pool->lock);
}

size_t
vmx_pool_count(const vmx_pool *pool)
{
    return pool->count;
}

/* The link is only there while the pool is open. */
static void
read_link_locked(const vmx_link *link, uint64_t now_us, vmx_channel_info *info)
{
    info->state = link->state;
    info->calls_in_flight = link->in_flight;
    info->ejected = vmx_health_is_ejected(&link->health, now_us);
}

bool
vmx_pool_info(vmx_pool *pool, size_t i, uint64_t now_us, vmx_channel_info *info)
{
    if (i >= pool->count)
        return false;
    const vmx_place *place = &pool->places[i];
    vmx_lock_acquire(&pool->lock);
    vmx_channel_info ours = {
        .state = VMX_CHANNEL_CLOSED,
        .calls_started = place->started,
        .reconnects = place->times_ready > 0 ? place->times_ready - 1 : 0,
        .ejections = place->ejections,
    };
    if (!pool->locked.closed)
        read_link_locked(place->link, now_us, &ours);
    vmx_lock_release(&pool->lock);
    vmx_sized_write(info, &ours, sizeof ours);
    return true;
}

void
vmx_pool_read(vmx_pool *pool, vmx_pool_figures *figures)
{
    vmx_lock_acquire(&pool->lock);
    *figures = (vmx_pool_figures){.gate_limit = pool->locked.gate.limit, .in_flight = pool->locked.gate.in_flight};
    for (const vmx_pool_waiter *waiter = pool->locked.head; waiter != NULL; waiter = waiter->next)
        figures->waiting++;
    vmx_lock_release(&pool->lock);
}

double
vmx_pool_limit(vmx_pool *pool)
{
    vmx_lock_acquire(&pool->lock);
    double limit = pool->locked.gate.limit;
    vmx_lock_release(&pool->lock);
    return limit;
}
