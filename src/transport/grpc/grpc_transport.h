/*
 * transport/grpc/grpc_transport.h: the transport on gRPC C core (1.51; reference: grpc-c-core.md).
 */
#ifndef VMX_GRPC_TRANSPORT_H
#define VMX_GRPC_TRANSPORT_H

#include "transport/transport.h"

/*
 * Makes a transport with `io_threads` loops, each with a thread "vmx-io-N"; with 0 there is one loop without a thread,
 * for vmx_transport_vtable.drive. Ends with its vtable's shutdown. Errors: VMX_ERR_NO_MEMORY, VMX_ERR_IO (a thread could
 * not be started).
 */
vmx_status
vmx_grpc_transport_new(size_t io_threads, vmx_transport **transport, vmx_error *error);

/* Before the first channel: the host's signals are not blocked any more while one of its threads is inside the core, which may
 * start threads then; its handlers may run on those. */
void
vmx_grpc_transport_leave_signals(vmx_transport *transport);

#endif
