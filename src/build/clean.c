/*
 * The end of a build: the server's build is cancelled if nobody waits for it any more, blobs are deleted if they are not
 * wanted any more, files are closed, and the op completes. What goes wrong here changes nothing.
 */
#include "build/internal.h"
#include "core/error.h"

typedef enum clean_step { STEP_CANCEL = 0, STEP_VECTORS, STEP_IDS, STEP_RESULT, STEP_FILES, STEP_END } clean_step;

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
cancels_job(const vmx_build *build)
{
    bool waits = build->kind == VMX_BUILD_REMOTE || build->kind == VMX_BUILD_IN_PLACE;
    return waits && build->build_id[0] != '\0' && !build->job_ended && !succeeded(build);
}

/* --- the steps ----------------------------------------------------------------------------------------------------- */

static void
on_step(vmx_ask *ask)
{
    step(ask->build);
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

/* An upload that was not completed is aborted, a blob deleted. */
static void
drop_upload(vmx_build *build, const vmx_upload *upload)
{
    Repository__AbortUploadRequest request;
    if (upload->done || upload->id[0] == '\0') {
        delete_blob(build, upload->name);
        return;
    }
    repository__abort_upload_request__init(&request);
    request.upload_id = (char *)(uintptr_t)upload->id;
    vmx_ask_start(&build->clean_ask, build, VMX_REPOSITORY_SERVICE "AbortUpload", &request.base,
                  &repository__abort_upload_response__descriptor, on_step);
}

static void
run_files(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    bool part_is_ours = build->download.output.fd >= 0;
    vmx_output_close(build);
    if (succeeded(build))
        vmx_output_remove(build, true);
    else if (part_is_ours && (!build->settings.keyed || build->settings.spec.clean_up_failed))
        vmx_output_remove(build, false);
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

static void
step(vmx_build *build)
{
    switch ((clean_step)build->clean_step++) {
    case STEP_CANCEL:
        if (cancels_job(build))
            return cancel_job(build);
        return step(build);
    case STEP_VECTORS:
        if (deletes_blobs(build))
            return drop_upload(build, &build->vectors);
        return step(build);
    case STEP_IDS:
        if (deletes_blobs(build) && build->ids.wanted)
            return drop_upload(build, &build->ids);
        return step(build);
    case STEP_RESULT:
        if (deletes_blobs(build))
            return delete_blob(build, build->settings.result_blob);
        return step(build);
    case STEP_FILES:
        if (build->kind == VMX_BUILD_REMOTE && build->worker != NULL)
            return vmx_chore_start(&build->download.chore, build, run_files, on_files);
        return step(build);
    case STEP_END:
        complete(build);
    }
}

void
vmx_clean_begin(vmx_build *build)
{
    build->stage = VMX_STAGE_WINDING;
    if (succeeded(build) && build->kind == VMX_BUILD_REMOTE)
        vmx_build_enter(build, VMX_BUILD_CLEAN_UP, 0, 0);
    build->clean_step = STEP_CANCEL;
    step(build);
}
