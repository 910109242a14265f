/* WatchBuild: who watches what, and what it has been told. The clock's thread sends. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/build/builds_private.h"
#include "server/call_stream.h"

#define DEFAULT_INTERVAL_MS 200
#define HEARTBEAT_US        10000000

struct vmxd_watcher {
    vmxd_builds *builds;
    vmxd_call *call;
    char build_id[33];
    bool observer;
    uint64_t interval_us;
    /* under the lock of the builds */
    vmxd_watcher *next;
    unsigned refs;      /* one of the list, one until the call is closed */
    bool sending, gone; /* a message is under way; nobody listens any more */
    bool told_end;
    uint64_t version, eventful; /* what was told last */
    uint64_t told_us;           /* 0: nothing yet */
};

/* Locked. */
static void
unref(vmxd_watcher *watcher)
{
    if (--watcher->refs == 0)
        vmx_dealloc(watcher);
}

static void
on_closed(void *user, bool cancelled)
{
    vmxd_watcher *watcher = user;
    vmxd_builds *builds = watcher->builds;
    (void)cancelled;
    pthread_mutex_lock(&builds->lock);
    watcher->gone = true;
    unref(watcher);
    pthread_cond_signal(&builds->tick);
    pthread_mutex_unlock(&builds->lock);
}

static void
on_sent(void *user, bool ok)
{
    vmxd_watcher *watcher = user;
    vmxd_builds *builds = watcher->builds;
    pthread_mutex_lock(&builds->lock);
    watcher->sending = false;
    watcher->gone = watcher->gone || !ok;
    pthread_cond_signal(&builds->tick);
    pthread_mutex_unlock(&builds->lock);
}

/* Locked. Is there something to tell it now? */
static bool
due(const vmxd_watcher *watcher, const vmxd_build *build, uint64_t now_us)
{
    uint64_t since_us = now_us - watcher->told_us;
    return watcher->told_us == 0 || watcher->eventful != build->eventful || since_us > HEARTBEAT_US ||
           (watcher->version != build->version && since_us >= watcher->interval_us);
}

/* Locked. */
static grpc_slice
pack(vmxd_builds *builds, const vmxd_build *build)
{
    vmx_arena arena = {0};
    Build__Build *told = vmxd_build_describe(builds, build, true, &arena);
    grpc_slice message = told ? vmxd_call_pack(&told->base) : grpc_empty_slice();
    vmx_arena_reset(&arena);
    return message;
}

/* Locked; unlocked while the call is ended. The watcher is off the list. */
static void
end_call(vmxd_builds *builds, vmxd_watcher *watcher, const vmxd_status *status)
{
    vmxd_call *call = watcher->call;
    unref(watcher);
    pthread_mutex_unlock(&builds->lock);
    if (status)
        vmxd_call_fail(call, status);
    else
        vmxd_call_end(call);
    pthread_mutex_lock(&builds->lock);
}

/* Locked; unlocked while a message is given to the core. */
static void
tell(vmxd_builds *builds, vmxd_watcher *watcher, const vmxd_build *build, uint64_t now_us)
{
    grpc_slice message = pack(builds, build);
    watcher->told_us = now_us;
    watcher->version = build->version;
    watcher->eventful = build->eventful;
    watcher->told_end = vmxd_build_ended(build);
    watcher->sending = true;
    pthread_mutex_unlock(&builds->lock);
    vmxd_call_send(watcher->call, message, on_sent, watcher);
    pthread_mutex_lock(&builds->lock);
}

/* Locked. What is to be done with the watcher; true: it was done, and the list may be another. */
static bool
serve(vmxd_builds *builds, vmxd_watcher **at, uint64_t now_us)
{
    vmxd_watcher *watcher = *at;
    vmxd_build *build = vmxd_build_find(builds, watcher->build_id);
    vmxd_status status;
    if (watcher->sending)
        return false;
    bool over = watcher->gone || !build || watcher->told_end || builds->quiescing;
    if (build && !watcher->observer && !watcher->gone)
        build->seen_us = now_us;
    if (over) {
        *at = watcher->next;
        if (watcher->gone || !build)
            vmxd_refuse(&status, GRPC_STATUS_CANCELLED, "nobody listens");
        else
            vmxd_refuse(&status, GRPC_STATUS_UNAVAILABLE, "the server stops; the build begins again with it");
        end_call(builds, watcher, watcher->told_end && !watcher->gone ? NULL : &status);
        return true;
    }
    if (!due(watcher, build, now_us))
        return false;
    tell(builds, watcher, build, now_us);
    return true;
}

void
vmxd_watchers_serve(vmxd_builds *builds)
{
    uint64_t now_us = vmx_monotonic_us();
    for (vmxd_watcher **at = &builds->watchers; *at;) {
        if (serve(builds, at, now_us))
            at = &builds->watchers; /* unlocked meanwhile */
        else
            at = &(*at)->next;
    }
}

void
vmxd_watchers_end(vmxd_builds *builds)
{
    /* `quiescing` is set: the clock's next round ends them */
    pthread_cond_signal(&builds->tick);
}

static vmxd_watcher *
new_watcher(vmxd_builds *builds, vmxd_call *call, const Build__WatchBuildRequest *request)
{
    vmxd_watcher *watcher = vmx_calloc(1, sizeof *watcher);
    if (!watcher)
        return NULL;
    uint32_t interval_ms = request->min_interval_ms ? request->min_interval_ms : DEFAULT_INTERVAL_MS;
    *watcher = (vmxd_watcher){.builds = builds,
                              .call = call,
                              .observer = request->observer,
                              .interval_us = (uint64_t)interval_ms * 1000,
                              .refs = 2};
    snprintf(watcher->build_id, sizeof watcher->build_id, "%s", request->build_id);
    return watcher;
}

void
vmxd_builds_watch(vmxd_builds *builds, vmxd_call *call, const Build__WatchBuildRequest *request)
{
    vmxd_status status;
    vmxd_watcher *watcher = NULL;
    pthread_mutex_lock(&builds->lock);
    bool known = vmxd_build_find(builds, request->build_id) != NULL;
    pthread_mutex_unlock(&builds->lock);
    if (!known)
        vmxd_refuse(&status, GRPC_STATUS_NOT_FOUND,
                    "build_id \"%.*s\": there is no such build; it was never triggered here, or is forgotten",
                    vmxd_clip(request->build_id), request->build_id);
    else if (!(watcher = new_watcher(builds, call, request)))
        vmxd_no_memory(&status);
    if (!watcher) {
        vmxd_call_fail(call, &status);
        return;
    }
    vmxd_call_watch_close(call, on_closed, watcher);
    pthread_mutex_lock(&builds->lock);
    watcher->next = builds->watchers;
    builds->watchers = watcher;
    pthread_cond_signal(&builds->tick);
    pthread_mutex_unlock(&builds->lock);
}
