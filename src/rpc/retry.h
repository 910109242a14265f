/*
 * rpc/retry.h: whether, and after what pause, a call is repeated. Pure.
 */
#ifndef VMX_RPC_RETRY_H
#define VMX_RPC_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/op.h>

#include "core/config.h"
#include "core/random.h"
#include "core/reply.h"
#include "rpc/request.h"

/* The client's policy, from its properties. */
void
vmx_retry_from_config(vmx_retry *retry, const vmx_config *config);

/* VMX_OK, or VMX_ERR_INVALID naming the field that makes no sense. */
vmx_status
vmx_retry_check(const vmx_retry *retry, vmx_error *error);

/* What the server's trailers say about trying again. */
typedef struct vmx_pushback {
    bool given;
    bool stop;       /* grpc-retry-pushback-ms is negative, or no number (gRFC A6) */
    int64_t wait_ms; /* grpc-retry-pushback-ms, else retry-after in seconds */
} vmx_pushback;

vmx_pushback
vmx_pushback_read(const vmx_reply *reply);

/* Whether a failure that was judged so is worth a retry under the policy. */
bool
vmx_retry_may_help(const vmx_retry *policy, vmx_verdict verdict, int grpc_code);

/* How an attempt ended, and what may still be done. */
typedef struct vmx_retry_case {
    const vmx_retry *policy;
    uint32_t attempts; /* counted so far, at least 1 */
    vmx_verdict verdict;
    const vmx_reply *reply;
    bool idempotent;       /* the call may be repeated after an unknown outcome */
    bool timed_out;        /* by attempt_timeout_ms, with the call's deadline still to come */
    bool was_connected;    /* the attempt had a connection, so that VMX_REACH_NONE means: refused by the peer */
    bool transparent_used; /* the one uncounted repetition was made */
    bool budget_allows;
    uint64_t now_us;
    uint64_t deadline_us;
    uint64_t last_pause_us; /* the pause before this attempt; 0 before the first retry */
} vmx_retry_case;

typedef enum vmx_stop {
    VMX_STOP_NONE = 0,     /* go on */
    VMX_STOP_FINAL = 1,    /* repeating cannot help */
    VMX_STOP_UNSAFE = 2,   /* the server may have acted, and twice would not be the same as once */
    VMX_STOP_ATTEMPTS = 3, /* max_attempts */
    VMX_STOP_DEADLINE = 4, /* the next attempt could not begin in time */
    VMX_STOP_BUDGET = 5,   /* the retry budget is empty */
    VMX_STOP_SERVER = 6    /* the server asked not to */
} vmx_stop;

typedef struct vmx_retry_choice {
    vmx_stop stop;
    vmx_attempt_why why; /* of the next attempt */
    uint64_t pause_us;   /* before it */
} vmx_retry_choice;

vmx_retry_choice
vmx_retry_choose(const vmx_retry_case *facts, vmx_random *random);

#endif
