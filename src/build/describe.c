/* Builds on the server as results of an operation: described, cancelled, listed. */
#include <stdio.h>
#include <string.h>

#include "build/internal.h"
#include "core/error.h"
#include "core/sized.h"

typedef Build__ListBuildsResponse list_response;

/* --- keeping ------------------------------------------------------------------------------------------------------- */

static vmx_str
keep(vmx_build *build, const char *text)
{
    return vmx_arena_str(&build->op.arena, vmx_str_from(text));
}

/* "DEADLINE: not built within 100 ms" */
static vmx_str
keep_error(vmx_build *build, const Build__BuildError *error)
{
    char text[VMX_ERROR_MESSAGE_SIZE];
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&build__error_class__descriptor, (int)error->error_class);
    snprintf(text, sizeof text, "%s: %s", value != NULL ? value->name + strlen("ERROR_CLASS_") : "UNKNOWN",
             error->message);
    return keep(build, text);
}

static bool
keep_job(vmx_build *build, const vmx_pb_build *from, vmx_job *to)
{
    const Build__TriggerBuildRequest *request = from->request;
    *to = (vmx_job){
        .size = sizeof *to,
        .id = keep(build, from->build_id),
        .state = (vmx_job_state)from->state,
        .queue_position = from->queue_position,
        .vectors_done = from->vectors_done,
        .vectors_total = from->vectors_total,
        .cancelling = from->cancelling,
        .error = from->error != NULL ? keep_error(build, from->error) : keep(build, ""),
        .error_retriable = from->error != NULL && from->error->retriable,
        .tenant = keep(build, request != NULL ? request->tenant_id : ""),
        .idempotency_key = keep(build, request != NULL ? request->idempotency_key : ""),
        .result = keep(build, from->result != NULL ? from->result->name : ""),
        .in_place = request != NULL && request->in_place != NULL,
        .memory_bytes = from->estimated_memory_bytes,
        .created_ms = from->created_ms,
        .started_ms = from->started_ms,
        .finished_ms = from->finished_ms,
        .attempt = from->attempt,
    };
    to->name_space = keep(build, to->in_place ? request->in_place->namespace_ : "");
    return to->id.ptr != NULL && to->error.ptr != NULL && to->tenant.ptr != NULL && to->idempotency_key.ptr != NULL &&
           to->result.ptr != NULL && to->name_space.ptr != NULL;
}

bool
vmx_build_keep_jobs(vmx_build *build, vmx_pb_build *const *jobs, size_t count)
{
    build->jobs = vmx_arena_calloc(&build->op.arena, count + 1, sizeof *build->jobs);
    bool kept = build->jobs != NULL;
    for (size_t i = 0; kept && i < count; i++)
        kept = keep_job(build, jobs[i], &build->jobs[i]);
    build->job_count = kept ? count : 0;
    return kept;
}

/* --- the calls ----------------------------------------------------------------------------------------------------- */

static void
finish(vmx_build *build, bool kept)
{
    if (kept)
        vmx_clean_begin(build);
    else
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
}

static void
on_job(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    vmx_pb_build *job = ask->reply;
    if (vmx_build_halted(build))
        return;
    if (job == NULL)
        vmx_build_fail(build, &ask->error);
    else
        finish(build, vmx_build_keep_jobs(build, &job, 1));
}

static void
on_list(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    const list_response *reply = ask->reply;
    if (vmx_build_halted(build))
        return;
    if (reply == NULL) {
        vmx_build_fail(build, &ask->error);
        return;
    }
    build->next_token = keep(build, reply->next_page_token);
    finish(build, build->next_token.ptr != NULL && vmx_build_keep_jobs(build, reply->builds, reply->n_builds));
}

static void
ask_list(vmx_build *build)
{
    Build__ListBuildsRequest request;
    build__list_builds_request__init(&request);
    request.tenant_id = (char *)(uintptr_t)build->list.tenant.ptr;
    request.page_size = build->list.limit;
    request.page_token = (char *)(uintptr_t)build->list.token.ptr;
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "ListBuilds", &request.base,
                  &build__list_builds_response__descriptor, on_list);
}

static void
ask_describe(vmx_build *build)
{
    Build__GetBuildRequest request;
    build__get_build_request__init(&request);
    request.build_id = (char *)(uintptr_t)build->id_asked;
    request.observer = true;
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "GetBuild", &request.base, &build__build__descriptor, on_job);
}

static void
ask_cancel(vmx_build *build)
{
    Build__CancelBuildRequest request;
    build__cancel_build_request__init(&request);
    request.build_id = (char *)(uintptr_t)build->id_asked;
    vmx_ask_start(&build->ask, build, VMX_BUILD_SERVICE "CancelBuild", &request.base, &build__build__descriptor,
                  on_job);
}

void
vmx_describe_begin(vmx_build *build)
{
    if (build->kind == VMX_BUILD_LIST)
        ask_list(build);
    else if (build->kind == VMX_BUILD_CANCEL)
        ask_cancel(build);
    else
        ask_describe(build);
}

/* --- preparing ----------------------------------------------------------------------------------------------------- */

static vmx_status
prepare(vmx_build *build, vmx_build_kind kind, const vmx_call_settings *settings)
{
    build->kind = kind;
    build->settings.call = *settings;
    build->settings.deadline_us = settings->deadline_us;
    build->settings.total_timeout_ms = settings->timeout_ms;
    return VMX_OK;
}

static vmx_status
prepare_id(vmx_build *build, vmx_build_kind kind, vmx_str id, const vmx_call_settings *settings, vmx_error *error)
{
    if (id.len == 0 || id.len > 64)
        return vmx_error_set(error, VMX_ERR_INVALID, "build: id \"%.*s\"; give the id that the server gave",
                             vmx_error_clip(id), id.ptr != NULL ? id.ptr : "");
    build->id_asked = vmx_arena_str(&build->op.arena, id).ptr;
    return build->id_asked != NULL ? prepare(build, kind, settings) : vmx_error_no_memory(error);
}

vmx_status
vmx_build_prepare_describe(vmx_build *build, vmx_str id, const vmx_call_settings *settings, vmx_error *error)
{
    return prepare_id(build, VMX_BUILD_DESCRIBE, id, settings, error);
}

vmx_status
vmx_build_prepare_cancel(vmx_build *build, vmx_str id, const vmx_call_settings *settings, vmx_error *error)
{
    return prepare_id(build, VMX_BUILD_CANCEL, id, settings, error);
}

vmx_status
vmx_build_prepare_list(vmx_build *build, const vmx_build_list *theirs, const vmx_call_settings *settings,
                       vmx_error *error)
{
    vmx_build_list *list = &build->list;
    if (theirs != NULL)
        vmx_sized_read(list, sizeof *list, theirs);
    if (list->limit > 1000)
        return vmx_error_set(error, VMX_ERR_INVALID, "build: a list of %u; give a limit of 1 to 1000", list->limit);
    list->tenant = vmx_arena_str(&build->op.arena, list->tenant);
    list->token = vmx_arena_str(&build->op.arena, list->token);
    return list->tenant.ptr != NULL && list->token.ptr != NULL ? prepare(build, VMX_BUILD_LIST, settings)
                                                               : vmx_error_no_memory(error);
}
