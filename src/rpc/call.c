#include "rpc/call.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "rpc/failure.h"
#include "rpc/retry.h"

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

static void
start_attempt(vmx_call *call, vmx_pool_slot *slot);

static const vmx_transport_vtable *
transport_of(const vmx_call *call)
{
    return call->caller->transport->vtable;
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static void
finish(vmx_call *call)
{
    call->phase = VMX_CALL_IDLE;
    vmx_message_clear(&call->request.message);
    call->done(call);
}

static void
set_timer(vmx_call *call, uint64_t due_us)
{
    call->timed = true;
    transport_of(call)->timer_set(call->loop, &call->timer, due_us);
}

/* Takes the timer back; false when it is firing, and its task will come. */
static bool
drop_timer(vmx_call *call)
{
    if (call->timed && transport_of(call)->timer_cancel(call->loop, &call->timer))
        call->timed = false;
    return !call->timed;
}

/* Leaves the line; false when a channel has been granted, and the task will come. */
static bool
leave_line(vmx_call *call)
{
    if (call->in_line && vmx_pool_abandon(call->caller->pool, &call->waiter))
        call->in_line = false;
    return !call->in_line;
}

/* The error stands: finishes as soon as nothing of the call is on its way any more. */
static void
end(vmx_call *call)
{
    call->phase = VMX_CALL_ENDING;
    bool timer_idle = drop_timer(call);
    if (leave_line(call) && timer_idle)
        finish(call);
}

/* --- in line ------------------------------------------------------------------------------------------------------- */

static void
get_channel(vmx_call *call)
{
    call->phase = VMX_CALL_IN_LINE;
    call->waiter.fail_fast = !call->settings.wait_for_ready;
    vmx_pool_slot *slot = vmx_pool_acquire(call->caller->pool, &call->waiter);
    if (slot != NULL) {
        start_attempt(call, slot);
        return;
    }
    call->in_line = true;
    if (call->settings.deadline_us != VMX_NEVER)
        set_timer(call, call->settings.deadline_us);
}

static void
on_granted(vmx_pool_waiter *waiter, vmx_pool_slot *slot)
{
    vmx_call *call = OWNER(vmx_call, waiter, waiter);
    call->slot = slot;
    vmx_op_submit(call->op, &call->granted_task);
}

static void
run_granted(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, granted_task, task);
    call->in_line = false;
    bool ending = call->phase == VMX_CALL_ENDING;
    if (!ending && drop_timer(call)) {
        start_attempt(call, call->slot);
        return;
    }
    vmx_pool_release(call->caller->pool, call->slot);
    if (!ending)
        vmx_failure_in_line(call); /* granted too late: the deadline is firing */
    end(call);
}

/* --- an attempt ---------------------------------------------------------------------------------------------------- */

/* Copies what is borrowed, so that the strand may take it up later. False when memory is out. */
static bool
keep_reply(vmx_call *call, const vmx_reply *reply)
{
    vmx_arena *arena = &call->reply_arena;
    vmx_arena_reset(arena);
    vmx_header *headers = vmx_arena_calloc(arena, reply->header_count + 1, sizeof *headers);
    bool kept = headers != NULL;
    for (size_t i = 0; kept && i < reply->header_count; i++) {
        headers[i].key = vmx_arena_str(arena, reply->headers[i].key);
        headers[i].value = vmx_arena_str(arena, reply->headers[i].value);
        kept = headers[i].key.ptr != NULL && headers[i].value.ptr != NULL;
    }
    call->reply = *reply;
    call->reply.headers = kept ? headers : NULL;
    call->reply.header_count = kept ? reply->header_count : 0;
    call->reply.initial_count = kept ? reply->initial_count : 0;
    call->reply.text = vmx_arena_str(arena, reply->text);
    call->reply.peer = vmx_arena_str(arena, reply->peer);
    return kept && call->reply.text.ptr != NULL && call->reply.peer.ptr != NULL;
}

static void
on_stream_event(void *user, const vmx_stream_event *event)
{
    vmx_call *call = user;
    if (event->kind != VMX_STREAM_END)
        return;
    if (!keep_reply(call, event->reply))
        call->reply.grpc_code = -1, call->reply.reach = VMX_REACH_UNKNOWN; /* memory is out: run_ended says so */
    if (event->message != NULL)
        vmx_message_move(&call->message, event->message);
    vmx_op_submit(call->op, &call->ended_task);
}

/* An attempt that could not even be started, for want of memory. */
static void
fail_no_memory(vmx_call *call)
{
    vmx_failure_no_memory(call);
    call->phase = VMX_CALL_ENDING;
    call->timed = true; /* `done` never comes inside start: by way of the loop */
    transport_of(call)->post(call->loop, &call->timer_task);
}

static void
start_attempt(vmx_call *call, vmx_pool_slot *slot)
{
    vmx_stream_options options = {
        .channel = vmx_pool_channel(slot),
        .method = call->request.method,
        .deadline_us = call->settings.deadline_us,
        .wait_for_ready = false,
        .headers = call->settings.headers,
        .header_count = call->settings.header_count,
        .request = &call->request.message,
        .on_event = on_stream_event,
        .user = call,
    };
    call->phase = VMX_CALL_ATTEMPT;
    call->slot = slot;
    call->stream = transport_of(call)->start(call->loop, &options);
    if (call->stream == NULL) {
        vmx_pool_release(call->caller->pool, slot);
        fail_no_memory(call);
        return;
    }
    call->attempts++;
    if (call->cancelled)
        transport_of(call)->cancel(call->stream);
}

/* Pauses before the next attempt; false when the deadline comes first. */
static bool
pause_until_next(vmx_call *call, uint32_t attempt)
{
    uint64_t now_us = transport_of(call)->now(call->caller->transport);
    uint64_t due_us = now_us + vmx_retry_backoff_us(&call->settings.retry, attempt, &call->random);
    if (due_us >= call->settings.deadline_us)
        return false;
    call->phase = VMX_CALL_BACKOFF;
    set_timer(call, due_us);
    return true;
}

static bool
retry(vmx_call *call)
{
    return call->attempts < call->settings.retry.max_attempts && pause_until_next(call, call->attempts);
}

/* The server never saw the attempt because there was no connection. */
static bool
was_not_connected(const vmx_call *call)
{
    return call->reply.grpc_code == VMX_GRPC_UNAVAILABLE && call->reply.reach == VMX_REACH_NONE;
}

static void
judge(vmx_call *call)
{
    vmx_verdict verdict = call->caller->classify(&call->reply);
    if (verdict == VMX_VERDICT_OK) {
        vmx_error_clear(call->error);
        call->error->grpc_code = VMX_GRPC_OK;
        call->error->attempts = call->attempts;
        call->error->outcome = VMX_OUTCOME_DONE;
        finish(call);
        return;
    }
    vmx_message_clear(&call->message);
    bool repeatable = call->request.idempotent || call->reply.reach == VMX_REACH_NONE;
    if (verdict == VMX_VERDICT_RETRIABLE && repeatable && retry(call))
        return;
    vmx_failure_of_reply(call, verdict == VMX_VERDICT_RETRIABLE);
    finish(call);
}

/* A call that waits for a connection was sent to a failing channel to learn the reason: no attempt of the user's. */
static void
back_in_line(vmx_call *call)
{
    call->attempts--;
    if (!pause_until_next(call, 1))
        get_channel(call);
}

static void
run_ended(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, ended_task, task);
    transport_of(call)->close(call->stream);
    call->stream = NULL;
    bool not_connected = was_not_connected(call);
    if (not_connected)
        vmx_pool_note_failure(call->caller->pool, call->reply.text);
    if (call->reply.reach == VMX_REACH_UNKNOWN || (call->cancelled && call->reply.grpc_code == VMX_GRPC_OK))
        call->maybe_sent = true;
    vmx_pool_release(call->caller->pool, call->slot);
    if (call->cancelled) {
        vmx_failure_cancelled(call);
        finish(call);
    } else if (call->reply.grpc_code < 0) {
        vmx_failure_no_memory(call);
        finish(call);
    } else if (not_connected && call->settings.wait_for_ready) {
        back_in_line(call);
    } else {
        judge(call);
    }
}

/* --- timers -------------------------------------------------------------------------------------------------------- */

static void
on_timer(vmx_timer *timer)
{
    vmx_call *call = OWNER(vmx_call, timer, timer);
    vmx_op_submit(call->op, &call->timer_task);
}

static void
run_timer(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, timer_task, task);
    call->timed = false;
    if (call->phase == VMX_CALL_BACKOFF) {
        get_channel(call);
        return;
    }
    if (call->phase == VMX_CALL_IN_LINE)
        vmx_failure_in_line(call);
    end(call);
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

void
vmx_call_init(vmx_call *call, const vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              vmx_error *error, void (*done)(vmx_call *call))
{
    call->caller = caller;
    call->op = op;
    call->loop = loop;
    call->settings = *settings;
    call->error = error;
    call->done = done;
    call->waiter.granted = on_granted;
    call->timer.fire = on_timer;
    call->granted_task.run = run_granted;
    call->ended_task.run = run_ended;
    call->timer_task.run = run_timer;
    vmx_random_seed(&call->random, caller->random_seed ^ (uint64_t)(uintptr_t)call);
}

void
vmx_call_start(vmx_call *call, vmx_request *request)
{
    vmx_call_clear(call);
    call->request.method = request->method;
    call->request.writes = request->writes;
    call->request.idempotent = request->idempotent;
    vmx_message_move(&call->request.message, &request->message);
    call->attempts = 0;
    call->maybe_sent = false;
    get_channel(call);
}

void
vmx_call_cancel(vmx_call *call)
{
    call->cancelled = true;
    if (call->phase == VMX_CALL_ATTEMPT) {
        transport_of(call)->cancel(call->stream);
        return;
    }
    if (call->phase == VMX_CALL_IN_LINE || call->phase == VMX_CALL_BACKOFF) {
        vmx_failure_cancelled(call);
        end(call);
    }
}

void
vmx_call_clear(vmx_call *call)
{
    vmx_message_clear(&call->request.message);
    vmx_message_clear(&call->message);
    vmx_arena_reset(&call->reply_arena);
}
