/*
 * rpc/failure.h: from the end of a call to an error that a person can act on.
 *
 * Messages have the form "<operation> at <endpoint>: <what happened>; <what to do>". Every function fills the whole of
 * the call's error, and, but for a cancellation, tells the log.
 */
#ifndef VMX_RPC_FAILURE_H
#define VMX_RPC_FAILURE_H

#include "rpc/call.h"

/* From the last attempt's reply. */
void
vmx_failure_of_reply(vmx_call *call, bool retriable);

/* A connection was refused for a reason that no waiting changes: the server's certificate is not the expected one. */
bool
vmx_failure_lasts(const vmx_reply *reply);

/* The time was over while the call waited in line for a connection. */
void
vmx_failure_in_line(vmx_call *call);

void
vmx_failure_cancelled(vmx_call *call);

void
vmx_failure_no_memory(vmx_call *call);

/* The server may have acted on the request of an attempt that failed so: nobody knows, or it broke off in the middle. */
bool
vmx_reply_leaves_doubt(const vmx_reply *reply);

/* "UNAVAILABLE" for 14; "code 99" gives "UNKNOWN". Never NULL. */
const char *
vmx_grpc_code_name(int grpc_code);

/* Our status for a gRPC code that is not OK. */
vmx_status
vmx_status_of_grpc(int grpc_code);

#endif
