#include "rpc/link.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "rpc/report.h"

/* A tenth more or less, so that many clients do not reconnect together. */
static uint64_t
expiry_locked(vmx_pool *pool)
{
    int64_t age_ms = pool->options.max_age_ms;
    if (age_ms <= 0)
        return VMX_NEVER;
    uint64_t age_us = (uint64_t)age_ms * 1000;
    uint64_t now_us = pool->transport->vtable->now(pool->transport);
    return now_us + age_us - age_us / 10 + vmx_random_up_to(&pool->locked.random, age_us / 5);
}

/* A successor that is READY takes the place over. Returns the link that it retires, if that one is idle. */
static vmx_link *
take_over_locked(vmx_link *link)
{
    vmx_place *place = &link->pool->places[link->place];
    if (place->successor != link)
        return NULL;
    vmx_link *old = place->link;
    place->link = link;
    place->successor = NULL;
    old->retired = true;
    return vmx_link_is_done_locked(old) ? old : NULL;
}

static void
unlist_locked(vmx_link *link)
{
    vmx_link **at = &link->pool->locked.all;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    link->pool->locked.open--;
}

static void
on_closed(vmx_link *link)
{
    vmx_pool *pool = link->pool;
    vmx_lock_acquire(&pool->lock);
    unlist_locked(link);
    link->closed = true;
    bool idle = link->in_flight == 0;
    bool last = pool->locked.open == 0 && pool->locked.closed;
    vmx_lock_release(&pool->lock);
    if (idle)
        vmx_dealloc(link);
    if (last)
        pool->options.closed(pool->options.user);
}

static void
on_ready_locked(vmx_link *link)
{
    link->pool->places[link->place].times_ready++;
    link->pool->locked.knows_why = false;
    link->pool->locked.probing = false;
}

/* Takes the new state down; what there is to tell of it. Of a link that is on its way out: nothing. */
static vmx_state_change
change_state_locked(vmx_link *link, vmx_channel_state state)
{
    const vmx_place *place = &link->pool->places[link->place];
    vmx_state_change change = {
        .place = link->place,
        .target = link->target,
        .from = link->state,
        .to = state,
        .failed_before = link->has_failed,
        .replaced = state == VMX_CHANNEL_READY && place->successor == link,
        .times_ready = place->times_ready + (state == VMX_CHANNEL_READY),
    };
    if (link->retired || link->closing)
        change.from = change.to = VMX_CHANNEL_CLOSED;
    link->state = state;
    link->has_failed = state == VMX_CHANNEL_FAILING || (link->has_failed && state != VMX_CHANNEL_READY);
    return change;
}

static void
on_state(void *user, vmx_channel_state state)
{
    vmx_link *link = user;
    vmx_pool *pool = link->pool;
    if (state == VMX_CHANNEL_CLOSED) {
        on_closed(link);
        return;
    }
    vmx_link *idle = NULL;
    vmx_lock_acquire(&pool->lock);
    vmx_state_change change = change_state_locked(link, state);
    if (state == VMX_CHANNEL_READY) {
        on_ready_locked(link);
        idle = take_over_locked(link);
    }
    bool connect = state == VMX_CHANNEL_IDLE && !link->closing;
    vmx_lock_release(&pool->lock);
    vmx_report_state(pool, &change);
    if (idle != NULL)
        vmx_link_close(idle);
    if (connect)
        pool->transport->vtable->channel_connect(link->channel);
    vmx_pool_serve(pool);
}

vmx_status
vmx_link_open(vmx_pool *pool, size_t place, vmx_link **out, vmx_error *error)
{
    *out = NULL;
    vmx_link *link = vmx_calloc(1, sizeof *link);
    if (link == NULL)
        return vmx_error_no_memory(error);
    link->pool = pool;
    link->place = place;
    vmx_channel_options options = pool->options.channel;
    options.on_state = on_state;
    options.user = link;
    vmx_lock_acquire(&pool->lock);
    options.target = pool->options.targets[pool->locked.next_target++ % pool->options.target_count];
    link->target = options.target;
    link->expires_us = expiry_locked(pool);
    link->next = pool->locked.all;
    pool->locked.all = link;
    pool->locked.open++;
    vmx_lock_release(&pool->lock);
    vmx_status status = pool->transport->vtable->channel_open(pool->transport, &options, &link->channel, error);
    if (status == VMX_OK) {
        *out = link;
        return VMX_OK;
    }
    vmx_lock_acquire(&pool->lock);
    unlist_locked(link);
    vmx_lock_release(&pool->lock);
    vmx_dealloc(link);
    return status;
}

bool
vmx_link_is_done_locked(vmx_link *link)
{
    bool done = link->retired && link->in_flight == 0 && !link->closing;
    if (done)
        link->closing = true;
    return done;
}

void
vmx_link_close(vmx_link *link)
{
    link->pool->transport->vtable->channel_close(link->channel);
}
