#include "rpc/pace.h"

#define SECOND_US 1000000u

void
vmx_pace_init(vmx_pace *pace, uint32_t per_second)
{
    atomic_init(&pace->next_us, 0);
    pace->interval_us = per_second > 0 ? SECOND_US / per_second : UINT64_MAX;
    pace->burst_us = SECOND_US;
}

/* A virtual queue: each taken one moves its end by the interval, which may be a burst ahead of now at most. */
bool
vmx_pace_take(vmx_pace *pace, uint64_t now_us)
{
    if (pace->interval_us == UINT64_MAX)
        return false;
    uint64_t next_us = atomic_load_explicit(&pace->next_us, memory_order_relaxed);
    for (;;) {
        uint64_t from_us = next_us > now_us ? next_us : now_us;
        uint64_t to_us = from_us + pace->interval_us;
        if (to_us > now_us + pace->burst_us)
            return false;
        if (atomic_compare_exchange_weak_explicit(&pace->next_us, &next_us, to_us, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
}
