/*
 * The end of a build: the server's build is cancelled if nobody waits for it any more, blobs are deleted if they are not
 * wanted any more, files are closed, and the op completes. What goes wrong here does not change how the build has ended. A
 * server that could not be reached with all retries of one call is not asked again; each blob that may still be there is
 * told in the log, counted, and in the result.
 *
 * A call that was cut off may have taken effect: a build or an upload of which no id has come is looked for by its key.
 */
#include <stdio.h>

#include "build/internal.h"
#include "core/error.h"
#include "core/log.h"

typedef enum clean_step {
    STEP_DROP_FILES = 0, /* of a build that has failed: at once, as the next build of that output waits for nobody */
    STEP_FIND_JOB,
    STEP_CANCEL_JOB,
    STEP_FIND_VECTORS,
    STEP_ABORT_VECTORS,
    STEP_DELETE_VECTORS,
    STEP_FIND_IDS,
    STEP_ABORT_IDS,
    STEP_DELETE_IDS,
    STEP_DELETE_RESULT,
    STEP_CLOSE_FILES, /* of one that has not: until then they say that only the clean-up is left */
    STEP_END
} clean_step;

static void
step(vmx_build *build);

/* --- what is wanted ------------------------------------------------------------------------------------------------ */

static bool
succeeded(const vmx_build *build)
{
    return build->op.error.code == VMX_OK;
}

static bool
deletes_blobs(const vmx_build *build)
{
    bool reached = build->vectors.started_us != 0 || build->build_id[0] != '\0';
    if (build->kind != VMX_BUILD_REMOTE)
        return false;
    return succeeded(build) ? build->settings.clean_up : build->settings.spec.clean_up_failed && reached;
}

static bool
drops(const vmx_build *build, const vmx_upload *upload)
{
    return deletes_blobs(build) && !upload->foreign && (upload == &build->vectors || upload->wanted);
}

static bool
is_wanted(const vmx_build *build, clean_step which)
{
    bool failed = !succeeded(build), job_known = build->build_id[0] != '\0';
    bool waits = build->kind == VMX_BUILD_REMOTE || build->kind == VMX_BUILD_IN_PLACE;
    const vmx_upload *upload = which < STEP_FIND_IDS ? &build->vectors : &build->ids;
    switch (which) {
    case STEP_DROP_FILES:
        return failed && build->download.output.fd >= 0; /* else OUTPUT.part is none of ours */
    case STEP_FIND_JOB:
        return failed && build->triggered && !job_known;
    case STEP_CANCEL_JOB:
        return failed && waits && job_known && !build->job_ended;
    case STEP_FIND_VECTORS:
    case STEP_FIND_IDS:
        return drops(build, upload) && upload->started_us != 0 && !upload->done && upload->id[0] == '\0';
    case STEP_ABORT_VECTORS:
    case STEP_ABORT_IDS:
        return drops(build, upload) && !upload->done && upload->id[0] != '\0';
    case STEP_DELETE_VECTORS:
    case STEP_DELETE_IDS:
        return drops(build, upload);
    case STEP_DELETE_RESULT:
        return deletes_blobs(build) && (build->triggered || job_known || build->finished_before);
    case STEP_CLOSE_FILES:
        return !failed && build->kind == VMX_BUILD_REMOTE;
    default:
        return true;
    }
}

/* --- what is left -------------------------------------------------------------------------------------------------- */

/* The blob that a step deletes, as the last of the steps for it. */
static const char *
blob_of(const vmx_build *build, clean_step which)
{
    switch (which) {
    case STEP_DELETE_VECTORS:
        return build->vectors.name;
    case STEP_DELETE_IDS:
        return build->ids.name;
    case STEP_DELETE_RESULT:
        return build->settings.result_blob;
    default:
        return NULL;
    }
}

static void
tell_left(vmx_build *build, const char *blob)
{
    vmx_log *log = build->parts.caller->log;
    const vmx_log_field fields[] = {
        vmx_log_text("op", build->op.name),
        vmx_log_text("blob", blob),
        vmx_log_text("status", vmx_status_name(build->blob_failure)),
    };
    build->blobs_left++;
    vmx_count(&build->parts.counters->blobs_left, 1);
    if (vmx_log_wants(log, VMX_LOG_EVENT_BLOB_LEFT))
        vmx_log_write(log, VMX_LOG_EVENT_BLOB_LEFT, fields, sizeof fields / sizeof fields[0]);
}

/* How it went; of one that was left out, why. */
static void
note_step(vmx_build *build, clean_step which, vmx_status status)
{
    const char *blob = blob_of(build, which);
    if (status != VMX_OK && which >= STEP_FIND_VECTORS)
        build->blob_failure = status;
    if (blob == NULL)
        return;
    if (build->blob_failure != VMX_OK)
        tell_left(build, blob);
    build->blob_failure = VMX_OK;
}

/* --- the steps ----------------------------------------------------------------------------------------------------- */

static void
on_step(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    vmx_status code = ask->error.code;
    if (code == VMX_ERR_UNAVAILABLE || code == VMX_ERR_DEADLINE)
        build->unreachable = code;
    note_step(build, (clean_step)(build->clean_step - 1), code);
    step(build);
}

static void
on_job_found(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    const vmx_pb_build *job = ask->reply;
    if (job != NULL) {
        snprintf(build->build_id, sizeof build->build_id, "%s", job->build_id);
        build->job_ended = job->state >= BUILD__STATE__STATE_COMPLETED;
    }
    on_step(ask);
}

static void
find_job(vmx_build *build)
{
    Build__GetBuildRequest request;
    build__get_build_request__init(&request);
    request.tenant_id = build->settings.tenant;
    request.idempotency_key = build->settings.key;
    vmx_ask_start(&build->clean_ask, build, VMX_BUILD_SERVICE "GetBuild", &request.base, &build__build__descriptor,
                  on_job_found);
}

static void
on_vectors_found(vmx_ask *ask)
{
    if (ask->reply != NULL)
        vmx_upload_keep_id(&ask->build->vectors, ask->reply);
    on_step(ask);
}

static void
on_ids_found(vmx_ask *ask)
{
    if (ask->reply != NULL)
        vmx_upload_keep_id(&ask->build->ids, ask->reply);
    on_step(ask);
}

static void
cancel_job(vmx_build *build)
{
    Build__CancelBuildRequest request;
    build__cancel_build_request__init(&request);
    request.build_id = build->build_id;
    vmx_ask_start(&build->clean_ask, build, VMX_BUILD_SERVICE "CancelBuild", &request.base, &build__build__descriptor,
                  on_step);
}

static void
delete_blob(vmx_build *build, const char *name)
{
    Repository__DeleteBlobRequest request;
    repository__delete_blob_request__init(&request);
    request.name = (char *)(uintptr_t)name;
    vmx_ask_start(&build->clean_ask, build, VMX_REPOSITORY_SERVICE "DeleteBlob", &request.base,
                  &repository__delete_blob_response__descriptor, on_step);
}

static void
abort_upload(vmx_build *build, const vmx_upload *upload)
{
    Repository__AbortUploadRequest request;
    repository__abort_upload_request__init(&request);
    request.upload_id = (char *)(uintptr_t)upload->id;
    vmx_ask_start(&build->clean_ask, build, VMX_REPOSITORY_SERVICE "AbortUpload", &request.base,
                  &repository__abort_upload_response__descriptor, on_step);
}

static void
run_files(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    if (succeeded(build))
        vmx_output_remove(build, true);
    else if (!build->settings.keyed || build->settings.spec.clean_up_failed)
        vmx_output_remove(build, false);
    vmx_output_close(build); /* last, as the lock goes with it */
}

static void
on_files(vmx_chore *chore)
{
    step(chore->build);
}

static void
complete(vmx_build *build)
{
    vmx_build_enter(
        build, build->op.error.code == VMX_OK ? VMX_BUILD_DONE : (vmx_build_phase)atomic_load(&build->phase), 0, 0);
    build->stage = VMX_STAGE_ENDING; /* the stream that told of the build's end may not have ended itself */
    vmx_build_wind_up(build);
}

/* Each leads back to `step`, but for the last. */
static void
take(vmx_build *build, clean_step which)
{
    switch (which) {
    case STEP_DROP_FILES:
    case STEP_CLOSE_FILES:
        return vmx_chore_start(&build->download.chore, build, run_files, on_files);
    case STEP_FIND_JOB:
        return find_job(build);
    case STEP_CANCEL_JOB:
        return cancel_job(build);
    case STEP_FIND_VECTORS:
        return vmx_upload_ask(&build->vectors, &build->clean_ask, on_vectors_found);
    case STEP_ABORT_VECTORS:
        return abort_upload(build, &build->vectors);
    case STEP_DELETE_VECTORS:
        return delete_blob(build, build->vectors.name);
    case STEP_FIND_IDS:
        return vmx_upload_ask(&build->ids, &build->clean_ask, on_ids_found);
    case STEP_ABORT_IDS:
        return abort_upload(build, &build->ids);
    case STEP_DELETE_IDS:
        return delete_blob(build, build->ids.name);
    case STEP_DELETE_RESULT:
        return delete_blob(build, build->settings.result_blob);
    case STEP_END:
        complete(build);
    }
}

/* The next of the steps that is wanted; those that ask a server which cannot be reached are left out. */
static void
step(vmx_build *build)
{
    for (;;) {
        clean_step which = (clean_step)build->clean_step++;
        if (!is_wanted(build, which))
            continue;
        if (build->unreachable == VMX_OK || which >= STEP_CLOSE_FILES)
            return take(build, which);
        note_step(build, which, build->unreachable);
    }
}

void
vmx_clean_begin(vmx_build *build)
{
    build->stage = VMX_STAGE_WINDING;
    if (succeeded(build) && build->kind == VMX_BUILD_REMOTE)
        vmx_build_enter(build, VMX_BUILD_CLEAN_UP, 0, 0);
    build->clean_step = STEP_DROP_FILES;
    step(build);
}
