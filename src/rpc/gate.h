/*
 * rpc/gate.h: how many calls the server takes at a time, learnt from its refusals.
 *
 * Additive increase, multiplicative decrease. The gate stands open until the server first throttles (RESOURCE_EXHAUSTED
 * or a pushback); from then on it holds a limit.
 *  - A throttled attempt multiplies the limit by 0.9, once per round: attempts that had started before the last cut say
 *    nothing new of the limit. And each throttled attempt, of whatever round, brings the limit below what was in flight
 *    with it: there was no room for that one. So a burst of 200 at a server that takes 8 ends at 8 in one round; by
 *    tenths it took many rounds of refusals (7 % of a minute's attempts in tests/rpc/test_load.c, now below 2 %).
 *  - Each run of as many successes as the limit, and of 10 at least, adds 0.1. Without that least a limit of 2 came back
 *    to 3 after 6 successes, and every seventh attempt was refused.
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
