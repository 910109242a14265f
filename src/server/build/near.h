/*
 * server/build/near.h: nearest records by a namespace's graph. Under the namespace's lock.
 */
#ifndef VMXD_BUILD_NEAR_H
#define VMXD_BUILD_NEAR_H

#include "server/exact.h"
#include "server/rank.h"

/*
 * Of each query of `exact` (whose matrix is the records') the k nearest, as vmxd_rank_dense gives them: from the graph,
 * without its tombstones, and what came later beside it, searched exactly. NULL: there is no graph, it is not the better
 * way (a selective filter, a large k, more records beside it than in it), it found too few, or memory is out; then search
 * exactly.
 */
vmxd_hit *
vmxd_near_search(const vmxd_records *records, const vmxd_selection *selection, const vmxd_exact *exact,
                 vmx_arena *arena);

#endif
