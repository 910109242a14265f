/*
 * rpc/flow.h: one streaming RPC: a channel from the pool, messages both ways, and an end that is judged.
 *
 * It does not repeat itself, because only its owner knows where to go on: the owner asks vmx_flow_pause whether the
 * retry policy allows another attempt, and starts it when `resumed` comes. What moves nothing for idle_timeout_ms is
 * given up, as if the connection had failed.
 *
 * A flow belongs to an op and lives on its strand: every function here is called there, and the hooks come there. From
 * start to `ended`, and from a successful pause to `resumed`, its memory must stay.
 */
#ifndef VMX_RPC_FLOW_H
#define VMX_RPC_FLOW_H

#include "core/arena.h"
#include "rpc/call.h"

typedef struct vmx_flow vmx_flow;

typedef struct vmx_flow_hooks {
    void (*ready)(vmx_flow *flow);                         /* the stream is open; may come inside start */
    void (*sent)(vmx_flow *flow);                          /* the last send was taken over */
    void (*message)(vmx_flow *flow, vmx_message *message); /* answers a recv; it may be moved out */
    /* The stream has ended: `reply` and `verdict` say how; code OK is a success. May come inside cancel. */
    void (*ended)(vmx_flow *flow);
    void (*resumed)(vmx_flow *flow); /* the pause is over, or was cancelled (`cancelled` is set) */
} vmx_flow_hooks;

typedef enum vmx_flow_phase {
    VMX_FLOW_IDLE = 0,
    VMX_FLOW_IN_LINE = 1, /* for a channel */
    VMX_FLOW_OPEN = 2,
    VMX_FLOW_ENDING = 3, /* `reply` stands; something that could not be taken back is still to come */
    VMX_FLOW_PAUSED = 4
} vmx_flow_phase;

struct vmx_flow {
    vmx_caller *caller;
    vmx_pool *pool; /* since the start: the caller's for streams, if it has one */
    vmx_op *op;
    vmx_loop *loop;
    const vmx_flow_hooks *hooks;
    vmx_call_settings settings;
    int64_t idle_timeout_ms;

    vmx_flow_phase phase;
    const char *method;
    vmx_ticket ticket;
    vmx_stream *stream;
    bool in_line, timed;
    bool cancelled;        /* by the owner; an owner that goes on resets it */
    bool idle;             /* given up because nothing moved */
    bool transparent_used; /* the repetition that does not count */
    uint32_t failures;     /* in a row; vmx_flow_moved resets them */
    uint64_t moved_us, due_us, pause_us;
    vmx_arena arena; /* of `reply` */
    vmx_reply reply;
    vmx_verdict verdict; /* the owner may know better, before it asks for a pause */
    vmx_message incoming;
    vmx_random random;
    vmx_pool_waiter waiter;
    vmx_ticket granted;
    vmx_timer timer;
    vmx_task granted_task, sent_task, message_task, ended_task, timer_task;
};

/* Zeroed memory becomes an idle flow. */
void
vmx_flow_init(vmx_flow *flow, vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              int64_t idle_timeout_ms, const vmx_flow_hooks *hooks);

/* Opens a stream of `method` (static): `ready` follows, or `ended`. */
void
vmx_flow_start(vmx_flow *flow, const char *method);

/* As of the transport: one send and one recv at a time. Nothing happens if the stream has ended, which its owner may not
 * have heard yet: `ended` waits for what is on its way. */
void
vmx_flow_send(vmx_flow *flow, const vmx_message *message, bool last);
void
vmx_flow_recv(vmx_flow *flow);

/* Something has been achieved: the attempts that failed before do not count any more. */
void
vmx_flow_moved(vmx_flow *flow);

/* The idle time begins anew: something else than the peer was slow. */
void
vmx_flow_touch(vmx_flow *flow);

/* Ends it soon; nothing happens to an idle one. `ended` or `resumed` may come inside. */
void
vmx_flow_cancel(vmx_flow *flow);

/* After a failure: true if the policy allows another attempt; then `resumed` follows, never inside. */
bool
vmx_flow_pause(vmx_flow *flow);

/* Writes what the end was into `error`: "<operation> at <endpoint>: <what>: <status>: <text>". `what` may be "". A stream
 * that ended with OK ended too soon: VMX_ERR_PROTOCOL. */
void
vmx_flow_failure(const vmx_flow *flow, const char *what, vmx_error *error);

/* Frees what an idle flow holds. */
void
vmx_flow_clear(vmx_flow *flow);

#endif
