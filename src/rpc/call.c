#include "rpc/call.h"

#include <string.h>

#include "core/error.h"
#include "core/sync.h"
#include "rpc/attempt.h"
#include "rpc/failure.h"
#include "rpc/report.h"

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

static void
start_attempt(vmx_call *call, vmx_ticket ticket);

static const vmx_transport_vtable *
transport_of(const vmx_call *call)
{
    return call->caller->transport->vtable;
}

static uint64_t
now_of(const vmx_call *call)
{
    return transport_of(call)->now(call->caller->transport);
}

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
        vmx_meter_call(meter, call->op->name, call->error->code, now_of(call) - call->records.origin_us);
    }
}

/* Any attempt but the one that makes its call a success. */
static void
count_attempt(const vmx_attempt *attempt)
{
    vmx_meter_attempt_end end = vmx_attempt_figures(attempt);
    vmx_meter_attempt(attempt->call->caller->meter, attempt->call->op->name, &end);
}

static void
finish(vmx_call *call)
{
    call->phase = VMX_CALL_IDLE;
    count_end(call);
    vmx_message_clear(&call->request.message);
    call->done(call);
}

/* Arms the timer; one whose task is on its way is armed again when that comes. */
static void
set_timer(vmx_call *call, uint64_t due_us)
{
    call->due_us = due_us;
    if (call->timed && !transport_of(call)->timer_cancel(call->loop, &call->timer))
        return;
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
    set_timer(call, now_of(call));
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

/* --- in line ------------------------------------------------------------------------------------------------------- */

static void
get_channel(vmx_call *call)
{
    if (now_of(call) >= call->settings.deadline_us) {
        fail_late(call);
        return;
    }
    call->phase = VMX_CALL_IN_LINE;
    call->waiter.fail_fast = !call->settings.wait_for_ready;
    vmx_ticket ticket = vmx_pool_acquire(call->caller->pool, &call->waiter);
    if (ticket.link != NULL) {
        start_attempt(call, ticket);
        return;
    }
    call->in_line = true;
    if (call->settings.deadline_us != VMX_NEVER)
        set_timer(call, call->settings.deadline_us);
}

static void
on_granted(vmx_pool_waiter *waiter, vmx_ticket ticket)
{
    vmx_call *call = OWNER(vmx_call, waiter, waiter);
    call->granted = ticket;
    vmx_op_submit(call->op, &call->granted_task);
}

/* A ticket that is given back unused. */
static void
return_ticket(vmx_call *call, vmx_ticket ticket)
{
    vmx_pool_release(call->caller->pool, ticket, (vmx_ticket_report){.load = VMX_GATE_NEITHER});
}

static void
run_granted(vmx_task *task)
{
    vmx_call *call = OWNER(vmx_call, granted_task, task);
    call->in_line = false;
    if (call->phase == VMX_CALL_ENDING) {
        return_ticket(call, call->granted);
        end(call);
    } else if (now_of(call) >= call->settings.deadline_us) {
        return_ticket(call, call->granted);
        fail_late(call);
    } else {
        drop_timer(call); /* or else its task finds another phase */
        start_attempt(call, call->granted);
    }
}

/* --- judging ------------------------------------------------------------------------------------------------------- */

static bool
is_connect_failure(const vmx_attempt *attempt)
{
    return attempt->reply.grpc_code == VMX_GRPC_UNAVAILABLE && attempt->reply.reach == VMX_REACH_NONE &&
           !attempt->ticket.was_connected;
}

/* Successes refill the retry budget, failures that call for a retry take from it (gRFC A6) if they are the server's: what
 * never reached it is no burden to it, and a connection that breaks is one event, however many calls it carried. */
static void
note_budget(vmx_call *call, const vmx_attempt *attempt, vmx_verdict verdict)
{
    const vmx_reply *reply = &attempt->reply;
    bool retriable =
        reply->reach == VMX_REACH_SERVER && vmx_retry_may_help(&call->settings.retry, verdict, reply->grpc_code);
    vmx_budget_change change = VMX_BUDGET_AS_BEFORE;
    if (verdict == VMX_VERDICT_OK)
        change = vmx_budget_success(&call->caller->budget);
    else if (retriable || vmx_attempt_timed_out(attempt) || vmx_pushback_read(reply).stop)
        change = vmx_budget_failure(&call->caller->budget);
    vmx_report_budget(call->caller, change);
}

/* Since the start of the attempt, or of the one that it hedged: that one took at least as long. */
static void
note_latency(vmx_call *call, const vmx_attempt *attempt)
{
    if (call->request.writes || call->settings.retry.hedge_delay_ms != VMX_HEDGE_P95)
        return;
    uint64_t from_us = attempt->started_us;
    for (size_t i = 0; i < 2; i++) {
        const vmx_attempt *other = &call->attempts[i];
        if (other->stream != NULL && !other->abandoned && other->started_us < from_us)
            from_us = other->started_us;
    }
    vmx_latency_note(&call->caller->reads, now_of(call) - from_us);
}

/* Gives up attempts that are still under way; cancels them if so many cancellations are still allowed. */
static void
abandon_others(vmx_call *call)
{
    for (size_t i = 0; i < 2; i++) {
        vmx_attempt *attempt = &call->attempts[i];
        if (attempt->stream == NULL || attempt->abandoned)
            continue;
        attempt->abandoned = true;
        call->live--;
        vmx_op_acquire(call->op);
        if (vmx_pace_take(&call->caller->cancels, now_of(call)))
            transport_of(call)->cancel(attempt->stream);
    }
}

static void
succeed(vmx_call *call, const vmx_attempt *attempt)
{
    note_latency(call, attempt);
    if (attempt->hedge && call->live > 0)
        vmx_report_hedge_won(call, attempt);
    abandon_others(call);
    vmx_error_clear(call->error);
    call->error->grpc_code = VMX_GRPC_OK;
    call->error->attempts = (uint32_t)call->records.count;
    call->error->outcome = VMX_OUTCOME_DONE;
    end(call);
}

static void
back_off(vmx_call *call, uint64_t pause_us)
{
    call->phase = VMX_CALL_BACKOFF;
    call->pause_us = pause_us;
    set_timer(call, now_of(call) + pause_us);
}

/* A call that waits for a connection was sent to a failing channel to learn the reason: no attempt of the user's. */
static void
back_in_line(vmx_call *call)
{
    call->started--;
    call->records.count--;
    uint64_t due_us = now_of(call) + (uint64_t)call->settings.retry.initial_backoff_ms * 1000;
    if (due_us < call->settings.deadline_us)
        back_off(call, (uint64_t)call->settings.retry.initial_backoff_ms * 1000);
    else
        get_channel(call);
}

static void
fail(vmx_call *call, const vmx_attempt *attempt, vmx_verdict verdict)
{
    vmx_retry_case facts = {
        .policy = &call->settings.retry,
        .attempts = call->started,
        .verdict = verdict,
        .reply = &attempt->reply,
        .idempotent =
            call->settings.retry.idempotent != 0 ? call->settings.retry.idempotent > 0 : call->request.idempotent,
        .timed_out = vmx_attempt_timed_out(attempt),
        .was_connected = attempt->ticket.was_connected,
        .transparent_used = call->transparent_used,
        .budget_allows = attempt->reply.reach == VMX_REACH_NONE || vmx_budget_allows(&call->caller->budget),
        .now_us = now_of(call),
        .deadline_us = call->settings.deadline_us,
        .last_pause_us = call->pause_us,
    };
    vmx_retry_choice choice = vmx_retry_choose(&facts, &call->random);
    call->stop = choice.stop;
    call->why = choice.why;
    vmx_report_pushback(call, attempt);
    if (choice.stop != VMX_STOP_NONE) {
        vmx_failure_of_reply(call, verdict != VMX_VERDICT_FINAL && verdict != VMX_VERDICT_HOPELESS);
        end(call);
        return;
    }
    vmx_report_retry(call, attempt, &choice);
    if (choice.why == VMX_ATTEMPT_TRANSPARENT) {
        call->transparent_used = true;
        call->started--;
    }
    back_off(call, choice.pause_us);
}

/* --- an attempt ---------------------------------------------------------------------------------------------------- */

/* The end of one that nobody waits for. */
static void
drop_abandoned(vmx_attempt *attempt, vmx_verdict verdict)
{
    vmx_call *call = attempt->call;
    count_attempt(attempt);
    vmx_pool_release(call->caller->pool, attempt->ticket, vmx_attempt_report(attempt, verdict));
    vmx_attempt_clear(attempt);
    vmx_op_release(call->op);
}

static void
judge(vmx_call *call, vmx_attempt *attempt, vmx_verdict verdict)
{
    if (verdict == VMX_VERDICT_OK) {
        succeed(call, attempt);
        return;
    }
    vmx_message_clear(&attempt->message);
    if (call->live > 0)
        return; /* the other attempt may still succeed */
    bool lasts = is_connect_failure(attempt) && vmx_failure_lasts(&attempt->reply);
    if (is_connect_failure(attempt) && call->settings.wait_for_ready && !lasts)
        back_in_line(call);
    else
        fail(call, attempt, lasts ? VMX_VERDICT_HOPELESS : verdict);
}

static vmx_verdict
verdict_of(vmx_attempt *attempt)
{
    const vmx_call *call = attempt->call;
    vmx_verdict verdict = call->caller->classify(&attempt->reply);
    if (verdict != VMX_VERDICT_OK || call->request.judge == NULL)
        return verdict;
    return call->request.judge(&attempt->message, &attempt->reply, &attempt->arena);
}

static void
run_ended(vmx_task *task)
{
    vmx_attempt *attempt = OWNER(vmx_attempt, ended_task, task);
    vmx_call *call = attempt->call;
    vmx_verdict verdict = verdict_of(attempt);
    vmx_attempt_end(attempt);
    if (attempt->abandoned) {
        drop_abandoned(attempt, verdict);
        return;
    }
    call->live--;
    call->last = attempt;
    if (verdict != VMX_VERDICT_OK || call->phase == VMX_CALL_ENDING || call->cancelled)
        count_attempt(attempt);
    if (is_connect_failure(attempt))
        vmx_pool_note_failure(call->caller->pool, attempt->reply.text);
    if (vmx_reply_leaves_doubt(&attempt->reply) || (call->cancelled && verdict == VMX_VERDICT_OK))
        call->maybe_sent = true;
    note_budget(call, attempt, verdict);
    vmx_ticket_report report = vmx_attempt_report(attempt, verdict);
    call->waiter.avoid = report.counts && report.failed ? attempt->ticket.link : NULL;
    vmx_pool_release(call->caller->pool, attempt->ticket, report);
    if (call->phase == VMX_CALL_ENDING) {
        end(call);
    } else if (call->cancelled) {
        vmx_failure_cancelled(call);
        end(call);
    } else if (attempt->reply.grpc_code < 0) {
        abandon_others(call);
        vmx_failure_no_memory(call);
        end(call);
    } else {
        judge(call, attempt, verdict);
    }
}

/* How long the first attempt may take before a second is sent; 0: there is none. */
static uint64_t
hedge_delay_us(vmx_call *call)
{
    int64_t delay_ms = call->settings.retry.hedge_delay_ms;
    if (delay_ms == 0 || call->request.writes)
        return 0;
    return delay_ms > 0 ? (uint64_t)delay_ms * 1000 : vmx_latency_quantile(&call->caller->reads, 0.95);
}

static void
start_attempt(vmx_call *call, vmx_ticket ticket)
{
    vmx_attempt *attempt = vmx_attempt_free_one(call);
    if (!vmx_attempt_start(call, attempt, ticket, call->why, run_ended)) {
        return_ticket(call, ticket);
        vmx_failure_no_memory(call);
        end_soon(call);
        return;
    }
    call->phase = VMX_CALL_ATTEMPT;
    call->live++;
    call->started++;
    uint64_t delay_us = hedge_delay_us(call);
    uint64_t due_us = attempt->started_us + delay_us;
    if (delay_us > 0 && due_us < call->settings.deadline_us)
        set_timer(call, due_us);
}

/* The first attempt is slow: sends a second, if a channel is free and the retry budget allows. */
static void
start_hedge(vmx_call *call)
{
    vmx_attempt *first =
        call->attempts[0].stream != NULL && !call->attempts[0].abandoned ? &call->attempts[0] : &call->attempts[1];
    vmx_attempt *hedge = vmx_attempt_free_one(call);
    bool wanted = call->live == 1 && !call->cancelled && hedge_delay_us(call) > 0 && first->ticket.was_connected &&
                  now_of(call) < call->settings.deadline_us;
    if (!wanted || hedge == NULL || !vmx_budget_allows(&call->caller->budget))
        return;
    vmx_ticket ticket = vmx_pool_acquire_other(call->caller->pool, first->ticket.link);
    if (ticket.link == NULL)
        return;
    if (!vmx_attempt_start(call, hedge, ticket, VMX_ATTEMPT_HEDGE, run_ended)) {
        return_ticket(call, ticket);
        return;
    }
    call->live++;
    vmx_report_hedge_sent(call, hedge, now_of(call) - first->started_us);
    vmx_report_budget(call->caller, vmx_budget_failure(&call->caller->budget));
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
    call->timed = false;
    if (call->phase != VMX_CALL_ENDING && now_of(call) < call->due_us) {
        set_timer(call, call->due_us);
        return;
    }
    switch (call->phase) {
    case VMX_CALL_BACKOFF:
        get_channel(call);
        break;
    case VMX_CALL_ATTEMPT:
        start_hedge(call);
        break;
    case VMX_CALL_IN_LINE:
        vmx_failure_in_line(call);
        end(call);
        break;
    case VMX_CALL_ENDING:
        end(call);
        break;
    case VMX_CALL_IDLE:
        break;
    }
}

/* --- the face ------------------------------------------------------------------------------------------------------ */

void
vmx_call_init(vmx_call *call, vmx_caller *caller, vmx_op *op, vmx_loop *loop, const vmx_call_settings *settings,
              vmx_error *error, void (*done)(vmx_call *call))
{
    vmx_arena first = call->attempts[0].arena, second = call->attempts[1].arena;
    *call = (vmx_call){
        .caller = caller,
        .op = op,
        .loop = loop,
        .settings = *settings,
        .error = error,
        .done = done,
        .attempts = {{.arena = first}, {.arena = second}},
        .waiter.granted = on_granted,
        .timer.fire = on_timer,
        .granted_task.run = run_granted,
        .timer_task.run = run_timer,
    };
    vmx_random_seed(&call->random, atomic_fetch_add_explicit(&caller->next_seed, 1, memory_order_relaxed));
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
    call->records.origin_us = now_of(call);
    get_channel(call);
}

static void
cancel_attempts(vmx_call *call)
{
    for (size_t i = 0; i < 2; i++)
        if (call->attempts[i].stream != NULL && !call->attempts[i].abandoned)
            transport_of(call)->cancel(call->attempts[i].stream);
}

void
vmx_call_cancel(vmx_call *call)
{
    call->cancelled = true;
    if (call->phase == VMX_CALL_ATTEMPT) {
        cancel_attempts(call);
    } else if (call->phase == VMX_CALL_IN_LINE || call->phase == VMX_CALL_BACKOFF) {
        vmx_failure_cancelled(call);
        end(call);
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
