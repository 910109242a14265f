/*
 * server/build/builds_private.h: what the files of builds know of each other. Everything of a vmxd_build is under the
 * lock of its vmxd_builds, but what is constant from its making.
 */
#ifndef VMXD_BUILD_BUILDS_PRIVATE_H
#define VMXD_BUILD_BUILDS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/build/builds.h"

typedef struct vmxd_build vmxd_build;
typedef struct vmxd_watcher vmxd_watcher;

struct vmxd_build {
    Build__Build *record; /* state, phase, error, times, request, ...; unpacked, its own */
    uint64_t sequence;    /* of the queue */
    uint64_t deadline_us; /* VMX_NEVER: none */
    uint64_t deadline_unix_ms;
    uint64_t seen_us;  /* when the owner was last heard of */
    uint64_t version;  /* rises with each change that a watcher should see */
    uint64_t eventful; /* rises with those that cannot wait */
    bool in_use;       /* in place: its graph answers queries */
    _Atomic int stop;  /* why a running build is to stop: a vmxd_stop */
};

/* Why a running build stops. */
typedef enum vmxd_stop {
    VMXD_STOP_NOT,
    VMXD_STOP_CANCELLED,
    VMXD_STOP_DEADLINE,
    VMXD_STOP_LEASE,
    VMXD_STOP_SERVER /* it begins again after a restart */
} vmxd_stop;

struct vmxd_builds {
    vmxd_builds_options options;
    int fd; /* of the directory; -1: nothing is kept */
    pthread_t worker, clock;
    bool has_worker, has_clock;

    pthread_mutex_t lock;
    pthread_cond_t work, tick;
    /* locked */
    vmxd_build **all; /* the oldest first, by sequence */
    size_t count, room;
    uint64_t next_sequence;
    vmxd_build *running;
    vmxd_watcher *watchers;
    bool quiescing, stopping;
};

/* How a build ends. */
typedef struct vmxd_build_end {
    Build__State state;
    Build__ErrorClass error_class; /* of a failed one */
    char text[512];
} vmxd_build_end;

/* --- builds.c ------------------------------------------------------------------------------------------------------ */

/* Locked, all but where said otherwise. NULL if it is not known. */
vmxd_build *
vmxd_build_find(vmxd_builds *builds, const char *build_id);

/* Ended? */
bool
vmxd_build_ended(const vmxd_build *build);

/* Ends it, keeps that, and tells the watchers. */
void
vmxd_build_finish(vmxd_builds *builds, vmxd_build *build, const vmxd_build_end *end);

/* Tells the watchers; `at_once`: they do not wait for their interval. */
void
vmxd_build_changed(vmxd_builds *builds, vmxd_build *build, bool at_once);

/* A shallow copy with what is computed; `parts`: with the part digests of its result. NULL when memory is out. */
Build__Build *
vmxd_build_describe(vmxd_builds *builds, const vmxd_build *build, bool parts, vmx_arena *arena);

/* Writes its file; what fails is told on stderr. */
void
vmxd_build_save(vmxd_builds *builds, const vmxd_build *build);

/* --- others -------------------------------------------------------------------------------------------------------- */

/* build_load.c, before the threads run: what the directory has. */
bool
vmxd_builds_load(vmxd_builds *builds, vmxd_status *status);
bool
vmxd_builds_add(vmxd_builds *builds, vmxd_build *build);
vmxd_build *
vmxd_build_new(Build__Build *record);
void
vmxd_build_free(vmxd_build *build);
void
vmxd_build_forget(vmxd_builds *builds, vmxd_build *build);

/* build_run.c, not locked, on the worker: builds, and says how that ended. */
void
vmxd_build_run(vmxd_builds *builds, vmxd_build *build, vmxd_build_end *end);

/* build_inplace.c, likewise. */
void
vmxd_build_run_in_place(vmxd_builds *builds, vmxd_build *build, vmxd_build_end *end);

/* Not locked, on the worker: how far it is; false if it is to stop. */
bool
vmxd_build_progress(vmxd_builds *builds, vmxd_build *build, Build__Phase phase, uint64_t done, uint64_t total);

/* False; fills `end`. */
bool
vmxd_build_fail(vmxd_build_end *end, Build__ErrorClass error_class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False; the class is that of the status. */
bool
vmxd_build_fail_as(vmxd_build_end *end, const vmxd_status *status);

/* build_watch.c, locked, by the clock: sends what is due, for which it unlocks. */
void
vmxd_watchers_serve(vmxd_builds *builds);

/* Every watcher's call ends. */
void
vmxd_watchers_end(vmxd_builds *builds);

#endif
