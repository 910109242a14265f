/*
 * rpc/gate.h: how many calls the server takes at a time, learnt from its refusals.
 *
 * Additive increase, multiplicative decrease. The gate stands open until the server first throttles (RESOURCE_EXHAUSTED
 * or a pushback); from then on it holds a limit: each throttled attempt multiplies it by 0.9, once per round (attempts
 * that had started before the last decrease say nothing new), and each run of as many successes as the limit adds 0.1.
 * Pure; the pool's lock guards it.
 */
#ifndef VMX_RPC_GATE_H
#define VMX_RPC_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct vmx_gate {
    bool enabled;
    double limit; /* 0: never throttled yet, open */
    size_t in_flight;
    size_t successes; /* of the run under way */
    uint64_t round;   /* counts decreases */
} vmx_gate;

void
vmx_gate_init(vmx_gate *gate, bool enabled);

/* Whether another call may go. */
bool
vmx_gate_is_open(const vmx_gate *gate);

/* A call goes; returns the round it belongs to. */
uint64_t
vmx_gate_enter(vmx_gate *gate);

typedef enum vmx_gate_report {
    VMX_GATE_ACCEPTED = 0, /* the server took the call */
    VMX_GATE_THROTTLED = 1,
    VMX_GATE_NEITHER = 2 /* it says nothing about load: no connection, cancelled */
} vmx_gate_report;

/* A call of `round` has ended. */
void
vmx_gate_leave(vmx_gate *gate, uint64_t round, vmx_gate_report report);

#endif
