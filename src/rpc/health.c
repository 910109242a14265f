#include "rpc/health.h"

/* A window of calls is forgotten by halves, so that old trouble does not weigh for ever. */
#define WINDOW_CALLS 1000

bool
vmx_health_is_ejected(const vmx_health *health, uint64_t now_us)
{
    return now_us < health->ejected_until_us;
}

bool
vmx_health_note(vmx_health *health, const vmx_health_rules *rules, bool failed)
{
    if (health->calls >= WINDOW_CALLS) {
        health->calls /= 2;
        health->failures /= 2;
    }
    health->calls++;
    if (!failed) {
        health->failures_in_row = 0;
        if (health->calls >= rules->min_calls)
            health->ejections = 0;
        return false;
    }
    health->failures++;
    health->failures_in_row++;
    bool in_row = rules->consecutive > 0 && health->failures_in_row >= rules->consecutive;
    bool by_rate = rules->consecutive > 0 && health->calls >= rules->min_calls &&
                   (uint64_t)health->failures * 100 > (uint64_t)health->calls * rules->rate_percent;
    return in_row || by_rate;
}

void
vmx_health_eject(vmx_health *health, const vmx_health_rules *rules, uint64_t now_us)
{
    int64_t pause_ms = rules->first_pause_ms;
    for (uint32_t i = 0; i < health->ejections && pause_ms < rules->max_pause_ms; i++)
        pause_ms *= 2;
    if (pause_ms > rules->max_pause_ms)
        pause_ms = rules->max_pause_ms;
    health->ejected_until_us = now_us + (uint64_t)pause_ms * 1000;
    health->ejections++;
    health->failures_in_row = health->calls = health->failures = 0;
}
