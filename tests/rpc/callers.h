/*
 * tests/rpc/callers.h: many callers, each of which makes one query after the other.
 */
#ifndef TESTS_RPC_CALLERS_H
#define TESTS_RPC_CALLERS_H

#include "rpc/harness.h"

typedef struct callers {
    size_t count;           /* at a time; at most 256 */
    uint64_t until_us;      /* no new call afterwards */
    const vmx_retry *retry; /* NULL: the client's */
    size_t max_calls;       /* 0: no limit */
    uint64_t late_us;       /* calls that began from here on are counted apart; 0: none */

    /* what came of it */
    size_t calls, succeeded, budget_exhausted;
    size_t late_calls, late_succeeded;
    uint64_t first_success_us; /* of the late ones; VMX_NEVER: none */
    uint64_t *durations;       /* of each call, microseconds; the caller frees */
} callers;

void
callers_run(world *w, callers *c);

/* The duration that `quantile` of the calls did not exceed, milliseconds. */
double
callers_quantile(callers *c, double quantile);

#endif
