#include "rpc/flow.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/sync.h"
#include "rpc/attempt.h"
#include "rpc/failure.h"

#define OWNER(member, pointer) ((vmx_flow *)((char *)(pointer)-offsetof(vmx_flow, member)))

static const vmx_transport_vtable *
transport_of(const vmx_flow *flow)
{
    return flow->caller->transport->vtable;
}

static uint64_t
now_of(const vmx_flow *flow)
{
    return transport_of(flow)->now(flow->caller->transport);
}

/* --- the timer ----------------------------------------------------------------------------------------------------- */

static void
set_timer(vmx_flow *flow, uint64_t due_us)
{
    flow->due_us = due_us;
    if (due_us == VMX_NEVER || (flow->timed && !transport_of(flow)->timer_cancel(flow->loop, &flow->timer)))
        return;
    flow->timed = true;
    transport_of(flow)->timer_set(flow->loop, &flow->timer, due_us);
}

static bool
drop_timer(vmx_flow *flow)
{
    if (flow->timed && transport_of(flow)->timer_cancel(flow->loop, &flow->timer))
        flow->timed = false;
    return !flow->timed;
}

static void
on_timer(vmx_timer *timer)
{
    vmx_flow *flow = OWNER(timer, timer);
    vmx_op_submit(flow->op, &flow->timer_task);
}

/* When an open stream must be looked at next. */
static uint64_t
idle_due(const vmx_flow *flow)
{
    return vmx_deadline_us(flow->moved_us, flow->idle_timeout_ms);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static bool
leave_line(vmx_flow *flow)
{
    if (flow->in_line && vmx_pool_abandon(flow->pool, &flow->waiter))
        flow->in_line = false;
    return !flow->in_line;
}

/* `reply` stands: tells the owner as soon as nothing of the flow is on its way any more. */
static void
end(vmx_flow *flow)
{
    flow->phase = VMX_FLOW_ENDING;
    flow->due_us = 0;
    bool timer_idle = drop_timer(flow);
    if (!leave_line(flow) || !timer_idle || flow->stream != NULL)
        return;
    flow->phase = VMX_FLOW_IDLE;
    flow->hooks->ended(flow);
}

/* An end of our own making. */
static void
end_with(vmx_flow *flow, int grpc_code, const char *text)
{
    flow->reply = (vmx_reply){.grpc_code = grpc_code, .text = vmx_str_from(text), .peer = {"", 0}};
    flow->verdict = VMX_VERDICT_FINAL;
    end(flow);
}

static vmx_ticket_report
report_of(const vmx_flow *flow)
{
    const vmx_reply *reply = &flow->reply;
    bool broken = reply->reach != VMX_REACH_SERVER &&
                  (reply->grpc_code == VMX_GRPC_UNAVAILABLE || reply->grpc_code == VMX_GRPC_DEADLINE_EXCEEDED);
    vmx_ticket_report report = {
        .load = VMX_GATE_NEITHER,
        .counts = flow->ticket.was_connected && !flow->cancelled && (broken || reply->reach == VMX_REACH_SERVER),
        .failed = broken,
    };
    if (flow->verdict == VMX_VERDICT_THROTTLED)
        report.load = VMX_GATE_THROTTLED;
    else if (reply->reach == VMX_REACH_SERVER)
        report.load = VMX_GATE_ACCEPTED;
    return report;
}

static void
note_budget(vmx_flow *flow)
{
    if (flow->verdict == VMX_VERDICT_OK)
        vmx_budget_success(&flow->caller->budget);
    else if (flow->reply.reach == VMX_REACH_SERVER && flow->verdict != VMX_VERDICT_FINAL)
        vmx_budget_failure(&flow->caller->budget);
}

static void
run_ended(vmx_task *task)
{
    vmx_flow *flow = OWNER(ended_task, task);
    transport_of(flow)->close(flow->stream);
    flow->stream = NULL;
    flow->verdict = flow->caller->classify(&flow->reply);
    if (flow->idle) {
        flow->reply.grpc_code = VMX_GRPC_DEADLINE_EXCEEDED;
        flow->reply.reach = VMX_REACH_UNKNOWN;
        flow->reply.text = VMX_STR("nothing moved until build.idle.timeout.ms");
        flow->verdict = VMX_VERDICT_RETRIABLE;
    } else if (flow->reply.grpc_code < 0) {
        flow->reply.grpc_code = VMX_GRPC_RESOURCE_EXHAUSTED;
        flow->verdict = VMX_VERDICT_HOPELESS;
    }
    if (flow->reply.reach == VMX_REACH_NONE && flow->reply.grpc_code == VMX_GRPC_UNAVAILABLE)
        vmx_pool_note_failure(flow->pool, flow->reply.text);
    note_budget(flow);
    vmx_ticket_report report = report_of(flow);
    flow->waiter.avoid = report.counts && report.failed ? flow->ticket.link : NULL;
    vmx_pool_release(flow->pool, flow->ticket, report);
    end(flow);
}

/* --- events of the stream ------------------------------------------------------------------------------------------ */

static void
on_stream_event(void *user, const vmx_stream_event *event)
{
    vmx_flow *flow = user;
    if (event->kind == VMX_STREAM_SENT) {
        vmx_op_submit(flow->op, &flow->sent_task);
    } else if (event->kind == VMX_STREAM_MESSAGE) {
        vmx_message_move(&flow->incoming, event->message);
        vmx_op_submit(flow->op, &flow->message_task);
    } else {
        vmx_reply_keep(&flow->arena, event->reply, &flow->reply);
        vmx_op_submit(flow->op, &flow->ended_task);
    }
}

static void
run_sent(vmx_task *task)
{
    vmx_flow *flow = OWNER(sent_task, task);
    flow->moved_us = now_of(flow);
    if (!flow->cancelled)
        flow->hooks->sent(flow);
}

static void
run_message(vmx_task *task)
{
    vmx_flow *flow = OWNER(message_task, task);
    vmx_message message; /* the hook may ask for the next one, which may come at once */
    vmx_message_move(&message, &flow->incoming);
    flow->moved_us = now_of(flow);
    if (!flow->cancelled)
        flow->hooks->message(flow, &message);
    vmx_message_clear(&message);
}

/* --- starting ------------------------------------------------------------------------------------------------------ */

static void
open_stream(vmx_flow *flow, vmx_ticket ticket)
{
    vmx_stream_options options = {
        .channel = ticket.channel,
        .method = flow->method,
        .deadline_us = flow->settings.deadline_us,
        .wait_for_ready = flow->settings.wait_for_ready,
        .streaming = true,
        .headers = flow->settings.headers,
        .header_count = flow->settings.header_count,
        .on_event = on_stream_event,
        .user = flow,
    };
    flow->ticket = ticket;
    flow->stream = transport_of(flow)->start(flow->loop, &options);
    if (flow->stream == NULL) {
        vmx_pool_release(flow->pool, ticket, (vmx_ticket_report){.load = VMX_GATE_NEITHER});
        end_with(flow, VMX_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    flow->phase = VMX_FLOW_OPEN;
    flow->moved_us = now_of(flow);
    set_timer(flow, idle_due(flow));
    flow->hooks->ready(flow);
}

static void
on_granted(vmx_pool_waiter *waiter, vmx_ticket ticket)
{
    vmx_flow *flow = OWNER(waiter, waiter);
    flow->granted = ticket;
    vmx_op_submit(flow->op, &flow->granted_task);
}

static void
run_granted(vmx_task *task)
{
    vmx_flow *flow = OWNER(granted_task, task);
    flow->in_line = false;
    if (flow->phase != VMX_FLOW_ENDING) {
        open_stream(flow, flow->granted);
        return;
    }
    vmx_pool_release(flow->pool, flow->granted, (vmx_ticket_report){.load = VMX_GATE_NEITHER});
    end(flow);
}

void
vmx_flow_start(vmx_flow *flow, const char *method)
{
    vmx_arena_reset(&flow->arena);
    memset(&flow->reply, 0, sizeof flow->reply);
    vmx_pool *streams = atomic_load_explicit(&flow->caller->streams, memory_order_acquire);
    flow->pool = streams != NULL ? streams : flow->caller->pool;
    flow->method = method;
    flow->cancelled = flow->idle = false;
    flow->phase = VMX_FLOW_IN_LINE;
    flow->waiter.fail_fast = !flow->settings.wait_for_ready;
    vmx_ticket ticket = vmx_pool_acquire(flow->pool, &flow->waiter, now_of(flow));
    if (ticket.link != NULL) {
        open_stream(flow, ticket);
        return;
    }
    flow->in_line = true;
    flow->moved_us = now_of(flow);
    set_timer(flow, flow->settings.deadline_us);
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

static void
run_timer(vmx_task *task)
{
    vmx_flow *flow = OWNER(timer_task, task);
    flow->timed = false;
    if (flow->phase == VMX_FLOW_OPEN && idle_due(flow) > flow->due_us)
        flow->due_us = idle_due(flow);
    if (flow->phase != VMX_FLOW_ENDING && now_of(flow) < flow->due_us) {
        set_timer(flow, flow->due_us);
        return;
    }
    switch (flow->phase) {
    case VMX_FLOW_OPEN:
        flow->idle = true;
        transport_of(flow)->cancel(flow->stream);
        break;
    case VMX_FLOW_IN_LINE:
        end_with(flow, VMX_GRPC_DEADLINE_EXCEEDED, "no connection was free in time");
        break;
    case VMX_FLOW_PAUSED:
        flow->phase = VMX_FLOW_IDLE;
        flow->hooks->resumed(flow);
        break;
    case VMX_FLOW_ENDING:
        end(flow);
        break;
    case VMX_FLOW_IDLE:
        break;
    }
}

bool
vmx_flow_pause(vmx_flow *flow)
{
    flow->failures++;
    vmx_retry_case facts = {
        .policy = &flow->settings.retry,
        .attempts = flow->failures,
        .verdict = flow->verdict,
        .reply = &flow->reply,
        .idempotent = true,
        .timed_out = flow->idle,
        .was_connected = flow->ticket.was_connected,
        .transparent_used = flow->transparent_used,
        .budget_allows = flow->reply.reach == VMX_REACH_NONE || vmx_budget_allows(&flow->caller->budget),
        .now_us = now_of(flow),
        .deadline_us = flow->settings.deadline_us,
        .last_pause_us = flow->pause_us,
    };
    vmx_retry_choice choice = vmx_retry_choose(&facts, &flow->random);
    if (flow->cancelled || choice.stop != VMX_STOP_NONE)
        return false;
    if (choice.why == VMX_ATTEMPT_TRANSPARENT)
        flow->transparent_used = true;
    flow->pause_us = choice.pause_us;
    flow->phase = VMX_FLOW_PAUSED;
    set_timer(flow, now_of(flow) + choice.pause_us);
    return true;
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

void
vmx_flow_init(vmx_flow *flow, vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              int64_t idle_timeout_ms, const vmx_flow_hooks *hooks)
{
    flow->caller = caller;
    flow->op = op;
    flow->loop = loop;
    flow->settings = *settings;
    flow->idle_timeout_ms = idle_timeout_ms;
    flow->hooks = hooks;
    flow->waiter.granted = on_granted;
    flow->timer.fire = on_timer;
    flow->granted_task.run = run_granted;
    flow->sent_task.run = run_sent;
    flow->message_task.run = run_message;
    flow->ended_task.run = run_ended;
    flow->timer_task.run = run_timer;
    vmx_random_seed(&flow->random, atomic_fetch_add_explicit(&caller->next_seed, 1, memory_order_relaxed));
}

void
vmx_flow_send(vmx_flow *flow, const vmx_message *message, bool last)
{
    if (flow->phase == VMX_FLOW_OPEN)
        transport_of(flow)->send(flow->stream, message, last);
}

void
vmx_flow_recv(vmx_flow *flow)
{
    if (flow->phase == VMX_FLOW_OPEN)
        transport_of(flow)->recv(flow->stream);
}

void
vmx_flow_moved(vmx_flow *flow)
{
    flow->failures = 0;
    flow->pause_us = 0;
    flow->transparent_used = false;
}

void
vmx_flow_touch(vmx_flow *flow)
{
    flow->moved_us = now_of(flow);
}

void
vmx_flow_cancel(vmx_flow *flow)
{
    if (flow->phase == VMX_FLOW_IDLE || flow->cancelled)
        return;
    flow->cancelled = true;
    if (flow->phase == VMX_FLOW_OPEN) {
        transport_of(flow)->cancel(flow->stream);
    } else if (flow->phase == VMX_FLOW_IN_LINE) {
        end_with(flow, VMX_GRPC_CANCELLED, "cancelled");
    } else if (flow->phase == VMX_FLOW_PAUSED) {
        flow->due_us = 0;
        if (drop_timer(flow)) {
            flow->phase = VMX_FLOW_IDLE;
            flow->hooks->resumed(flow);
        }
    }
}

void
vmx_flow_failure(const vmx_flow *flow, const char *what, vmx_error *error)
{
    const vmx_reply *reply = &flow->reply;
    bool cut_short = reply->grpc_code == VMX_GRPC_OK; /* an owner that fails has not had all of it */
    vmx_str text = cut_short             ? VMX_STR("the stream ended too soon")
                   : reply->text.len > 0 ? reply->text
                                         : VMX_STR("no reason given");
    bool refused = flow->verdict == VMX_VERDICT_FINAL || flow->verdict == VMX_VERDICT_HOPELESS;
    vmx_status code = cut_short ? VMX_ERR_PROTOCOL : vmx_status_of_grpc(reply->grpc_code);
    vmx_error_set(error, code, "%s at %s: %s%s%s: %.*s", flow->op->name, flow->caller->endpoint, what,
                  what[0] != '\0' ? ": " : "", vmx_grpc_code_name(reply->grpc_code),
                  (int)(text.len < 300 ? text.len : 300), text.ptr);
    error->grpc_code = reply->grpc_code;
    error->retriable = !refused;
    error->attempts = flow->failures;
    error->outcome = VMX_OUTCOME_UNKNOWN;
    snprintf(error->peer, sizeof error->peer, "%.*s", (int)reply->peer.len, reply->peer.ptr);
}

void
vmx_flow_clear(vmx_flow *flow)
{
    vmx_arena_reset(&flow->arena);
    vmx_message_clear(&flow->incoming);
}
