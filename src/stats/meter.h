/*
 * stats/meter.h: what a client counts as its calls and attempts end.
 *
 * Each thread counts in a part of the meter of its own (stats/slot.h), which only it writes: a count costs a load, an add
 * and a store, no atomic operation and no cache line that another thread writes. Whoever wants to know adds the parts up.
 * It does not matter which thread brings a call to its end, a loop's or one that drives the client: counts are sums.
 * Threads beyond the 64th share a part and count there with atomic additions.
 *
 * Counts need memory at an operation's first end on a thread (8.6 KiB); where there is none they are lost, and that is
 * counted. Thread safe; a NULL meter counts nothing.
 */
#ifndef VMX_STATS_METER_H
#define VMX_STATS_METER_H

#include <vecmux/op.h>

#include "stats/histogram.h"

/* The largest vmx_status and what stands behind it. */
#define VMX_METER_STATUSES 32

/* gRPC's codes 0 to 16; the last is for an attempt that ended without one. */
#define VMX_METER_CODES 18

/* By vmx_attempt_why. */
#define VMX_METER_WHYS 6

/* Kinds of operations that a thread can count. */
#define VMX_METER_OPERATIONS 32

typedef struct vmx_meter vmx_meter;

/* NULL when memory is out. */
vmx_meter *
vmx_meter_new(void);
void
vmx_meter_free(vmx_meter *meter);

/* A call has ended. `operation` is static: the same operation has the same address, or at least the same text. */
void
vmx_meter_call(vmx_meter *meter, const char *operation, vmx_status status, uint64_t duration_us);

/* One attempt's end. */
typedef struct vmx_meter_attempt_end {
    vmx_attempt_why why;
    int32_t grpc_code; /* -1: none */
    uint64_t sent_bytes;
    uint64_t received_bytes;
} vmx_meter_attempt_end;

void
vmx_meter_attempt(vmx_meter *meter, const char *operation, const vmx_meter_attempt_end *end);

/* A call has succeeded, by its last attempt: both ends at once, for less. */
void
vmx_meter_success(vmx_meter *meter, const char *operation, uint64_t duration_us, const vmx_meter_attempt_end *last);

/* The sums over all threads, of one operation. */
typedef struct vmx_meter_figures {
    const char *operation;
    uint64_t calls[VMX_METER_STATUSES];
    uint64_t attempts[VMX_METER_CODES];
    uint64_t whys[VMX_METER_WHYS]; /* of attempts; first ones are not counted */
    uint64_t sent_bytes, received_bytes;
    vmx_histogram latency; /* of calls */
} vmx_meter_figures;

/*
 * Adds up: *figures becomes an array for vmx_dealloc of *count operations, in the order of their names (NULL for none).
 * False when memory is out.
 */
bool
vmx_meter_read(vmx_meter *meter, vmx_meter_figures **figures, size_t *count);

/* Ends that were not counted for want of memory. */
uint64_t
vmx_meter_lost(const vmx_meter *meter);

#endif
