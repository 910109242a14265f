/*
 * rpc/pool.h: the connections of a client, and which one a call goes to.
 *
 * A call goes to the READY channel with the fewest calls in flight, the next in turn among equals. With none READY, or
 * all of them at their cap of streams, it waits in line, first come, first served; unless every channel is failing to
 * connect and the call fails fast: then it is given a failing channel, where the library answers at once with the
 * reason. Thread safe.
 */
#ifndef VMX_RPC_POOL_H
#define VMX_RPC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <vecmux/client.h>

#include "core/config.h"
#include "transport/transport.h"

typedef struct vmx_pool vmx_pool;
typedef struct vmx_pool_slot vmx_pool_slot; /* one channel */

/* A call in line; part of the call. */
typedef struct vmx_pool_waiter {
    struct vmx_pool_waiter *prev, *next;
    bool queued;
    bool fail_fast;
    /* A channel was found. Any thread, without the pool's lock; never inside vmx_pool_acquire. */
    void (*granted)(struct vmx_pool_waiter *waiter, vmx_pool_slot *slot);
} vmx_pool_waiter;

typedef struct vmx_pool_options {
    size_t channel_count;
    size_t max_streams;          /* per channel */
    vmx_channel_options channel; /* on_state and user are the pool's */
    void (*closed)(void *user);  /* after vmx_pool_close: nothing of any channel calls back any more */
    void *user;
} vmx_pool_options;

/* Opens the channels and starts connecting them. Errors: those of channel_open, VMX_ERR_NO_MEMORY. */
vmx_status
vmx_pool_new(vmx_transport *transport, const vmx_pool_options *options, vmx_pool **pool, vmx_error *error);

/* Closes every channel. Nobody may wait in line any more. */
void
vmx_pool_close(vmx_pool *pool);

/* After `closed`. */
void
vmx_pool_free(vmx_pool *pool);

/* A channel to start one stream on, or NULL: the waiter is in line. */
vmx_pool_slot *
vmx_pool_acquire(vmx_pool *pool, vmx_pool_waiter *waiter);

/* Leaves the line. False: it was granted a channel meanwhile, `granted` has been or is being called. */
bool
vmx_pool_abandon(vmx_pool *pool, vmx_pool_waiter *waiter);

/* The stream on the slot has ended. */
void
vmx_pool_release(vmx_pool *pool, vmx_pool_slot *slot);

vmx_channel *
vmx_pool_channel(const vmx_pool_slot *slot);

/* Notes why a connection could not be made, for the messages of calls that waited for one. */
void
vmx_pool_note_failure(vmx_pool *pool, vmx_str text);

/* The last such reason, "" if there is none or a connection is up; always ends in NUL. */
void
vmx_pool_last_failure(vmx_pool *pool, char *text, size_t size);

size_t
vmx_pool_count(const vmx_pool *pool);

/* False when there is no channel `i`. */
bool
vmx_pool_info(vmx_pool *pool, size_t i, vmx_channel_info *info);

#endif
