/*
 * rpc/link.h: one channel of a pool, and the pool's insides; for pool.c and link.c. Everything is guarded by the pool's
 * lock unless it says otherwise.
 */
#ifndef VMX_RPC_LINK_H
#define VMX_RPC_LINK_H

#include "core/lock.h"
#include "core/random.h"
#include "rpc/pool.h"

#define VMX_FAILURE_SIZE 256

struct vmx_link {
    vmx_pool *pool;
    vmx_channel *channel; /* constant */
    const char *target;   /* likewise */
    size_t place;         /* in pool->links; constant */
    vmx_channel_state state;
    vmx_health health;
    bool was_ejected; /* and no call has gone well on it since */
    bool has_failed;  /* to connect, and has not been ready since */
    size_t in_flight;
    uint64_t expires_us;   /* VMX_NEVER: never */
    bool retired;          /* replaced: takes no calls, is closed when it is idle */
    bool closing;          /* channel_close was, or is being, called */
    bool closed;           /* ... and has ended: the last call's end frees it */
    struct vmx_link *next; /* in pool->locked.all */
};

/* What a place in the pool has done, over all the links that have stood there. */
typedef struct vmx_place {
    vmx_link *link;      /* takes calls; NULL only after a failure to open */
    vmx_link *successor; /* connecting, to replace it */
    uint64_t started;
    uint64_t times_ready;
    uint64_t ejections;
} vmx_place;

struct vmx_pool {
    vmx_transport *transport;
    vmx_pool_options options;
    vmx_lock lock;
    struct {
        vmx_pool_waiter *head, *tail;
        vmx_gate gate;
        vmx_random random;
        vmx_link *all; /* every link that has not reported CLOSED */
        size_t open;   /* how many */
        bool closed;   /* vmx_pool_close was called */
        size_t turn;   /* where the search for a channel begins */
        size_t next_target;
        bool probing;   /* a waiting call was sent to a failing channel to learn the reason */
        bool knows_why; /* `failure` is the reason why nothing connects now */
        char failure[VMX_FAILURE_SIZE];
    } locked;
    size_t count;
    vmx_place places[];
};

/* Opens a channel for a place; without the lock. Errors: those of channel_open, VMX_ERR_NO_MEMORY. */
vmx_status
vmx_link_open(vmx_pool *pool, size_t place, vmx_link **link, vmx_error *error);

/* True, once, if a retired link has become idle: the caller then calls vmx_link_close without the lock. */
bool
vmx_link_is_done_locked(vmx_link *link);

void
vmx_link_close(vmx_link *link);

/* Gives calls that wait in line the channels there are; without the lock. */
void
vmx_pool_serve(vmx_pool *pool);

/* Replaces connections that have reached their age; without the lock. */
void
vmx_pool_renew(vmx_pool *pool, uint64_t now_us);

#endif
