/*
 * api/client.h: the client, inside.
 *
 * A client is a host of operations (op/host.h) with a transport, a pool of connections and an engine. It ends in two
 * ways: vmx_client_close waits until nothing runs and tears it down on the caller's thread; vmx_client_free cancels what
 * runs, and the last operation to end tears it down in the background. Its memory goes with the last reference.
 */
#ifndef VMX_API_CLIENT_H
#define VMX_API_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <vecmux/client.h>

#include "api/run_store.h"
#include "build/build.h"
#include "core/buffer.h"
#include "core/endpoint.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/worker.h"
#include "engine/engine.h"
#include "op/host.h"
#include "rpc/call.h"
#include "writer/ledger.h"

struct vmx_client {
    vmx_host host; /* first */
    vmx_config *config;
    vmx_endpoint endpoints[VMX_MAX_ENDPOINTS]; /* the first one gives the index's name */
    size_t endpoint_count;
    vmx_transport *transport;
    vmx_transport *clock; /* whose time is not CLOCK_MONOTONIC; NULL: the transport's is, or there is none any more */
    vmx_pool *pool;
    pthread_mutex_t streams_lock; /* guards `streams` */
    vmx_pool *streams;    /* in use as caller.streams, unless it could not be opened whole; NULL: not wanted yet */
    vmx_memory *memory;   /* the budget of what is encoded */
    vmx_memory *replies;  /* the budget of replies that operations hold */
    vmx_ledger ledger;    /* of its writers */
    vmx_workers *workers; /* for slow things */
    vmx_build_counters builds;
    vmx_engine engine;
    vmx_caller caller;
    vmx_run_store runs;
    vmx_log *log;                           /* NULL: none */
    const char *targets[VMX_MAX_ENDPOINTS]; /* the endpoints' */
    vmx_retry retry;                        /* of calls that bring none */
    int64_t call_timeout_ms;                /* likewise */
    bool wait_for_ready;                    /* likewise */
    char user_agent[160];
    vmx_buffer authorities; /* PEM; empty: the system's */
    _Atomic size_t next_loop;
    _Atomic bool freed;     /* the user's handle is gone: `drained` tears the client down */
    _Atomic bool torn_down; /* claimed by whoever does it */
    bool gone;              /* host.lock; that has been done, with waiting */
};

/*
 * As vmx_client_open, on a transport of the caller's choice, which it takes over in every case; NULL: one of gRPC's.
 * The same seed draws the same pauses. Errors: those of vmx_client_open.
 */
vmx_status
vmx_client_open_on(const vmx_config *config, vmx_transport *transport, uint64_t seed, vmx_client **client,
                   vmx_error *error);

/* Microseconds of the transport's clock. Any thread, also after the end of the transport. */
uint64_t
vmx_client_now(const vmx_client *client);

/* VMX_ERR_FORKED or VMX_ERR_CLOSED if the client can start nothing. */
vmx_status
vmx_client_check_open(vmx_client *client, vmx_error *error);

#endif
