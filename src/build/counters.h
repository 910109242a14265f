/*
 * build/counters.h: what the builds of one client have done. Written by the builds, read by statistics; any thread.
 */
#ifndef VMX_BUILD_COUNTERS_H
#define VMX_BUILD_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "build/index_tally.h"

/* How one kind of work has gone. */
typedef struct vmx_build_tally {
    _Atomic uint64_t success, failure;
    _Atomic uint64_t duration_us; /* of the successful ones */
} vmx_build_tally;

typedef struct vmx_build_counters {
    vmx_build_tally uploads;   /* of blobs; a phase that fails is one failure, whatever was under way */
    vmx_build_tally downloads; /* of results; likewise */
    vmx_build_tally triggers;
    vmx_build_tally polls;  /* answers on how a build stands, streamed ones included */
    vmx_build_tally builds; /* on the server; the duration is the waiting time */
    _Atomic uint64_t fallbacks;
    _Atomic uint64_t uploaded_bytes, downloaded_bytes; /* as sent and received, repetitions included */
    _Atomic uint64_t spliced_bytes;                    /* put back from the source instead of downloaded */
    _Atomic uint64_t part_retries, range_retries;
    _Atomic uint64_t blobs_left;                       /* that could not be deleted */
    _Atomic uint64_t current_remote, current_in_place; /* builds that run now */
    _Atomic uint64_t current_bytes;                    /* of vectors in those */
    vmx_index_tallies by_index;                        /* of builds that have ended */
} vmx_build_counters;

static inline void
vmx_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* A build has ended that was counted in a gauge. */
static inline void
vmx_uncount(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_sub_explicit(counter, by, memory_order_relaxed);
}

#endif
