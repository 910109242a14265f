/* What TriggerBuild, GetBuild, CancelBuild and ListBuilds do with the builds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/build/builds_private.h"
#include "server/message_copy.h"

#define DEFAULT_PAGE    100
#define MAX_DEADLINE_MS ((uint64_t)1 << 40) /* 35 years; a longer one is none */

/* --- finding ------------------------------------------------------------------------------------------------------- */

/* Locked. */
static vmxd_build *
find_by_key(vmxd_builds *builds, const char *tenant, const char *key)
{
    for (size_t i = builds->count; *key && i-- > 0;) {
        const Build__TriggerBuildRequest *request = builds->all[i]->record->request;
        if (strcmp(request->idempotency_key, key) == 0 && strcmp(request->tenant_id, tenant) == 0)
            return builds->all[i];
    }
    return NULL;
}

static bool
refuse_unknown(const char *what, const char *value, vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND,
                       "%s \"%.*s\": there is no such build; it was never triggered here, or is forgotten", what,
                       vmxd_clip(value), value);
}

/* Locked. */
static Build__Build *
describe(vmxd_builds *builds, const vmxd_build *build, vmx_arena *arena, vmxd_status *status)
{
    Build__Build *out = vmxd_build_describe(builds, build, true, arena);
    if (!out)
        vmxd_no_memory(status);
    return out;
}

Build__Build *
vmxd_builds_get(vmxd_builds *builds, const Build__GetBuildRequest *request, vmx_arena *arena, vmxd_status *status)
{
    bool by_id = request->build_id[0] != '\0';
    Build__Build *out = NULL;
    pthread_mutex_lock(&builds->lock);
    vmxd_build *build = by_id ? vmxd_build_find(builds, request->build_id)
                              : find_by_key(builds, request->tenant_id, request->idempotency_key);
    if (build && !request->observer)
        build->seen_us = vmx_monotonic_us();
    if (build)
        out = describe(builds, build, arena, status);
    else
        refuse_unknown(by_id ? "build_id" : "idempotency_key", by_id ? request->build_id : request->idempotency_key,
                       status);
    pthread_mutex_unlock(&builds->lock);
    return out;
}

Build__Build *
vmxd_builds_cancel(vmxd_builds *builds, const char *build_id, vmx_arena *arena, vmxd_status *status)
{
    Build__Build *out = NULL;
    pthread_mutex_lock(&builds->lock);
    vmxd_build *build = vmxd_build_find(builds, build_id);
    int none = VMXD_STOP_NOT;
    if (build && !vmxd_build_ended(build) && atomic_compare_exchange_strong(&build->stop, &none, VMXD_STOP_CANCELLED)) {
        vmxd_build_end end = {.state = BUILD__STATE__STATE_CANCELLED};
        if (build != builds->running)
            vmxd_build_finish(builds, build, &end);
        else
            vmxd_build_changed(builds, build, true);
    }
    if (build)
        out = describe(builds, build, arena, status);
    else
        refuse_unknown("build_id", build_id, status);
    pthread_mutex_unlock(&builds->lock);
    return out;
}

/* --- listing ------------------------------------------------------------------------------------------------------- */

static bool
listed(const vmxd_build *build, const Build__ListBuildsRequest *request)
{
    bool state = request->n_states == 0;
    for (size_t i = 0; i < request->n_states; i++)
        state = state || request->states[i] == build->record->state;
    return state &&
           (request->tenant_id[0] == '\0' || strcmp(request->tenant_id, build->record->request->tenant_id) == 0);
}

/* Locked. A page's token is the sequence of its last build. */
static bool
list(vmxd_builds *builds, const Build__ListBuildsRequest *request, Build__ListBuildsResponse *response,
     vmx_arena *arena)
{
    size_t room = request->page_size ? request->page_size : DEFAULT_PAGE;
    uint64_t before = request->page_token[0] ? strtoull(request->page_token, NULL, 10) : UINT64_MAX, last = 0;
    response->builds = vmx_arena_calloc(arena, room, sizeof *response->builds);
    char *token = vmx_arena_alloc(arena, 24);
    if (!response->builds || !token)
        return false;
    for (size_t i = builds->count; i-- > 0;) {
        const vmxd_build *build = builds->all[i];
        if (build->sequence >= before || !listed(build, request))
            continue;
        if (response->n_builds == room) {
            snprintf(token, 24, "%llu", (unsigned long long)last);
            response->next_page_token = token;
            return true;
        }
        last = build->sequence;
        response->builds[response->n_builds] = vmxd_build_describe(builds, build, false, arena);
        if (!response->builds[response->n_builds++])
            return false;
    }
    return true;
}

bool
vmxd_builds_list(vmxd_builds *builds, const Build__ListBuildsRequest *request, Build__ListBuildsResponse *response,
                 vmx_arena *arena, vmxd_status *status)
{
    pthread_mutex_lock(&builds->lock);
    bool done = list(builds, request, response, arena);
    pthread_mutex_unlock(&builds->lock);
    return done || vmxd_no_memory(status);
}

/* --- triggering ---------------------------------------------------------------------------------------------------- */

/* What makes two requests the same build: not how long it may take, nor who waits for it. */
static bool
same_request(const Build__TriggerBuildRequest *a, const Build__TriggerBuildRequest *b)
{
    Build__TriggerBuildRequest plain[2] = {*a, *b};
    bool same = false;
    uint8_t *bytes[2];
    size_t len[2];
    for (int i = 0; i < 2; i++) {
        plain[i].retry_failed = false;
        plain[i].deadline_ms = plain[i].lease_ms = plain[i].expected_memory_bytes = 0;
        len[i] = build__trigger_build_request__get_packed_size(&plain[i]);
        bytes[i] = vmx_alloc(len[i]);
        if (bytes[i])
            build__trigger_build_request__pack(&plain[i], bytes[i]);
    }
    if (bytes[0] && bytes[1])
        same = len[0] == len[1] && memcmp(bytes[0], bytes[1], len[0]) == 0;
    vmx_dealloc(bytes[0]);
    vmx_dealloc(bytes[1]);
    return same;
}

static void
set_times(vmxd_build *build)
{
    uint64_t deadline_ms = build->record->request->deadline_ms;
    bool limited = deadline_ms > 0 && deadline_ms < MAX_DEADLINE_MS;
    build->seen_us = vmx_monotonic_us();
    build->deadline_us = limited ? build->seen_us + deadline_ms * 1000 : VMX_NEVER;
    build->deadline_unix_ms = limited ? vmxd_unix_ms() + deadline_ms : 0;
    build->record->created_ms = vmxd_unix_ms();
}

/* Locked. */
static bool
check_queue(const vmxd_builds *builds, vmxd_status *status)
{
    size_t queued = 0;
    for (size_t i = 0; i < builds->count; i++)
        queued += builds->all[i]->record->state == BUILD__STATE__STATE_QUEUED;
    return queued < VMXD_MAX_QUEUED_BUILDS ||
           vmxd_refuse(status, GRPC_STATUS_RESOURCE_EXHAUSTED, "%zu builds wait already; try again later", queued);
}

/* Locked. NULL with the reason. */
static vmxd_build *
new_build(vmxd_builds *builds, const Build__TriggerBuildRequest *request, uint64_t memory_bytes, vmxd_status *status)
{
    char id[33];
    Build__Build draft;
    if (!check_queue(builds, status))
        return NULL;
    build__build__init(&draft);
    vmxd_random_id(id);
    draft.build_id = id;
    draft.state = BUILD__STATE__STATE_QUEUED;
    draft.request = (Build__TriggerBuildRequest *)request;
    draft.estimated_memory_bytes = memory_bytes;
    draft.attempt = 1;
    Build__Build *record = vmxd_copy_message(&draft.base, NULL);
    vmxd_build *build = record ? vmxd_build_new(record) : NULL;
    if (build) {
        set_times(build);
        build->sequence = builds->next_sequence;
        if (vmxd_builds_add(builds, build))
            return build;
        vmxd_build_free(build);
    }
    vmxd_no_memory(status);
    return NULL;
}

/* Locked. The build of the same key again, at the queue's end. */
static void
try_again(vmxd_builds *builds, vmxd_build *build, const Build__TriggerBuildRequest *request)
{
    Build__Build *record = build->record;
    if (record->error)
        build__build_error__free_unpacked(record->error, NULL);
    record->error = NULL;
    record->state = BUILD__STATE__STATE_QUEUED;
    record->started_ms = record->finished_ms = record->vectors_done = 0;
    record->attempt++;
    record->request->deadline_ms = request->deadline_ms;
    record->request->lease_ms = request->lease_ms;
    set_times(build);
    atomic_store(&build->stop, VMXD_STOP_NOT);
    size_t at = 0;
    while (builds->all[at] != build)
        at++;
    memmove(builds->all + at, builds->all + at + 1, (--builds->count - at) * sizeof *builds->all);
    build->sequence = builds->next_sequence;
    vmxd_builds_add(builds, build); /* there is room: it was there */
}

/* Locked. */
static vmxd_build *
trigger(vmxd_builds *builds, const Build__TriggerBuildRequest *request, uint64_t memory_bytes, bool *existing,
        vmxd_status *status)
{
    vmxd_build *build = find_by_key(builds, request->tenant_id, request->idempotency_key);
    if (build && !same_request(build->record->request, request)) {
        vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                    "idempotency_key \"%.*s\" belongs to build %s, which has other parameters; take another key",
                    vmxd_clip(request->idempotency_key), request->idempotency_key, build->record->build_id);
        return NULL;
    }
    bool failed = build && build->record->state >= BUILD__STATE__STATE_FAILED;
    *existing = build && !(failed && request->retry_failed);
    if (*existing) {
        build->seen_us = vmx_monotonic_us();
        return build;
    }
    if (build)
        try_again(builds, build, request);
    else
        build = new_build(builds, request, memory_bytes, status);
    if (build) {
        vmxd_build_save(builds, build);
        vmxd_build_changed(builds, build, true);
        pthread_cond_signal(&builds->work);
    }
    return build;
}

bool
vmxd_builds_knows(vmxd_builds *builds, const Build__TriggerBuildRequest *request)
{
    pthread_mutex_lock(&builds->lock);
    const vmxd_build *build = find_by_key(builds, request->tenant_id, request->idempotency_key);
    bool again = build && build->record->state >= BUILD__STATE__STATE_FAILED && request->retry_failed;
    pthread_mutex_unlock(&builds->lock);
    return build && !again;
}

Build__Build *
vmxd_builds_trigger(vmxd_builds *builds, const Build__TriggerBuildRequest *request, uint64_t memory_bytes,
                    vmx_arena *arena, vmxd_status *status)
{
    bool existing = false;
    pthread_mutex_lock(&builds->lock);
    vmxd_build *build = trigger(builds, request, memory_bytes, &existing, status);
    Build__Build *out = build ? describe(builds, build, arena, status) : NULL;
    pthread_mutex_unlock(&builds->lock);
    if (out)
        out->existing = existing;
    return out;
}
