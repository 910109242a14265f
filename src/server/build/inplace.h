/*
 * server/build/inplace.h: graphs over the vectors of a namespace.
 */
#ifndef VMXD_BUILD_INPLACE_H
#define VMXD_BUILD_INPLACE_H

#include <vecmux/build.pb-c.h>

#include "server/store.h"

#define VMXD_MIN_BUILD_VECTORS 5 /* OpenSearch's "more than 4": clusters need them */

/* How the namespace's graph stands, in `arena`; NULL if it has none. */
Build__InPlaceState *
vmxd_inplace_describe(vmxd_store *store, const char *name, vmx_arena *arena);

#endif
