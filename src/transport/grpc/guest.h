/*
 * transport/grpc/guest.h: calling the core from a thread of the host's.
 *
 * The core starts threads when it likes, with the signal mask of whoever called it; on such a thread the host's signal
 * handlers would run. So signals are blocked while a host's thread is inside the core. Our own loops have them blocked
 * for good. That is two system calls, 0.7 us together; a host that has no handlers to protect spares them
 * (vmx_grpc_transport_leave_signals).
 */
#ifndef VMX_GRPC_GUEST_H
#define VMX_GRPC_GUEST_H

#include <signal.h>

#include "transport/grpc/internal.h"

typedef struct vmx_guest {
    bool blocked; /* by us: `old` is to be restored */
    sigset_t old;
} vmx_guest;

/* On behalf of one of the loop's streams, or to drive it. */
void
vmx_guest_enter(vmx_guest *guest, const vmx_grpc_loop *loop);

void
vmx_guest_leave(const vmx_guest *guest);

/* Said once by a loop's thread: its signals are blocked. */
void
vmx_guest_is_home(void);

#endif
