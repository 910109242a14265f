/*
 * rpc/health.h: which connection to leave alone for a while (outlier ejection, as in Envoy and gRFC A50).
 *
 * A channel is ejected after `consecutive` failures in a row that are the connection's fault (no answer, broken off), or
 * when, over at least `min_calls` calls, more than `rate_percent` failed so. The pause doubles with each ejection up to
 * a maximum and shrinks again after successes. Who else is ejected is the pool's business. Pure; the pool's lock guards.
 */
#ifndef VMX_RPC_HEALTH_H
#define VMX_RPC_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vmx_health_rules {
    uint32_t consecutive; /* 0: never eject */
    uint32_t rate_percent;
    uint32_t min_calls;
    int64_t first_pause_ms;
    int64_t max_pause_ms;
} vmx_health_rules;

typedef struct vmx_health {
    uint32_t failures_in_row;
    uint32_t calls; /* of the window under way, and how many of them failed */
    uint32_t failures;
    uint32_t ejections; /* in a row: the exponent of the pause */
    uint64_t ejected_until_us;
} vmx_health;

bool
vmx_health_is_ejected(const vmx_health *health, uint64_t now_us);

/* A call on the channel ended; `failed` if that was the connection's fault. True: the channel is to be ejected. */
bool
vmx_health_note(vmx_health *health, const vmx_health_rules *rules, bool failed);

/* Ejects the channel; its counts begin anew. */
void
vmx_health_eject(vmx_health *health, const vmx_health_rules *rules, uint64_t now_us);

#endif
