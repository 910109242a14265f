/*
 * rpc/call_private.h: what call.c, attempt.c and judge.c know of a call. Everything happens on its strand.
 *
 * call.c brings a call to its attempts (the line, the timer, the start) and to its end; judge.c takes in how an attempt
 * has ended, and decides what the call does next.
 */
#ifndef VMX_RPC_CALL_PRIVATE_H
#define VMX_RPC_CALL_PRIVATE_H

#include "rpc/call.h"

static inline const vmx_transport_vtable *
vmx_call_transport(const vmx_call *call)
{
    return call->caller->transport->vtable;
}

static inline uint64_t
vmx_call_now(const vmx_call *call)
{
    return vmx_call_transport(call)->now(call->caller->transport);
}

/* --- call.c -------------------------------------------------------------------------------------------------------- */

/* Gets a channel for the next attempt and starts it; waits in line for one. */
void
vmx_call_get_channel(vmx_call *call, uint64_t now_us);

/* Arms the timer; one whose task is on its way is armed again when that comes. */
void
vmx_call_set_timer(vmx_call *call, uint64_t due_us);

/* The error stands: finishes as soon as nothing of the call is on its way any more. `done` may come inside. */
void
vmx_call_end(vmx_call *call);

/* --- judge.c ------------------------------------------------------------------------------------------------------- */

/* An attempt has ended; `task` is its ended_task. The call succeeds, fails, pauses before another attempt, or waits for
 * the one that is still under way. */
void
vmx_judge_ended(vmx_task *task);

#endif
