/*
 * rpc/retry.h: how often, and after what pause, a call is repeated.
 */
#ifndef VMX_RPC_RETRY_H
#define VMX_RPC_RETRY_H

#include <stdint.h>
#include <vecmux/op.h>

#include "core/config.h"
#include "core/random.h"

/* The client's policy, from its properties. */
void
vmx_retry_from_config(vmx_retry *retry, const vmx_config *config);

/* VMX_OK, or VMX_ERR_INVALID naming the field that makes no sense. */
vmx_status
vmx_retry_check(const vmx_retry *retry, vmx_error *error);

/*
 * The pause after attempt number `attempt` (1 for the first), microseconds: uniform in
 * [0, min(max, initial * multiplier^(attempt-1))], full jitter.
 */
uint64_t
vmx_retry_backoff_us(const vmx_retry *retry, uint32_t attempt, vmx_random *random);

#endif
