/*
 * server/fault_server.h: vecmuxd behind the mock's HTTP/2 instead of the core's, for faults that the core cannot make.
 *
 * Calls are served by the same service; one thread speaks HTTP/2. It stops at once: a call that was to stall would never
 * finish.
 */
#ifndef VMXD_FAULT_SERVER_H
#define VMXD_FAULT_SERVER_H

#include "server/fault.h"
#include "server/server.h"

typedef struct vmxd_fault_server vmxd_fault_server;

/* `faults` outlives it, and has its seed set if it had none. NULL with the reason in `status`. */
vmxd_fault_server *
vmxd_fault_server_start(const vmxd_server_options *options, vmxd_faults *faults, vmxd_status *status);

int
vmxd_fault_server_port(const vmxd_fault_server *server);

/* Ends every connection; then nothing is served any more, but the service may still answer calls it has. */
void
vmxd_fault_server_stop(vmxd_fault_server *server);

/* Frees it and tells how often each rule hit, on stderr. When no call is left in the service. */
void
vmxd_fault_server_free(vmxd_fault_server *server);

#endif
