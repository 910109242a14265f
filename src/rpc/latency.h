/*
 * rpc/latency.h: how long calls take, so that a hedge can be sent when one takes longer than most.
 *
 * A log-linear histogram (16 steps per doubling: quantiles within 6 %) that forgets by halves. Any thread.
 */
#ifndef VMX_RPC_LATENCY_H
#define VMX_RPC_LATENCY_H

#include <pthread.h>
#include <stdint.h>

#define VMX_LATENCY_STEPS   16
#define VMX_LATENCY_BUCKETS (VMX_LATENCY_STEPS * 28)

typedef struct vmx_latency {
    pthread_mutex_t lock;
    uint32_t total;
    uint32_t counts[VMX_LATENCY_BUCKETS];
} vmx_latency;

void
vmx_latency_init(vmx_latency *latency);
void
vmx_latency_destroy(vmx_latency *latency);

void
vmx_latency_note(vmx_latency *latency, uint64_t duration_us);

/* The duration that `quantile` (0 to 1) of the calls did not exceed; 0 while fewer than 100 are known. */
uint64_t
vmx_latency_quantile(vmx_latency *latency, double quantile);

#endif
