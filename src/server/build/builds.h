/*
 * server/build/builds.h: the builds of a server: a queue, one thread that builds, one that looks at the clock (deadlines,
 * leases, watchers), and the ends that are remembered. Thread safe.
 *
 * With --data every build is a file DIR/builds/<build id> (vecmux.stored.v1.StoredBuild), written when it is triggered and
 * when it ends.
 */
#ifndef VMXD_BUILD_BUILDS_H
#define VMXD_BUILD_BUILDS_H

#include <vecmux/stored.pb-c.h>

#include "server/call.h"
#include "server/repository/repository.h"
#include "server/store.h"

#define VMXD_MAX_QUEUED_BUILDS 1000
#define VMXD_MAX_ENDED_BUILDS  10000
#define VMXD_MAX_TENANT_BYTES  256

typedef struct vmxd_builds vmxd_builds;

typedef struct vmxd_builds_options {
    const char *directory;       /* of --data; NULL: nothing is kept */
    uint64_t memory_limit_bytes; /* 0: none */
    vmxd_repository *repository;
    vmxd_store *store;
} vmxd_builds_options;

/* Reads what is there and goes on with what had not ended. NULL with the reason in `status`. */
vmxd_builds *
vmxd_builds_start(const vmxd_builds_options *options, vmxd_status *status);

/* Ends every watcher's call and the running build (which begins again when the server does): before the server stops. */
void
vmxd_builds_quiesce(vmxd_builds *builds);

/* No call is left. NULL is allowed. */
void
vmxd_builds_stop(vmxd_builds *builds);

const vmxd_builds_options *
vmxd_builds_config(const vmxd_builds *builds);

/* --- what the methods do; builds are described in `arena`, NULL with the reason ------------------------------------ */

/* `request` is checked, with defaults filled in; `memory_bytes` is the estimate. */
Build__Build *
vmxd_builds_trigger(vmxd_builds *builds, const Build__TriggerBuildRequest *request, uint64_t memory_bytes,
                    vmx_arena *arena, vmxd_status *status);

/* Is a build of the request's tenant and key there that triggering it again would give back, or refuse? */
bool
vmxd_builds_knows(vmxd_builds *builds, const Build__TriggerBuildRequest *request);

/* By id, or, with id "", by tenant and key. */
Build__Build *
vmxd_builds_get(vmxd_builds *builds, const Build__GetBuildRequest *request, vmx_arena *arena, vmxd_status *status);

Build__Build *
vmxd_builds_cancel(vmxd_builds *builds, const char *build_id, vmx_arena *arena, vmxd_status *status);

bool
vmxd_builds_list(vmxd_builds *builds, const Build__ListBuildsRequest *request, Build__ListBuildsResponse *response,
                 vmx_arena *arena, vmxd_status *status);

/* Counts and limits into `out`. */
void
vmxd_builds_describe(vmxd_builds *builds, Build__BuilderDescription *out);

/* Answers the call of WatchBuild, message by message. */
void
vmxd_builds_watch(vmxd_builds *builds, vmxd_call *call, const Build__WatchBuildRequest *request);

#endif
