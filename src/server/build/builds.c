#include "server/build/builds.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "server/build/builds_private.h"
#include "server/build/graph.h"
#include "server/build/inplace.h"
#include "server/message_copy.h"

#define TICK_MS 20

/* --- one build ----------------------------------------------------------------------------------------------------- */

vmxd_build *
vmxd_build_find(vmxd_builds *builds, const char *build_id)
{
    for (size_t i = builds->count; i-- > 0;)
        if (strcmp(builds->all[i]->record->build_id, build_id) == 0)
            return builds->all[i];
    return NULL;
}

bool
vmxd_build_ended(const vmxd_build *build)
{
    return build->record->state >= BUILD__STATE__STATE_COMPLETED;
}

void
vmxd_build_changed(vmxd_builds *builds, vmxd_build *build, bool at_once)
{
    build->version++;
    if (!at_once)
        return;
    build->eventful++;
    pthread_cond_signal(&builds->tick);
}

/* The places of all that wait may be others now. */
static void
queue_changed(vmxd_builds *builds)
{
    for (size_t i = 0; i < builds->count; i++)
        if (builds->all[i]->record->state == BUILD__STATE__STATE_QUEUED)
            vmxd_build_changed(builds, builds->all[i], true);
}

static void
set_text(char **text, const char *value)
{
    char *copy = vmx_str_copy(vmx_str_from(value));
    if (copy)
        *text = copy;
}

static void
set_error(Build__Build *record, const vmxd_build_end *end)
{
    Build__BuildError *error = vmx_calloc(1, sizeof *error);
    if (!error)
        return;
    build__build_error__init(error);
    error->error_class = end->error_class;
    error->retriable = end->error_class != BUILD__ERROR_CLASS__ERROR_CLASS_INVALID_INPUT &&
                       end->error_class != BUILD__ERROR_CLASS__ERROR_CLASS_ALREADY_EXISTS;
    set_text(&error->message, end->text);
    record->error = error;
}

/* Only the newest ended builds are remembered; `just_ended` is still to be told of. */
static void
forget_oldest(vmxd_builds *builds, const vmxd_build *just_ended)
{
    size_t ended = 0;
    for (size_t i = 0; i < builds->count; i++)
        ended += vmxd_build_ended(builds->all[i]);
    for (size_t i = 0; i < builds->count && ended > VMXD_MAX_ENDED_BUILDS; i++)
        if (vmxd_build_ended(builds->all[i]) && builds->all[i] != just_ended) {
            vmxd_build_forget(builds, builds->all[i]);
            return;
        }
}

void
vmxd_build_finish(vmxd_builds *builds, vmxd_build *build, const vmxd_build_end *end)
{
    Build__Build *record = build->record;
    record->state = end->state;
    record->phase = BUILD__PHASE__PHASE_UNSPECIFIED;
    record->cancelling = false;
    record->finished_ms = vmxd_unix_ms();
    if (end->state == BUILD__STATE__STATE_FAILED)
        set_error(record, end);
    vmxd_build_save(builds, build);
    vmxd_build_changed(builds, build, true);
    queue_changed(builds);
    forget_oldest(builds, build);
}

static uint32_t
queue_position(const vmxd_builds *builds, const vmxd_build *build)
{
    uint32_t position = 1;
    if (build->record->state != BUILD__STATE__STATE_QUEUED)
        return 0;
    for (size_t i = 0; i < builds->count && builds->all[i] != build; i++)
        position += builds->all[i]->record->state == BUILD__STATE__STATE_QUEUED;
    return position;
}

/* The result as it is in the repository now; the blob's memory is copied, as others may delete it. */
static bool
describe_result(vmxd_builds *builds, Build__Build *out, bool parts, vmx_arena *arena)
{
    vmxd_blob *blob = vmxd_repository_peek(builds->options.repository, out->request->result_blob);
    bool mine = blob && strcmp(vmxd_blob_info(blob)->build_id, out->build_id) == 0;
    Repository__Blob *summary = mine && !parts ? vmxd_blob_summary(blob, arena) : NULL;
    const Repository__Blob *told = summary ? summary : mine ? vmxd_blob_info(blob) : NULL;
    bool done = true;
    if (told)
        done = (out->result = vmxd_copy_message(&told->base, arena)) != NULL;
    vmxd_blob_unref(blob);
    return done;
}

Build__Build *
vmxd_build_describe(vmxd_builds *builds, const vmxd_build *build, bool parts, vmx_arena *arena)
{
    Build__Build *out = vmxd_copy_message(&build->record->base, arena);
    if (!out)
        return NULL;
    out->queue_position = queue_position(builds, build);
    out->cancelling = out->state == BUILD__STATE__STATE_RUNNING && atomic_load(&build->stop) != VMXD_STOP_NOT;
    if (out->state != BUILD__STATE__STATE_COMPLETED)
        return out;
    if (!out->request->in_place)
        return describe_result(builds, out, parts, arena) ? out : NULL;
    out->in_place =
        build->in_use ? vmxd_inplace_describe(builds->options.store, out->request->in_place->namespace_, arena) : NULL;
    return out;
}

/* --- the worker ---------------------------------------------------------------------------------------------------- */

/* Locked. The first that waits. */
static vmxd_build *
next_queued(const vmxd_builds *builds)
{
    for (size_t i = 0; i < builds->count; i++)
        if (builds->all[i]->record->state == BUILD__STATE__STATE_QUEUED)
            return builds->all[i];
    return NULL;
}

/* Locked. What a running build is now, its stop having been asked for. */
static void
end_stopped(const vmxd_build *build, vmxd_build_end *end)
{
    const Build__TriggerBuildRequest *request = build->record->request;
    int stop = atomic_load(&build->stop);
    if (end->state == BUILD__STATE__STATE_COMPLETED || stop == VMXD_STOP_NOT)
        return;
    end->state = stop == VMXD_STOP_CANCELLED ? BUILD__STATE__STATE_CANCELLED : BUILD__STATE__STATE_FAILED;
    if (stop == VMXD_STOP_DEADLINE)
        vmxd_build_fail(end, BUILD__ERROR_CLASS__ERROR_CLASS_DEADLINE,
                        "not ended within deadline_ms %llu; give it longer, or build less",
                        (unsigned long long)request->deadline_ms);
    else if (stop == VMXD_STOP_LEASE)
        vmxd_build_fail(end, BUILD__ERROR_CLASS__ERROR_CLASS_LEASE_EXPIRED,
                        "its owner was not heard of for lease_ms %llu: watch it, or give it no lease",
                        (unsigned long long)request->lease_ms);
}

/* Locked; unlocked meanwhile. It was cancelled when only the publishing of its result was left: nothing stays of it. */
static void
take_back(vmxd_builds *builds, vmxd_build *build, vmxd_build_end *end)
{
    const Build__TriggerBuildRequest *request = build->record->request;
    if (end->state != BUILD__STATE__STATE_COMPLETED || request->in_place ||
        atomic_load(&build->stop) != VMXD_STOP_CANCELLED)
        return;
    pthread_mutex_unlock(&builds->lock);
    vmxd_blob *blob = vmxd_repository_peek(builds->options.repository, request->result_blob);
    if (blob && strcmp(vmxd_blob_info(blob)->build_id, build->record->build_id) == 0)
        vmxd_repository_delete_blob(builds->options.repository, blob);
    vmxd_blob_unref(blob);
    pthread_mutex_lock(&builds->lock);
    end->state = BUILD__STATE__STATE_CANCELLED;
}

/* Locked; unlocked while it builds. */
static void
run_one(vmxd_builds *builds, vmxd_build *build)
{
    vmxd_build_end end = {.state = BUILD__STATE__STATE_COMPLETED};
    builds->running = build;
    build->record->state = BUILD__STATE__STATE_RUNNING;
    build->record->started_ms = vmxd_unix_ms();
    queue_changed(builds);
    vmxd_build_changed(builds, build, true);
    pthread_mutex_unlock(&builds->lock);
    if (build->record->request->in_place)
        vmxd_build_run_in_place(builds, build, &end);
    else
        vmxd_build_run(builds, build, &end);
    pthread_mutex_lock(&builds->lock);
    take_back(builds, build, &end);
    builds->running = NULL;
    end_stopped(build, &end);
    if (atomic_load(&build->stop) == VMXD_STOP_SERVER && end.state != BUILD__STATE__STATE_COMPLETED)
        build->record->state = BUILD__STATE__STATE_QUEUED; /* as its file says */
    else
        vmxd_build_finish(builds, build, &end);
}

static void *
worker_main(void *arg)
{
    vmxd_builds *builds = arg;
    pthread_mutex_lock(&builds->lock);
    while (!builds->quiescing) {
        vmxd_build *build = next_queued(builds);
        if (build)
            run_one(builds, build);
        else
            vmx_cond_wait(&builds->work, &builds->lock, VMX_NEVER);
    }
    pthread_mutex_unlock(&builds->lock);
    return NULL;
}

bool
vmxd_build_progress(vmxd_builds *builds, vmxd_build *build, Build__Phase phase, uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&builds->lock);
    bool new_phase = build->record->phase != phase;
    build->record->phase = phase;
    build->record->vectors_done = done;
    build->record->vectors_total = total;
    vmxd_build_changed(builds, build, new_phase);
    pthread_mutex_unlock(&builds->lock);
    return atomic_load(&build->stop) == VMXD_STOP_NOT;
}

bool
vmxd_build_fail(vmxd_build_end *end, Build__ErrorClass error_class, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end->state = BUILD__STATE__STATE_FAILED;
    end->error_class = error_class;
    vsnprintf(end->text, sizeof end->text, format, args);
    va_end(args);
    return false;
}

bool
vmxd_build_fail_as(vmxd_build_end *end, const vmxd_status *status)
{
    Build__ErrorClass error_class =
        status->code == GRPC_STATUS_DATA_LOSS            ? BUILD__ERROR_CLASS__ERROR_CLASS_DATA_LOSS
        : status->code == GRPC_STATUS_NOT_FOUND          ? BUILD__ERROR_CLASS__ERROR_CLASS_NOT_FOUND
        : status->code == GRPC_STATUS_RESOURCE_EXHAUSTED ? BUILD__ERROR_CLASS__ERROR_CLASS_NO_SPACE
        : status->code == GRPC_STATUS_ALREADY_EXISTS     ? BUILD__ERROR_CLASS__ERROR_CLASS_ALREADY_EXISTS
                                                         : BUILD__ERROR_CLASS__ERROR_CLASS_INTERNAL;
    return vmxd_build_fail(end, error_class, "%s", status->text);
}

/* --- the clock ----------------------------------------------------------------------------------------------------- */

/* Locked: why a build that has not ended must end now. */
static vmxd_stop
overdue(const vmxd_build *build, uint64_t now_us)
{
    uint64_t lease_us = build->record->request->lease_ms * 1000;
    if (now_us >= build->deadline_us)
        return VMXD_STOP_DEADLINE;
    return lease_us > 0 && now_us > build->seen_us + lease_us ? VMXD_STOP_LEASE : VMXD_STOP_NOT;
}

/* Locked. True if a build has not ended: the clock goes on. */
static bool
check_times(vmxd_builds *builds)
{
    uint64_t now_us = vmx_monotonic_us();
    bool any = false;
    for (size_t i = 0; i < builds->count; i++) {
        vmxd_build *build = builds->all[i];
        int none = VMXD_STOP_NOT, why = vmxd_build_ended(build) ? none : (int)overdue(build, now_us);
        any = any || !vmxd_build_ended(build);
        if (why == VMXD_STOP_NOT || !atomic_compare_exchange_strong(&build->stop, &none, why))
            continue;
        vmxd_build_end end = {.state = BUILD__STATE__STATE_FAILED};
        end_stopped(build, &end);
        if (build != builds->running)
            vmxd_build_finish(builds, build, &end);
    }
    return any;
}

static void *
clock_main(void *arg)
{
    vmxd_builds *builds = arg;
    pthread_mutex_lock(&builds->lock);
    while (!builds->stopping) {
        bool active = check_times(builds);
        vmxd_watchers_serve(builds);
        if (builds->stopping)
            break;
        uint64_t until = active || builds->watchers ? vmx_monotonic_us() + TICK_MS * 1000 : VMX_NEVER;
        vmx_cond_wait(&builds->tick, &builds->lock, until);
    }
    pthread_mutex_unlock(&builds->lock);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------------------ */

const vmxd_builds_options *
vmxd_builds_config(const vmxd_builds *builds)
{
    return &builds->options;
}

void
vmxd_builds_describe(vmxd_builds *builds, Build__BuilderDescription *out)
{
    out->library = (char *)vmxd_graph_library();
    out->memory_limit_bytes = builds->options.memory_limit_bytes;
    pthread_mutex_lock(&builds->lock);
    for (size_t i = 0; i < builds->count; i++)
        out->queued += builds->all[i]->record->state == BUILD__STATE__STATE_QUEUED;
    out->running = builds->running != NULL;
    out->memory_reserved_bytes = builds->running ? builds->running->record->estimated_memory_bytes : 0;
    pthread_mutex_unlock(&builds->lock);
}

vmxd_builds *
vmxd_builds_start(const vmxd_builds_options *options, vmxd_status *status)
{
    vmxd_builds *builds = vmx_calloc(1, sizeof *builds);
    if (!builds) {
        vmxd_no_memory(status);
        return NULL;
    }
    builds->options = *options;
    builds->fd = -1;
    builds->next_sequence = 1;
    pthread_mutex_init(&builds->lock, NULL);
    vmx_cond_init(&builds->work);
    vmx_cond_init(&builds->tick);
    if (!options->directory || vmxd_builds_load(builds, status)) {
        builds->has_worker = vmx_thread_start(&builds->worker, "vecmuxd-build", worker_main, builds);
        builds->has_clock = vmx_thread_start(&builds->clock, "vecmuxd-clock", clock_main, builds);
        if (builds->has_worker && builds->has_clock)
            return builds;
        vmxd_refuse(status, GRPC_STATUS_INTERNAL, "cannot start a thread");
    }
    vmxd_builds_stop(builds);
    return NULL;
}

void
vmxd_builds_quiesce(vmxd_builds *builds)
{
    int none = VMXD_STOP_NOT;
    pthread_mutex_lock(&builds->lock);
    builds->quiescing = true;
    if (builds->running)
        atomic_compare_exchange_strong(&builds->running->stop, &none, VMXD_STOP_SERVER);
    vmxd_watchers_end(builds);
    pthread_cond_signal(&builds->work);
    pthread_cond_signal(&builds->tick);
    pthread_mutex_unlock(&builds->lock);
}

void
vmxd_builds_stop(vmxd_builds *builds)
{
    if (!builds)
        return;
    vmxd_builds_quiesce(builds);
    pthread_mutex_lock(&builds->lock);
    builds->stopping = true;
    pthread_cond_signal(&builds->tick);
    pthread_mutex_unlock(&builds->lock);
    if (builds->has_worker)
        pthread_join(builds->worker, NULL);
    if (builds->has_clock)
        pthread_join(builds->clock, NULL);
    for (size_t i = 0; i < builds->count; i++)
        vmxd_build_free(builds->all[i]);
    if (builds->fd >= 0)
        close(builds->fd);
    pthread_cond_destroy(&builds->work);
    pthread_cond_destroy(&builds->tick);
    pthread_mutex_destroy(&builds->lock);
    vmx_dealloc(builds->all);
    vmx_dealloc(builds);
}
