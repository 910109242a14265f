/*
 * How a build stops before its end: by a failure, a cancel or its deadline. The first reason stands; every actor is
 * asked to stop, and when the last has ended the clean-up comes (clean.c). Whatever the reason of a remote build's
 * failure was, its caller hears one thing, once: VMX_ERR_FALLBACK, with phase and reason in the message.
 */
#include <stdio.h>
#include <string.h>

#include "build/internal.h"
#include "core/error.h"

/* --- failing ------------------------------------------------------------------------------------------------------- */

static vmx_actor *
running_actor(const vmx_build *build)
{
    vmx_actor *actor = build->actors;
    while (actor != NULL && actor->stopped)
        actor = actor->next;
    return actor;
}

/* Nothing runs any more. */
static void
run_stop(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, stop_task, task);
    build->stop_submitted = false;
    if (build->actors != NULL)
        return;
    if (build->stage == VMX_STAGE_STOPPING)
        vmx_clean_begin(build);
    else if (build->stage == VMX_STAGE_ENDING)
        vmx_build_finish(build);
}

void
vmx_build_wind_up(vmx_build *build)
{
    bool waits = build->stage == VMX_STAGE_STOPPING || build->stage == VMX_STAGE_ENDING;
    if (!waits || build->actors != NULL || build->stop_submitted)
        return;
    build->stop_submitted = true;
    build->stop_task.run = run_stop;
    vmx_op_submit(&build->op, &build->stop_task);
}

/* What has failed: the phase, or with a cancel nothing. */
static void
count_failure(const vmx_build *build)
{
    vmx_build_counters *counters = build->parts.counters;
    switch ((vmx_build_phase)atomic_load(&build->phase)) {
    case VMX_BUILD_UPLOAD:
        vmx_count(&counters->uploads.failure, 1);
        break;
    case VMX_BUILD_TRIGGER:
        vmx_count(&counters->triggers.failure, 1);
        break;
    case VMX_BUILD_AWAIT:
        vmx_count(&counters->builds.failure, 1);
        break;
    case VMX_BUILD_DOWNLOAD:
        vmx_count(&counters->downloads.failure, 1);
        break;
    case VMX_BUILD_CHECK:
    case VMX_BUILD_CLEAN_UP:
    case VMX_BUILD_DONE:
        break;
    }
}

void
vmx_build_fail(vmx_build *build, const vmx_error *why)
{
    if (build->stage != VMX_STAGE_RUNNING)
        return;
    if (!build->called_off)
        count_failure(build);
    build->op.error = *why;
    build->stage = VMX_STAGE_STOPPING;
    for (vmx_actor *actor; (actor = running_actor(build)) != NULL;) {
        actor->stopped = true;
        actor->stop(actor);
    }
    vmx_build_wind_up(build);
}

void
vmx_build_fail_with(vmx_build *build, vmx_status status, const char *format, ...)
{
    vmx_error error;
    va_list args;
    va_start(args, format);
    vmx_error_set_v(&error, status, format, args);
    va_end(args);
    vmx_build_fail(build, &error);
}

void
vmx_build_cancel(vmx_op *op)
{
    vmx_build *build = VMX_OWNER(vmx_build, op, op);
    if (build->stage == VMX_STAGE_RUNNING)
        build->called_off = true;
    vmx_build_fail_with(build, VMX_ERR_CANCELLED, "%s at %s: cancelled", op->name, build->parts.caller->endpoint);
}

/* --- what the caller hears ----------------------------------------------------------------------------------------- */

void
vmx_build_make_fallback(vmx_build *build)
{
    vmx_error *error = &build->op.error;
    vmx_error why = *error;
    if (build->kind != VMX_BUILD_REMOTE || why.code == VMX_OK || build->called_off)
        return;
    build->cause = why.code;
    vmx_error_set(error, VMX_ERR_FALLBACK, "%s (%s): %s; build it locally", build->op.name,
                  vmx_build_phase_name((vmx_build_phase)atomic_load(&build->phase)), why.message);
    vmx_error words = *error;
    *error = why;
    error->code = words.code;
    memcpy(error->message, words.message, sizeof error->message);
    vmx_count(&build->parts.counters->fallbacks, 1);
}

/* --- the deadline -------------------------------------------------------------------------------------------------- */

static void
on_deadline(vmx_timer *timer)
{
    vmx_build *build = VMX_OWNER(vmx_build, deadline_timer, timer);
    vmx_op_submit(&build->op, &build->deadline_task);
}

static void
run_deadline(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, deadline_task, task);
    build->deadline_timed = false;
    if (build->ended)
        vmx_build_finish(build);
    else
        vmx_build_fail_with(build, VMX_ERR_DEADLINE, "%s at %s: not done within %lld ms; raise the timeout",
                            build->op.name, build->parts.caller->endpoint, (long long)build->settings.total_timeout_ms);
}

void
vmx_deadline_arm(vmx_build *build)
{
    if (build->settings.deadline_us == VMX_NEVER)
        return;
    build->deadline_timed = true;
    build->deadline_task.run = run_deadline;
    build->deadline_timer.fire = on_deadline;
    build->parts.caller->transport->vtable->timer_set(build->parts.loop, &build->deadline_timer,
                                                      build->settings.deadline_us);
}

bool
vmx_deadline_disarm(vmx_build *build)
{
    if (build->deadline_timed &&
        !build->parts.caller->transport->vtable->timer_cancel(build->parts.loop, &build->deadline_timer))
        return false;
    build->deadline_timed = false;
    return true;
}
