/*
 * rpc/attempt.h: one attempt of a call, from start to its end; for call.c and judge.c.
 */
#ifndef VMX_RPC_ATTEMPT_H
#define VMX_RPC_ATTEMPT_H

#include "rpc/call.h"

/*
 * Starts a stream on the ticket's channel, now. `on_end` comes on the strand when it has ended: the stream is closed then,
 * `reply` and `message` are the attempt's. False: memory is out, the ticket is still the caller's.
 */
bool
vmx_attempt_start(vmx_call *call, vmx_attempt *attempt, vmx_ticket ticket, vmx_attempt_why why, uint64_t now_us,
                  void (*on_end)(vmx_task *task));

/* Takes the end in: closes the stream, writes the record. */
void
vmx_attempt_end(vmx_attempt *attempt);

/* What of it is counted. */
vmx_meter_attempt_end
vmx_attempt_figures(const vmx_attempt *attempt);

/* The end was not the server's, or the user's, but the attempt's own timeout. */
bool
vmx_attempt_timed_out(const vmx_attempt *attempt);

/* Copies what is borrowed into `arena`, so that the strand may take it up later. Without memory: grpc_code -1. */
void
vmx_reply_keep(vmx_arena *arena, const vmx_reply *reply, vmx_reply *kept);

/* What the end says of the channel and of the server's load. */
vmx_ticket_report
vmx_attempt_report(const vmx_attempt *attempt, vmx_verdict verdict);

/* Drops reply and message. */
void
vmx_attempt_clear(vmx_attempt *attempt);

/* An attempt that is not under way; NULL if both are. */
vmx_attempt *
vmx_attempt_free_one(vmx_call *call);

#endif
