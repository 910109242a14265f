#include "core/error.h"
#include "core/sync.h"
#include "rpc/attempt.h"
#include "rpc/call_private.h"
#include "rpc/failure.h"
#include "rpc/report.h"

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* --- what is learned from it --------------------------------------------------------------------------------------- */

/* Any attempt but the one that makes its call a success. */
static void
count_attempt(const vmx_attempt *attempt)
{
    vmx_meter_attempt_end end = vmx_attempt_figures(attempt);
    vmx_meter_attempt(attempt->call->caller->meter, attempt->call->op->name, &end);
}

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
    vmx_latency_note(&call->caller->reads, vmx_call_now(call) - from_us);
}

/* --- what the call does next --------------------------------------------------------------------------------------- */

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
        if (vmx_pace_take(&call->caller->cancels, vmx_call_now(call)))
            vmx_call_transport(call)->cancel(attempt->stream);
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
    vmx_call_end(call);
}

static void
back_off(vmx_call *call, uint64_t pause_us)
{
    call->phase = VMX_CALL_BACKOFF;
    call->pause_us = pause_us;
    vmx_call_set_timer(call, vmx_call_now(call) + pause_us);
}

/* A call that waits for a connection was sent to a failing channel to learn the reason: no attempt of the user's. */
static void
back_in_line(vmx_call *call)
{
    call->started--;
    call->records.count--;
    uint64_t now_us = vmx_call_now(call);
    uint64_t due_us = vmx_deadline_us(now_us, call->settings.retry.initial_backoff_ms);
    if (due_us < call->settings.deadline_us)
        back_off(call, due_us - now_us);
    else
        vmx_call_get_channel(call, now_us);
}

/* Few calls need it. */
static vmx_random *
random_of(vmx_call *call)
{
    if (!call->seeded)
        vmx_random_seed(&call->random, atomic_fetch_add_explicit(&call->caller->next_seed, 1, memory_order_relaxed));
    call->seeded = true;
    return &call->random;
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
        .now_us = vmx_call_now(call),
        .deadline_us = call->settings.deadline_us,
        .last_pause_us = call->pause_us,
    };
    vmx_retry_choice choice = vmx_retry_choose(&facts, random_of(call));
    call->stop = choice.stop;
    call->why = choice.why;
    vmx_report_pushback(call, attempt);
    if (choice.stop != VMX_STOP_NONE) {
        vmx_failure_of_reply(call, verdict != VMX_VERDICT_FINAL && verdict != VMX_VERDICT_HOPELESS);
        vmx_call_end(call);
        return;
    }
    vmx_report_retry(call, attempt, &choice);
    if (choice.why == VMX_ATTEMPT_TRANSPARENT) {
        call->transparent_used = true;
        call->started--;
    }
    back_off(call, choice.pause_us);
}

/* --- the end of an attempt ----------------------------------------------------------------------------------------- */

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

void
vmx_judge_ended(vmx_task *task)
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
        vmx_call_end(call);
    } else if (call->cancelled) {
        vmx_failure_cancelled(call);
        vmx_call_end(call);
    } else if (attempt->reply.grpc_code < 0) {
        abandon_others(call);
        vmx_failure_no_memory(call);
        vmx_call_end(call);
    } else {
        judge(call, attempt, verdict);
    }
}
