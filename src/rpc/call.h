/*
 * rpc/call.h: one call, made as often as it takes: a channel from the pool, an attempt, a verdict, a pause, the next.
 *
 * A call belongs to an op and lives on its strand: every function here is called there, and `done` comes there. Between
 * start and `done` the call's memory must stay; after `done` nothing of it is under way.
 */
#ifndef VMX_RPC_CALL_H
#define VMX_RPC_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/random.h"
#include "op/op.h"
#include "rpc/pool.h"
#include "rpc/request.h"
#include "transport/transport.h"

/* What the calls of one client have in common. Borrowed by the calls. */
typedef struct vmx_caller {
    vmx_transport *transport;
    vmx_pool *pool;
    vmx_classify classify;
    const char *endpoint; /* as the user wrote it, for messages */
    bool tls;
    uint64_t random_seed;
} vmx_caller;

typedef struct vmx_call vmx_call;

typedef struct vmx_call_settings {
    vmx_retry retry;
    uint64_t deadline_us;
    int64_t timeout_ms; /* what deadline_us was made from, for messages */
    bool wait_for_ready;
    const vmx_header *headers; /* borrowed until the op has ended */
    size_t header_count;
} vmx_call_settings;

typedef enum vmx_call_phase {
    VMX_CALL_IDLE = 0,
    VMX_CALL_IN_LINE = 1, /* for a channel */
    VMX_CALL_ATTEMPT = 2, /* a stream is under way */
    VMX_CALL_BACKOFF = 3, /* the timer runs */
    VMX_CALL_ENDING = 4   /* `error` stands; a grant or timer that could not be taken back is still to come */
} vmx_call_phase;

struct vmx_call {
    const vmx_caller *caller;
    vmx_op *op;
    vmx_loop *loop; /* home of every attempt */
    vmx_call_settings settings;
    /* The call has ended; error->code says how. `reply` and `message` (on success) are the last attempt's; they live in
     * the call until it is started again or cleared. */
    void (*done)(vmx_call *call);

    vmx_call_phase phase;
    vmx_request request; /* owned */
    uint32_t attempts;   /* started so far */
    bool cancelled;
    bool in_line;    /* the waiter is in the pool's line, or its grant is on its way */
    bool timed;      /* the timer is armed, or its task is on its way */
    bool maybe_sent; /* an attempt failed of which the server may have acted on the request */
    vmx_random random;
    vmx_error *error;    /* the op's */
    vmx_pool_slot *slot; /* while a stream is under way, or granted */
    vmx_stream *stream;
    vmx_pool_waiter waiter;
    vmx_timer timer; /* backoff, or the deadline while in line */
    vmx_task granted_task, ended_task, timer_task;

    vmx_arena reply_arena;
    vmx_reply reply;
    vmx_message message;
};

/* Zeroed memory becomes an idle call. `error` is where its failures are written. */
void
vmx_call_init(vmx_call *call, const vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              vmx_error *error, void (*done)(vmx_call *call));

/* Starts it; takes the request's message over. `done` follows, never inside this function. */
void
vmx_call_start(vmx_call *call, vmx_request *request);

/* Ends it soon with VMX_ERR_CANCELLED; nothing happens to an idle one. `done` may come inside this function. */
void
vmx_call_cancel(vmx_call *call);

/* Frees what an idle call holds. */
void
vmx_call_clear(vmx_call *call);

#endif
