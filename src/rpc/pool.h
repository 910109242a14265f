/*
 * rpc/pool.h: the connections of a client, and which one a call goes to.
 *
 * A call goes to the READY channel with the fewest calls in flight, the next in turn among equals; channels that have
 * failed lately (rpc/health.h) are passed over as long as another is READY; a call that comes from one that has failed it
 * passes over those too whose last call failed. With none READY, all of them at their cap of
 * streams, or the gate shut (rpc/gate.h), it waits in line, first come, first served; unless every channel is failing
 * to connect and the call fails fast: then it is given a failing channel, where the library answers at once with the
 * reason.
 *
 * A channel that has reached its age is replaced: the new one connects first, then the old one takes no more calls and
 * is closed when its last call has ended. Thread safe.
 */
#ifndef VMX_RPC_POOL_H
#define VMX_RPC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <vecmux/client.h>

#include "core/config.h"
#include "core/log.h"
#include "rpc/gate.h"
#include "rpc/health.h"
#include "transport/transport.h"

typedef struct vmx_pool vmx_pool;
typedef struct vmx_link vmx_link; /* one channel, as the pool keeps it */

/* Leave to start one stream. */
typedef struct vmx_ticket {
    vmx_link *link; /* NULL: none */
    vmx_channel *channel;
    uint64_t round;     /* of the gate */
    bool was_connected; /* the channel was READY */
} vmx_ticket;

/* What a call's end says of its channel and of the server. */
typedef struct vmx_ticket_report {
    vmx_gate_report load;
    bool counts; /* it says something about the channel's health ... */
    bool failed; /* ... namely that it is bad */
} vmx_ticket_report;

/* A call in line; part of the call. */
typedef struct vmx_pool_waiter {
    struct vmx_pool_waiter *prev, *next;
    bool queued;
    bool fail_fast;
    const vmx_link
        *avoid; /* the last attempt's, whose connection failed it: another is preferred; NULL: none. It may be
                              gone: it is only compared */
    /* A channel was found. Any thread, without the pool's lock; never inside vmx_pool_acquire. */
    void (*granted)(struct vmx_pool_waiter *waiter, vmx_ticket ticket);
} vmx_pool_waiter;

typedef struct vmx_pool_options {
    size_t channel_count;
    size_t first_channel; /* the number of the first in reports: a client may have another pool before this one */
    size_t max_streams;   /* per channel */
    bool adaptive;        /* the gate is in use */
    vmx_health_rules health;
    int64_t max_age_ms; /* of a connection, give or take a tenth; 0: none */
    uint64_t random_seed;
    const char *const *targets; /* channel i goes to target i modulo target_count; borrowed until `closed` */
    size_t target_count;
    vmx_channel_options channel; /* target, on_state and user are the pool's */
    vmx_log *log;                /* NULL: none */
    void (*closed)(void *user);  /* after vmx_pool_close: nothing of any channel calls back any more */
    void *user;
} vmx_pool_options;

/*
 * Opens the channels and starts connecting them. On failure *pool is NULL, or (some channels were opened) must be
 * closed as any other. Errors: those of channel_open, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_pool_new(vmx_transport *transport, const vmx_pool_options *options, vmx_pool **pool, vmx_error *error);

/* Closes every channel. Nobody may wait in line any more. */
void
vmx_pool_close(vmx_pool *pool);

/* After `closed`. */
void
vmx_pool_free(vmx_pool *pool);

/* Leave to start one stream; with link NULL the waiter is in line. `now_us` is the transport's time, here and below. */
vmx_ticket
vmx_pool_acquire(vmx_pool *pool, vmx_pool_waiter *waiter, uint64_t now_us);

/* Leave to start one stream on another channel than `not_this`, now or not at all (link NULL). */
vmx_ticket
vmx_pool_acquire_other(vmx_pool *pool, const vmx_link *not_this, uint64_t now_us);

/* Leaves the line. False: it was granted a ticket meanwhile, `granted` has been or is being called. */
bool
vmx_pool_abandon(vmx_pool *pool, vmx_pool_waiter *waiter);

/* The stream of the ticket has ended, or was never started. */
void
vmx_pool_release(vmx_pool *pool, vmx_ticket ticket, vmx_ticket_report report);

/* Notes why a connection could not be made, for the messages of calls that waited for one. */
void
vmx_pool_note_failure(vmx_pool *pool, vmx_str text);

/* The last such reason, "" if there is none or a connection is up; always ends in NUL. */
void
vmx_pool_last_failure(vmx_pool *pool, char *text, size_t size);

size_t
vmx_pool_count(const vmx_pool *pool);

/* False when there is no channel `i`. `now_us` is the transport's time. Also after the pool was closed. */
bool
vmx_pool_info(vmx_pool *pool, size_t i, uint64_t now_us, vmx_channel_info *info);

/* The gate and the line before it, as they are now. */
typedef struct vmx_pool_figures {
    double gate_limit; /* 0: it stands open */
    size_t in_flight;
    size_t waiting;
} vmx_pool_figures;

void
vmx_pool_read(vmx_pool *pool, vmx_pool_figures *figures);

/* The gate's limit now; 0 while it stands open. */
double
vmx_pool_limit(vmx_pool *pool);

#endif
