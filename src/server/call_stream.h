/*
 * server/call_stream.h: what streaming methods do between a call's first message and its end. Of each kind (receive,
 * send) one at a time, and not both at once. A call ends by vmxd_call_end, vmxd_call_reply or vmxd_call_fail, when
 * nothing is being received or sent.
 *
 * A call that did not come through the core (server/call.h, vmxd_outside_call) has all its messages already, and what is
 * sent is collected; the functions below run just the same, on the thread that called.
 */
#ifndef VMXD_CALL_STREAM_H
#define VMXD_CALL_STREAM_H

#include <grpc/slice.h>

#include "server/call.h"

/* The next message has come (vmxd_call_request), or, vmxd_call_has_request being false, there is none. On the loop. */
typedef void
vmxd_call_next(void *user, vmxd_call *call);

void
vmxd_call_receive(vmxd_call *call, vmxd_call_next *next, void *user);

/* The message is on its way, or, with `ok` false, the peer is gone. On the loop. */
typedef void
vmxd_call_sent(void *user, bool ok);

/* Takes `message` over. */
void
vmxd_call_send(vmxd_call *call, grpc_slice message, vmxd_call_sent *sent, void *user);

/* The call's end has been seen by the core: with `cancelled` before it was answered. Exactly once, on the loop. */
typedef void
vmxd_call_closed(void *user, bool cancelled);

/* At most once, before anything is sent. The call may be ended before and after `closed` has run. */
void
vmxd_call_watch_close(vmxd_call *call, vmxd_call_closed *closed, void *user);

/* Ends a stream with OK. */
void
vmxd_call_end(vmxd_call *call);

/* The message packed, for vmxd_call_send. */
grpc_slice
vmxd_call_pack(const ProtobufCMessage *message);

#endif
