/*
 * Waiting for the server's build: by a stream that tells of every change, and while that is broken by asking from
 * time to time. One answer that does not come never gives a build up; only its end, NOT_FOUND or the deadline does.
 */
#include <string.h>

#include "build/internal.h"
#include "core/error.h"
#include "core/sync.h"

/* How often a build that failed for a reason that may pass is submitted again, with the blobs that are there. */
#define MAX_RESUBMITS 1

static void
watch(vmx_build *build);

/* --- the end of the server's build --------------------------------------------------------------------------------- */

static const char *
error_class(const vmx_pb_build *job)
{
    const ProtobufCEnumValue *value =
        job->error == NULL
            ? NULL
            : protobuf_c_enum_descriptor_get_value(&build__error_class__descriptor, (int)job->error->error_class);
    return value != NULL ? value->name + strlen("ERROR_CLASS_") : "UNKNOWN";
}

static void
end_actor(vmx_build *build)
{
    vmx_watch *w = &build->watch;
    bool quiet = !w->timed && !w->ask.actor.active && w->flow.phase == VMX_FLOW_IDLE;
    if (quiet && w->actor.active)
        vmx_actor_end(build, &w->actor);
}

static void
built(vmx_build *build, const vmx_pb_build *job)
{
    vmx_watch *w = &build->watch;
    vmx_count(&build->parts.counters->builds.success, 1);
    vmx_count(&build->parts.counters->builds.duration_us, vmx_build_now(build) - w->started_us);
    w->ended = true;
    vmx_flow_cancel(&w->flow);
    end_actor(build);
    vmx_build_built(build, job);
}

static void
not_built(vmx_build *build, const vmx_pb_build *job)
{
    vmx_watch *w = &build->watch;
    bool failed = job->state == BUILD__STATE__STATE_FAILED;
    if (failed && job->error != NULL && job->error->retriable && w->resubmits < MAX_RESUBMITS) {
        w->resubmits++;
        w->ended = build->retried = true;
        build->job_ended = false;
        vmx_flow_cancel(&w->flow);
        end_actor(build); /* if this was asked for, no stream is there to end */
        vmx_trigger_again(build);
        return;
    }
    vmx_build_fail_with(build, failed ? VMX_ERR_SERVER : VMX_ERR_CANCELLED, "%s at %s: the build %s: %s%s%s",
                        build->op.name, build->parts.caller->endpoint, failed ? "failed" : "was cancelled",
                        failed ? error_class(job) : "by somebody else", failed && job->error != NULL ? ": " : "",
                        failed && job->error != NULL ? job->error->message : "");
}

/* What the server says of the build. */
static void
look(vmx_build *build, const vmx_pb_build *job)
{
    vmx_count(&build->parts.counters->polls.success, 1);
    atomic_store(&build->queue_position, job->queue_position);
    atomic_store(&build->vectors_done, job->vectors_done);
    if (job->vectors_total > 0)
        atomic_store(&build->vectors_total, job->vectors_total);
    bool over = job->state >= BUILD__STATE__STATE_COMPLETED;
    if (!over)
        return;
    build->job_ended = true;
    vmx_pb_build *one = (vmx_pb_build *)(uintptr_t)job;
    if (!vmx_build_keep_jobs(build, &one, 1))
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
    else if (job->state == BUILD__STATE__STATE_COMPLETED)
        built(build, job);
    else
        not_built(build, job);
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

static void
on_asked(vmx_ask *ask)
{
    vmx_build *build = ask->build;
    if (vmx_build_halted(build) || build->watch.ended) {
        end_actor(build);
        return;
    }
    if (ask->reply != NULL) {
        look(build, ask->reply);
    } else {
        vmx_count(&build->parts.counters->polls.failure, 1);
        if (ask->error.code == VMX_ERR_NOT_FOUND) {
            vmx_build_fail(build, &ask->error);
            return;
        }
    }
    if (!build->watch.ended && !vmx_build_halted(build))
        watch(build);
}

static void
run_timer(vmx_task *task)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.timer_task, task);
    Build__GetBuildRequest request;
    build->watch.timed = false;
    if (vmx_build_halted(build)) {
        end_actor(build);
        return;
    }
    build__get_build_request__init(&request);
    request.build_id = build->build_id;
    vmx_ask_start(&build->watch.ask, build, VMX_BUILD_SERVICE "GetBuild", &request.base, &build__build__descriptor,
                  on_asked);
}

static void
on_timer(vmx_timer *timer)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.timer, timer);
    vmx_op_submit(&build->op, &build->watch.timer_task);
}

/* The interval, give or take a fifth, so that many clients do not ask at once. */
static void
ask_later(vmx_build *build)
{
    vmx_watch *w = &build->watch;
    const vmx_transport_vtable *transport = build->parts.caller->transport->vtable;
    uint64_t interval_us = (uint64_t)build->settings.poll_ms * 1000;
    uint64_t pause_us = interval_us * 4 / 5 + vmx_random_up_to(&w->flow.random, interval_us * 2 / 5);
    w->timer.fire = on_timer;
    w->timer_task.run = run_timer;
    w->timed = true;
    transport->timer_set(build->parts.loop, &w->timer, vmx_build_now(build) + pause_us);
}

/* --- watching ------------------------------------------------------------------------------------------------------ */

static void
on_ready(vmx_flow *flow)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.flow, flow);
    Build__WatchBuildRequest request;
    vmx_message message;
    build__watch_build_request__init(&request);
    request.build_id = build->build_id;
    if (!vmx_pack(&request.base, &message)) {
        vmx_flow_cancel(flow);
        return;
    }
    vmx_flow_send(flow, &message, true);
    vmx_message_clear(&message);
    vmx_flow_recv(flow);
}

static void
on_sent(vmx_flow *flow)
{
    (void)flow;
}

static void
on_message(vmx_flow *flow, vmx_message *message)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.flow, flow);
    vmx_arena arena = {0};
    const vmx_pb_build *job = vmx_unpack(&build__build__descriptor, message, &arena, NULL);
    vmx_flow_moved(flow);
    if (job != NULL)
        look(build, job);
    else
        vmx_flow_cancel(flow);
    vmx_arena_reset(&arena);
    if (!build->watch.ended && !vmx_build_halted(build) && !flow->cancelled)
        vmx_flow_recv(flow);
}

static void
on_ended(vmx_flow *flow)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.flow, flow);
    if (vmx_build_halted(build) || build->watch.ended)
        end_actor(build);
    else
        ask_later(build);
}

static void
stop_watch(vmx_actor *actor)
{
    vmx_build *build = VMX_OWNER(vmx_build, watch.actor, actor);
    vmx_watch *w = &build->watch;
    if (w->timed && build->parts.caller->transport->vtable->timer_cancel(build->parts.loop, &w->timer))
        w->timed = false;
    vmx_flow_cancel(&w->flow);
    end_actor(build);
}

static void
watch(vmx_build *build)
{
    vmx_flow_start(&build->watch.flow, VMX_BUILD_SERVICE "WatchBuild");
}

static void
begin_flow(vmx_build *build)
{
    static const vmx_flow_hooks hooks = {
        .ready = on_ready, .sent = on_sent, .message = on_message, .ended = on_ended, .resumed = on_ended};
    vmx_call_settings settings = build->settings.call;
    settings.deadline_us = build->settings.deadline_us;
    if (!build->watch.flow_begun)
        vmx_flow_init(&build->watch.flow, build->parts.caller, &build->op, build->parts.loop, &settings,
                      build->settings.idle_timeout_ms, &hooks);
    build->watch.flow_begun = true;
}

void
vmx_await_begin(vmx_build *build)
{
    vmx_watch *w = &build->watch;
    uint64_t vectors = build->vectors.blob.rows != NULL ? build->vectors.blob.rows->count : 0;
    vmx_build_enter(build, VMX_BUILD_AWAIT, 0, vectors);
    w->ended = false;
    begin_flow(build);
    if (w->actor.active)
        return; /* of the build's first try: its stream is about to end, and asks */
    w->started_us = w->started_us != 0 ? w->started_us : vmx_build_now(build);
    vmx_actor_begin(build, &w->actor, stop_watch);
    watch(build);
}
