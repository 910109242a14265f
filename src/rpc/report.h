/*
 * rpc/report.h: what calls and connections tell the log (docs/logging.md).
 *
 * Every function returns at once when the client has no log. None may be called with a lock held: a sink is user code.
 */
#ifndef VMX_RPC_REPORT_H
#define VMX_RPC_REPORT_H

#include "rpc/call.h"
#include "rpc/failure.h"
#include "rpc/link.h"

/* --- calls; on their strand ---------------------------------------------------------------------------------------- */

/* The end of an attempt that is followed by another, after a pause. */
void
vmx_report_retry(const vmx_call *call, const vmx_attempt *attempt, const vmx_retry_choice *choice);

/* If the reply says when, or that not, to try again. */
void
vmx_report_pushback(const vmx_call *call, const vmx_attempt *attempt);

/* The call's error stands (rpc/failure.c says so); `attempt` is the one whose end was its reason, or NULL. */
void
vmx_report_failure(const vmx_call *call, const vmx_attempt *attempt);

/* Retries have been stopped, or are allowed again; nothing for any other change. */
void
vmx_report_budget(vmx_caller *caller, vmx_budget_change change);

void
vmx_report_hedge_sent(const vmx_call *call, const vmx_attempt *hedge, uint64_t delay_us);

void
vmx_report_hedge_won(const vmx_call *call, const vmx_attempt *hedge);

/* --- connections; any thread --------------------------------------------------------------------------------------- */

/* A change of a link's state, taken down under the lock. */
typedef struct vmx_state_change {
    size_t place;
    const char *target;
    vmx_channel_state from, to;
    bool failed_before; /* and has not been ready since */
    bool replaced;      /* it took the place of one that was too old */
    uint64_t times_ready;
} vmx_state_change;

void
vmx_report_state(const vmx_pool *pool, const vmx_state_change *change);

/* What the end of an attempt has changed in the pool, taken down under the lock. */
typedef struct vmx_release_news {
    size_t place;
    bool ejected;
    bool returned; /* it had been ejected, and a call on it went well after its pause */
    int64_t pause_ms;
    uint32_t failures_in_row, failures, calls; /* that led to the ejection */
    double old_limit, limit;                   /* of the gate; 0: open */
} vmx_release_news;

void
vmx_report_release(const vmx_pool *pool, const vmx_release_news *news);

/* The transport's words on why no connection can be made, when they are new. */
void
vmx_report_connect_failure(const vmx_pool *pool, vmx_str reason);

#endif
