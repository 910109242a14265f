#include "rpc/call.h"

#include "core/sync.h"
#include "rpc/attempt.h"
#include "rpc/call_private.h"
#include "rpc/failure.h"
#include "rpc/report.h"

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* --- the end ------------------------------------------------------------------------------------------------------- */

/* A success ended with its attempt, whose time is known, and is counted with it. */
static void
count_end(const vmx_call *call)
{
    vmx_meter *meter = call->caller->meter;
    if (call->error->code == VMX_OK) {
        vmx_meter_attempt_end last = vmx_attempt_figures(call->last);
        vmx_meter_success(meter, call->op->name, call->last->ended_us - call->records.origin_us, &last);
    } else {
        vmx_meter_call(meter, call->op->name, call->error->code, vmx_call_now(call) - call->records.origin_us);
    }
}

static void
finish(vmx_call *call)
{
    call->phase = VMX_CALL_IDLE;
    count_end(call);
    vmx_message_clear(&call->request.message);
    call->done(call);
}

void
vmx_call_set_timer(vmx_call *call, uint64_t due_us)
{
    call->due_us = due_us;
    if (call->timed && !vmx_call_transport(call)->timer_cancel(call->loop, &call->timer))
        return;
    call->timed = true;
    vmx_call_transport(call)->timer_set(call->loop, &call->timer, due_us);
}

/* Takes the timer back; false when it is firing, and its task will come. */
static bool
drop_timer(vmx_call *call)
{
    if (call->timed && vmx_call_transport(call)->timer_cancel(call->loop, &call->timer))
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

void
vmx_call_end(vmx_call *call)
{
    call->phase = VMX_CALL_ENDING;
    call->due_us = 0;
    bool timer_idle = drop_timer(call);
    if (leave_line(call) && timer_idle && call->live == 0)
        finish(call);
}

/* Ends a call whose error stands by way of the timer: `done` never comes inside start. */
static void
end_soon(vmx_call *call)
{
    call->phase = VMX_CALL_ENDING;
    vmx_call_set_timer(call, vmx_call_now(call));
}

/* The time was over before the next attempt could begin, because this process was slow. */
static void
fail_late(vmx_call *call)
{
    call->stop = VMX_STOP_DEADLINE;
    if (call->last != NULL)
        vmx_failure_of_reply(call, true);
    else
        vmx_failure_in_line(call);
    end_soon(call);
}

/* --- an attempt ---------------------------------------------------------------------------------------------------- */

/* A ticket that is given back unused. */
static void
return_ticket(vmx_call *call, vmx_ticket ticket)
{
    vmx_pool_release(call->caller->pool, ticket, (vmx_ticket_report){.load = VMX_GATE_NEITHER});
}

/* How long the first attempt may take before a second is sent; 0: there is none. */
static uint64_t
hedge_delay_us(vmx_call *call)
{
    int64_t delay_ms = call->settings.retry.hedge_delay_ms;
    if (delay_ms == 0 || call->request.writes)
        return 0;
    return delay_ms > 0 ? vmx_deadline_us(0, delay_ms) : vmx_latency_quantile(&call->caller->reads, 0.95);
}

static void
start_attempt(vmx_call *call, vmx_ticket ticket, uint64_t now_us)
{
    vmx_attempt *attempt = vmx_attempt_free_one(call);
    if (!vmx_attempt_start(call, attempt, ticket, call->why, now_us, vmx_judge_ended)) {
        return_ticket(call, ticket);
        vmx_failure_no_memory(call);
        end_soon(call);
        return;
    }
    call->phase = VMX_CALL_ATTEMPT;
    call->live++;
    call->started++;
    uint64_t delay_us = hedge_delay_us(call);
    if (delay_us > 0 && delay_us < call->settings.deadline_us - attempt->started_us)
        vmx_call_set_timer(call, attempt->started_us + delay_us);
}

/* The first attempt is slow: sends a second, if a channel is free and the retry budget allows. */
static void
start_hedge(vmx_call *call)
{
    vmx_attempt *first =
        call->attempts[0].stream != NULL && !call->attempts[0].abandoned ? &call->attempts[0] : &call->attempts[1];
    vmx_attempt *hedge = vmx_attempt_free_one(call);
    uint64_t now_us = vmx_call_now(call);
    bool wanted = call->live == 1 && !call->cancelled && hedge_delay_us(call) > 0 && first->ticket.was_connected &&
                  now_us < call->settings.deadline_us;
    if (!wanted || hedge == NULL || !vmx_budget_allows(&call->caller->budget))
        return;
    vmx_ticket ticket = vmx_pool_acquire_other(call->caller->pool, first->ticket.link, now_us);
    if (ticket.link == NULL)
        return;
    if (!vmx_attempt_start(call, hedge, ticket, VMX_ATTEMPT_HEDGE, now_us, vmx_judge_ended)) {
        return_ticket(call, ticket);
        return;
    }
    call->live++;
    vmx_report_hedge_sent(call, hedge, now_us - first->started_us);
    vmx_report_budget(call->caller, vmx_budget_failure(&call->caller->budget));
}

/* --- in line ------------------------------------------------------------------------------------------------------- */

void
vmx_call_get_channel(vmx_call *call, uint64_t now_us)
{
    if (now_us >= call->settings.deadline_us) {
        fail_late(call);
        return;
    }
    call->phase = VMX_CALL_IN_LINE;
    call->waiter.fail_fast = !call->settings.wait_for_ready;
    vmx_ticket ticket = vmx_pool_acquire(call->caller->pool, &call->waiter, now_us);
    if (ticket.link != NULL) {
        start_attempt(call, ticket, now_us);
        return;
    }
    call->in_line = true;
    if (call->settings.deadline_us != VMX_NEVER)
        vmx_call_set_timer(call, call->settings.deadline_us);
}

static void
on_granted(vmx_pool_waiter *waiter, vmx_ticket ticket)
{
    vmx_call *call = OWNER(vmx_call, waiter, waiter);
    call->granted = ticket;
    vmx_op_submit(call->op, &call->granted_task);
}

static void
run_granted(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, granted_task, task);
    uint64_t now_us = vmx_call_now(call);
    call->in_line = false;
    if (call->phase == VMX_CALL_ENDING) {
        return_ticket(call, call->granted);
        vmx_call_end(call);
    } else if (now_us >= call->settings.deadline_us) {
        return_ticket(call, call->granted);
        fail_late(call);
    } else {
        drop_timer(call); /* or else its task finds another phase */
        start_attempt(call, call->granted, now_us);
    }
}

/* --- the timer ----------------------------------------------------------------------------------------------------- */

static void
on_timer(vmx_timer *timer)
{
    vmx_call *call = OWNER(vmx_call, timer, timer);
    vmx_op_submit(call->op, &call->timer_task);
}

/* What the timer was for may be over, and something else due later: then it is armed again. */
static void
run_timer(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, timer_task, task);
    uint64_t now_us = vmx_call_now(call);
    call->timed = false;
    if (call->phase != VMX_CALL_ENDING && now_us < call->due_us) {
        vmx_call_set_timer(call, call->due_us);
        return;
    }
    switch (call->phase) {
    case VMX_CALL_BACKOFF:
        vmx_call_get_channel(call, now_us);
        break;
    case VMX_CALL_ATTEMPT:
        start_hedge(call);
        break;
    case VMX_CALL_IN_LINE:
        vmx_failure_in_line(call);
        vmx_call_end(call);
        break;
    case VMX_CALL_ENDING:
        vmx_call_end(call);
        break;
    case VMX_CALL_IDLE:
        break;
    }
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

void
vmx_caller_set_transport(vmx_caller *caller, vmx_transport *transport)
{
    caller->transport = transport;
    caller->loop_count = transport->loop_count < VMX_MAX_LOOPS ? transport->loop_count : VMX_MAX_LOOPS;
    for (size_t i = 0; i < caller->loop_count; i++)
        caller->loops[i] = transport->loops[i];
}

/* What start sets, and an attempt's start, is left as it is: it would be a third of the work for a small call. */
void
vmx_call_init(vmx_call *call, vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              vmx_error *error, void (*done)(vmx_call *call))
{
    call->caller = caller;
    call->op = op;
    call->loop = loop;
    call->settings = *settings;
    call->error = error;
    call->done = done;
    call->phase = VMX_CALL_IDLE;
    call->last = NULL;
    call->live = 0;
    call->started = 0;
    call->cancelled = call->in_line = call->timed = call->seeded = false;
    call->waiter.queued = false;
    call->waiter.granted = on_granted;
    call->timer.fire = on_timer;
    call->timer.armed = false;
    call->granted_task.run = run_granted;
    call->timer_task.run = run_timer;
    call->records.items = NULL;
    call->records.count = 0;
    call->headers = NULL;
}

void
vmx_call_start(vmx_call *call, vmx_request *request)
{
    vmx_message_clear(&call->request.message);
    call->request.method = request->method;
    call->request.writes = request->writes;
    call->request.idempotent = request->idempotent;
    call->request.judge = request->judge;
    vmx_message_move(&call->request.message, &request->message);
    call->started = 0;
    call->why = VMX_ATTEMPT_FIRST;
    call->stop = VMX_STOP_NONE;
    call->maybe_sent = call->transparent_used = false;
    call->pause_us = 0;
    call->last = NULL;
    call->waiter.avoid = NULL;
    call->records.count = 0;
    call->records.origin_us = vmx_call_now(call);
    vmx_call_get_channel(call, call->records.origin_us);
}

static void
cancel_attempts(vmx_call *call)
{
    for (size_t i = 0; i < 2; i++)
        if (call->attempts[i].stream != NULL && !call->attempts[i].abandoned)
            vmx_call_transport(call)->cancel(call->attempts[i].stream);
}

void
vmx_call_cancel(vmx_call *call)
{
    call->cancelled = true;
    if (call->phase == VMX_CALL_ATTEMPT) {
        cancel_attempts(call);
    } else if (call->phase == VMX_CALL_IN_LINE || call->phase == VMX_CALL_BACKOFF) {
        vmx_failure_cancelled(call);
        vmx_call_end(call);
    }
}

void
vmx_call_clear(vmx_call *call)
{
    vmx_message_clear(&call->request.message);
    for (size_t i = 0; i < 2; i++)
        vmx_attempt_clear(&call->attempts[i]);
}

void
vmx_call_destroy(vmx_call *call)
{
    vmx_call_clear(call);
    for (size_t i = 0; i < 2; i++)
        vmx_arena_reset(&call->attempts[i].arena);
}

const vmx_reply *
vmx_call_reply(const vmx_call *call)
{
    static const vmx_reply nothing = {.grpc_code = -1, .text = {"", 0}, .peer = {"", 0}};
    return call->last != NULL ? &call->last->reply : &nothing;
}
