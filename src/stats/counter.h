/*
 * stats/counter.h: a count that one thread writes and any thread may read.
 */
#ifndef VMX_STATS_COUNTER_H
#define VMX_STATS_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t vmx_counter;

/* `shared`: several threads write it. Else the caller is the only one, and a plain load, add and store will do. */
static inline void
vmx_counter_add(vmx_counter *counter, uint64_t n, bool shared)
{
    if (shared)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
    else
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

/* The largest value so far; writers as above. */
static inline void
vmx_counter_raise(vmx_counter *counter, uint64_t value, bool shared)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    if (value <= old)
        return;
    if (!shared)
        atomic_store_explicit(counter, value, memory_order_relaxed);
    else
        while (value > old &&
               !atomic_compare_exchange_weak_explicit(counter, &old, value, memory_order_relaxed, memory_order_relaxed))
            continue;
}

static inline uint64_t
vmx_counter_read(const vmx_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
