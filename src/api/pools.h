/* api/pools.h: the connections of a client: those of its calls, and, from its first build on, those of streams. */
#ifndef VMX_API_POOLS_H
#define VMX_API_POOLS_H

#include "api/client.h"

/* What a stream may receive before anybody asks (caller.receive_ahead_bytes). */
size_t
vmx_pools_ahead_bytes(const vmx_config *config);

/* Opens and starts to connect those of calls. Errors: those of vmx_pool_new. */
vmx_status
vmx_pools_open(vmx_client *client, vmx_error *error);

/* Likewise those of streams, the first time. Any thread. Errors: also VMX_ERR_CLOSED. */
vmx_status
vmx_pools_open_streams(vmx_client *client, vmx_error *error);

/* The gate of calls, and what stands before and runs behind it, streams as well. */
void
vmx_pools_read(vmx_client *client, vmx_pool_figures *figures);

/* Once, after torn_down was set. */
void
vmx_pools_close(vmx_client *client);

/* When nothing of them calls back any more. */
void
vmx_pools_free(vmx_client *client);

#endif
