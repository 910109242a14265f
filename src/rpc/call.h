/*
 * rpc/call.h: one call, made as often as it takes: a channel from the pool, an attempt, a verdict, a pause, the next.
 *
 * A call belongs to an op and lives on its strand: every function here is called there, and `done` comes there. Between
 * start and `done` the call's memory must stay; after `done` nothing of it is under way, but for a hedged attempt that
 * lost and was not worth a cancellation: it holds a reference on the op until it has ended.
 */
#ifndef VMX_RPC_CALL_H
#define VMX_RPC_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/log.h"
#include "core/random.h"
#include "op/op.h"
#include "rpc/budget.h"
#include "rpc/latency.h"
#include "rpc/pace.h"
#include "rpc/pool.h"
#include "rpc/request.h"
#include "rpc/retry.h"
#include "stats/meter.h"
#include "transport/transport.h"

/* As many as io.threads may be. */
enum { VMX_MAX_LOOPS = 16 };

/* What the calls of one client have in common. */
typedef struct vmx_caller {
    vmx_transport *transport;
    vmx_pool *pool;
    vmx_pool *_Atomic streams; /* of those that stay open and move much (rpc/flow.h); NULL: `pool` serves them too */
    vmx_classify classify;
    const char *endpoint; /* as the user wrote it, for messages */
    bool tls;
    size_t receive_ahead_bytes; /* as of the channels of `streams` (transport.h) */
    _Atomic uint64_t next_seed; /* of the calls' random generators */
    vmx_budget budget;
    vmx_latency reads;              /* for hedges after the 95th percentile */
    vmx_pace cancels;               /* of hedges that lost */
    vmx_log *log;                   /* NULL: none */
    vmx_meter *meter;               /* NULL: nothing is counted */
    vmx_loop *loops[VMX_MAX_LOOPS]; /* the transport's: who starts too late may still look one up when it is gone */
    size_t loop_count;
} vmx_caller;

typedef struct vmx_call vmx_call;

typedef struct vmx_call_settings {
    vmx_retry retry;
    uint64_t deadline_us;
    int64_t timeout_ms; /* what deadline_us was made from, for messages */
    bool wait_for_ready;
    const vmx_header *headers; /* borrowed until the op has ended */
    size_t header_count;
    /* NULL, or: an attempt's request, of more than VMX_SENT_TOLD_BYTES, has left for the connection. On the loop's thread,
     * not on the strand; must not block. */
    void (*sent)(vmx_call *call);
} vmx_call_settings;

typedef enum vmx_call_phase {
    VMX_CALL_IDLE = 0,
    VMX_CALL_IN_LINE = 1, /* for a channel; the timer is the deadline */
    VMX_CALL_ATTEMPT = 2, /* one or two streams are under way; the timer is the hedge's */
    VMX_CALL_BACKOFF = 3, /* the timer is the pause's end */
    VMX_CALL_ENDING = 4   /* the error stands; something that could not be taken back is still to come */
} vmx_call_phase;

/* One stream of a call. */
typedef struct vmx_attempt {
    vmx_call *call;
    vmx_ticket ticket;
    vmx_stream *stream; /* while it is under way, else NULL */
    bool hedge;         /* sent while another was under way */
    bool abandoned;     /* it lost: nobody wants its end, which holds a reference on the op */
    vmx_attempt_why why;
    uint64_t sent_bytes;
    size_t record; /* its place in the call's records, or VMX_NO_RECORD */
    uint64_t started_us, ended_us;
    uint64_t deadline_us;
    vmx_task ended_task;
    vmx_arena arena; /* of `reply` */
    vmx_reply reply;
    vmx_message message;
} vmx_attempt;

/* The records of a call's attempts: the first ones and the latest. */
#define VMX_MAX_RECORDS 32
#define VMX_NO_RECORD   SIZE_MAX

typedef struct vmx_record {
    vmx_attempt_why why;
    int32_t grpc_code;
    uint64_t started_us, ended_us;
    vmx_str peer; /* in the op's arena */
} vmx_record;

typedef struct vmx_records {
    vmx_record *items; /* in the op's arena; made when the second attempt starts */
    vmx_record first;
    size_t count;
    uint64_t origin_us; /* the call's start */
} vmx_records;

struct vmx_call {
    vmx_caller *caller;
    vmx_op *op;
    vmx_loop *loop; /* home of every attempt */
    vmx_call_settings settings;
    /* The call has ended; error->code says how. On success `last` holds reply and message, until the call is started
     * again or cleared. */
    void (*done)(vmx_call *call);

    vmx_call_phase phase;
    vmx_request request;     /* owned */
    vmx_attempt attempts[2]; /* the second is a hedge, or takes turns with an abandoned one */
    vmx_attempt *last;       /* the latest that ended and counted; NULL: none */
    size_t live;             /* attempts under way, not abandoned */
    uint32_t started;        /* attempts that count towards max_attempts */
    vmx_attempt_why why;     /* of the next attempt */
    vmx_stop stop;           /* why there is no next one */
    bool cancelled;
    bool in_line;          /* the waiter is in the pool's line, or its grant is on its way */
    bool timed;            /* the timer is armed, or its task is on its way */
    bool maybe_sent;       /* an attempt failed of which the server may have acted on the request */
    bool transparent_used; /* the one repetition that does not count */
    uint64_t due_us;       /* what the timer is for */
    uint64_t pause_us;     /* the last one */
    bool seeded;           /* `random` is in use */
    vmx_random random;
    vmx_error *error;   /* the op's */
    vmx_ticket granted; /* for granted_task */
    vmx_pool_waiter waiter;
    vmx_timer timer;
    vmx_task granted_task, timer_task;
    vmx_records records;
    vmx_header *headers; /* settings.headers with room for grpc-previous-rpc-attempts; NULL until needed */
    char previous_attempts[12];
};

/* Sets `transport` and `loops`. */
void
vmx_caller_set_transport(vmx_caller *caller, vmx_transport *transport);

/* One of the loops, by turns. It is there while an operation runs that has begun. */
static inline vmx_loop *
vmx_caller_loop(const vmx_caller *caller, size_t turn)
{
    return caller->loops[turn % caller->loop_count];
}

/* Zeroed memory, or a call that was cleared, becomes an idle call. `error` is where its failures are written. */
void
vmx_call_init(vmx_call *call, vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              vmx_error *error, void (*done)(vmx_call *call));

/* Starts it; takes the request's message over. `done` follows, never inside this function. */
void
vmx_call_start(vmx_call *call, vmx_request *request);

/* Ends it soon with VMX_ERR_CANCELLED; an idle one is only marked as cancelled. `done` may come inside this function. */
void
vmx_call_cancel(vmx_call *call);

/* Frees what an idle call holds, but for memory of its next attempts. */
void
vmx_call_clear(vmx_call *call);

/* Frees that too. */
void
vmx_call_destroy(vmx_call *call);

/* The last attempt's reply; one without anything if there was none. */
const vmx_reply *
vmx_call_reply(const vmx_call *call);

/* Fills record `i`; false when there is none. */
bool
vmx_call_record(const vmx_call *call, size_t i, vmx_attempt_info *info);

#endif
