/*
 * Going on where an earlier call with the same idempotency key was: its file is there and only the clean-up is left; or
 * its build runs, and is waited for; or its build has ended well and the result is still there, and is downloaded. A
 * build whose result is gone counts as fetched: the next key is tried. Without a key there is nothing to look for,
 * but whether the output can be written is seen here in any case.
 */
#include <stdio.h>

#include "build/internal.h"

static void
find_job(vmx_build *build);

/* The build that is gone on with. */
static void
adopt_job(vmx_build *build, const vmx_pb_build *job)
{
    snprintf(build->build_id, sizeof build->build_id, "%s", job->build_id);
    build->adopted = true;
    build->job_ended = job->state == BUILD__STATE__STATE_COMPLETED;
    vmx_build_reserve(build);
}

/* Is the result of a build that has ended well still there? */
static void
on_result(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    if (vmx_build_halted(build))
        return;
    if (ask->reply == NULL && ask->error.code != VMX_ERR_NOT_FOUND)
        vmx_build_fail(build, &ask->error);
    else if (ask->reply != NULL && vmx_download_plan(build, ask->reply))
        adopt_job(build, build->found);
    else if (ask->reply == NULL && vmx_build_next_key(build))
        find_job(build);
    else
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
}

static void
find_result(vmx_build *build)
{
    Repository__StatBlobRequest request;
    repository__stat_blob_request__init(&request);
    request.name = build->settings.result_blob;
    vmx_ask_start(&build->watch.ask, build, VMX_REPOSITORY_SERVICE "StatBlob", &request.base,
                  &repository__blob__descriptor, on_result);
}

static void
on_found(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    vmx_pb_build *job = ask->reply;
    if (vmx_build_halted(build))
        return;
    if (job == NULL && ask->error.code != VMX_ERR_NOT_FOUND) {
        vmx_build_fail(build, &ask->error);
    } else if (job != NULL && job->state == BUILD__STATE__STATE_COMPLETED) {
        build->found = job; /* lives as long as `ask` is not used again */
        if (vmx_build_keep_jobs(build, &job, 1))
            find_result(build);
        else
            vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
    } else if (job != NULL && job->state < BUILD__STATE__STATE_COMPLETED) {
        adopt_job(build, job);
    } else {
        build->retried = job != NULL;
        vmx_build_reserve(build);
    }
}

static void
find_job(vmx_build *build)
{
    Build__GetBuildRequest request;
    build__get_build_request__init(&request);
    request.idempotency_key = build->settings.key;
    request.tenant_id = build->settings.tenant;
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "GetBuild", &request.base, &build__build__descriptor, on_found);
}

static void
run_look(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    vmx_status status = vmx_output_check(build, &chore->error);
    build->finished_before = status == VMX_OK && build->settings.keyed && vmx_output_is_finished(build);
}

static void
on_looked(vmx_chore *chore)
{
    vmx_build *build = chore->build;
    vmx_actor_end(build, &build->download.actor);
    if (vmx_build_halted(build))
        return;
    if (chore->error.code != VMX_OK)
        vmx_build_fail(build, &chore->error);
    else if (build->finished_before)
        vmx_clean_begin(build);
    else if (build->settings.keyed)
        find_job(build);
    else
        vmx_build_reserve(build);
}

void
vmx_resume_begin(vmx_build *build)
{
    vmx_actor_begin(build, &build->download.actor, vmx_actor_stop_nothing);
    vmx_chore_start(&build->download.chore, build, run_look, on_looked);
}
