#include "rpc/report.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint64_t
now_of(const vmx_call *call)
{
    return call->caller->transport->vtable->now(call->caller->transport);
}

/* --- words --------------------------------------------------------------------------------------------------------- */

static const char *
why_name(vmx_attempt_why why)
{
    static const char *const names[] = {"first", "retry", "timed_out", "transparent", "pushback", "hedge"};
    return names[why];
}

static const char *
stop_name(vmx_stop stop)
{
    static const char *const names[] = {"none", "final", "unsafe", "attempts", "deadline", "budget", "server"};
    return names[stop];
}

static const char *
outcome_name(vmx_outcome outcome)
{
    static const char *const names[] = {"not_sent", "rejected", "unknown", "done"};
    return names[outcome];
}

/* What a server says in its own words may repeat a request's metadata: only the transport's are kept. */
static vmx_str
reason_of(const vmx_attempt *attempt)
{
    return attempt->reply.reach != VMX_REACH_SERVER ? attempt->reply.text : vmx_str_from("the server's answer");
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

void
vmx_report_retry(const vmx_call *call, const vmx_attempt *attempt, const vmx_retry_choice *choice)
{
    if (!vmx_log_wants(call->caller->log, VMX_LOG_EVENT_RETRY))
        return;
    const vmx_log_field fields[] = {
        vmx_log_text("op", call->op->name),
        vmx_log_integer("attempt", (int64_t)call->records.count),
        vmx_log_text("code", vmx_grpc_code_name(attempt->reply.grpc_code)),
        vmx_log_integer("pause_ms", (int64_t)(choice->pause_us / 1000)),
        vmx_log_text("why", why_name(choice->why)),
        vmx_log_str("peer", attempt->reply.peer),
        vmx_log_str("reason", reason_of(attempt)),
    };
    vmx_log_write(call->caller->log, VMX_LOG_EVENT_RETRY, fields, COUNT(fields));
}

void
vmx_report_pushback(const vmx_call *call, const vmx_attempt *attempt)
{
    if (!vmx_log_wants(call->caller->log, VMX_LOG_EVENT_PUSHBACK))
        return;
    vmx_pushback pushback = vmx_pushback_read(&attempt->reply);
    if (!pushback.given)
        return;
    const vmx_log_field fields[] = {
        vmx_log_text("op", call->op->name),       vmx_log_text("code", vmx_grpc_code_name(attempt->reply.grpc_code)),
        vmx_log_bool("stop", pushback.stop),      vmx_log_integer("wait_ms", pushback.wait_ms),
        vmx_log_str("peer", attempt->reply.peer),
    };
    vmx_log_write(call->caller->log, VMX_LOG_EVENT_PUSHBACK, fields, COUNT(fields));
}

/* The caller's business rather than the operator's: the server works, and answers that this request cannot be. */
static bool
is_refusal(const vmx_call *call, const vmx_attempt *attempt)
{
    static const unsigned codes = 1u << VMX_GRPC_INVALID_ARGUMENT | 1u << VMX_GRPC_NOT_FOUND |
                                  1u << VMX_GRPC_ALREADY_EXISTS | 1u << VMX_GRPC_FAILED_PRECONDITION |
                                  1u << VMX_GRPC_OUT_OF_RANGE;
    return attempt != NULL && call->stop == VMX_STOP_FINAL && attempt->reply.reach == VMX_REACH_SERVER &&
           (codes >> attempt->reply.grpc_code & 1) != 0;
}

/* Why there was no further attempt. */
static const char *
end_name(const vmx_call *call)
{
    if (call->error->code == VMX_ERR_NO_MEMORY)
        return "no_memory";
    return call->stop != VMX_STOP_NONE ? stop_name(call->stop) : stop_name(VMX_STOP_DEADLINE);
}

void
vmx_report_failure(const vmx_call *call, const vmx_attempt *attempt)
{
    vmx_log *log = call->caller->log;
    vmx_log_event event = is_refusal(call, attempt) ? VMX_LOG_EVENT_CALL_REFUSED : VMX_LOG_EVENT_CALL_FAILED;
    if (!vmx_log_wants(log, event))
        return;
    int grpc_code = call->error->grpc_code;
    const vmx_log_field fields[] = {
        vmx_log_text("op", call->op->name),
        vmx_log_text("status", vmx_status_name(call->error->code)),
        vmx_log_text("code", grpc_code > 0 ? vmx_grpc_code_name(grpc_code) : "none"),
        vmx_log_integer("attempts", call->error->attempts),
        vmx_log_text("stop", end_name(call)),
        vmx_log_text("outcome", outcome_name(call->error->outcome)),
        vmx_log_integer("elapsed_ms", (int64_t)((now_of(call) - call->records.origin_us) / 1000)),
        vmx_log_text("peer", call->error->peer),
        vmx_log_str("reason", attempt != NULL ? reason_of(attempt) : vmx_str_from("")),
    };
    vmx_log_write(log, event, fields, COUNT(fields) - (attempt == NULL));
}

void
vmx_report_budget(vmx_caller *caller, vmx_budget_change change)
{
    if (change == VMX_BUDGET_AS_BEFORE || caller->log == NULL)
        return;
    const vmx_budget *budget = &caller->budget;
    int64_t milli_tokens = atomic_load_explicit(&budget->milli_tokens, memory_order_relaxed);
    const vmx_log_field fields[] = {
        vmx_log_number("tokens", (double)milli_tokens / 1000),
        vmx_log_integer("max_tokens", budget->max_milli_tokens / 1000),
    };
    bool emptied = change == VMX_BUDGET_EMPTIED;
    vmx_log_write(caller->log, emptied ? VMX_LOG_EVENT_BUDGET_EMPTY : VMX_LOG_EVENT_BUDGET_REFILLED, fields,
                  COUNT(fields));
}

void
vmx_report_hedge_sent(const vmx_call *call, const vmx_attempt *hedge, uint64_t delay_us)
{
    if (!vmx_log_wants(call->caller->log, VMX_LOG_EVENT_HEDGE_SENT))
        return;
    const vmx_log_field fields[] = {
        vmx_log_text("op", call->op->name),
        vmx_log_number("delay_ms", (double)delay_us / 1000),
        vmx_log_integer("channel", (int64_t)hedge->ticket.link->place),
    };
    vmx_log_write(call->caller->log, VMX_LOG_EVENT_HEDGE_SENT, fields, COUNT(fields));
}

void
vmx_report_hedge_won(const vmx_call *call, const vmx_attempt *hedge)
{
    if (!vmx_log_wants(call->caller->log, VMX_LOG_EVENT_HEDGE_WON))
        return;
    const vmx_log_field fields[] = {
        vmx_log_text("op", call->op->name),
        vmx_log_number("answered_ms", (double)(now_of(call) - hedge->started_us) / 1000),
        vmx_log_str("peer", hedge->reply.peer),
    };
    vmx_log_write(call->caller->log, VMX_LOG_EVENT_HEDGE_WON, fields, COUNT(fields));
}

/* --- connections --------------------------------------------------------------------------------------------------- */

static void
report_channel(const vmx_pool *pool, vmx_log_event event, const vmx_state_change *change)
{
    const vmx_log_field fields[] = {
        vmx_log_integer("channel", (int64_t)(pool->options.first_channel + change->place)),
        vmx_log_text("target", change->target),
        vmx_log_integer("reconnects", change->times_ready > 0 ? (int64_t)change->times_ready - 1 : 0),
    };
    vmx_log_write(pool->options.log, event, fields, COUNT(fields));
}

void
vmx_report_state(const vmx_pool *pool, const vmx_state_change *change)
{
    if (pool->options.log == NULL)
        return;
    if (change->from == VMX_CHANNEL_READY && change->to != VMX_CHANNEL_READY)
        report_channel(pool, VMX_LOG_EVENT_CHANNEL_LOST, change);
    if (change->to == VMX_CHANNEL_CONNECTING)
        report_channel(pool, VMX_LOG_EVENT_CHANNEL_CONNECTING, change);
    if (change->to == VMX_CHANNEL_READY)
        report_channel(pool, VMX_LOG_EVENT_CHANNEL_READY, change);
    if (change->to == VMX_CHANNEL_FAILING && !change->failed_before)
        report_channel(pool, VMX_LOG_EVENT_CHANNEL_FAILING, change);
    if (change->replaced)
        report_channel(pool, VMX_LOG_EVENT_CHANNEL_REPLACED, change);
}

static void
report_ejection(const vmx_pool *pool, const vmx_release_news *news)
{
    const vmx_log_field fields[] = {
        vmx_log_integer("channel", (int64_t)(pool->options.first_channel + news->place)),
        vmx_log_integer("pause_ms", news->pause_ms),
        vmx_log_integer("failures_in_row", news->failures_in_row),
        vmx_log_integer("failures", news->failures),
        vmx_log_integer("calls", news->calls),
    };
    vmx_log_write(pool->options.log, VMX_LOG_EVENT_CHANNEL_EJECTED, fields, COUNT(fields));
}

void
vmx_report_release(const vmx_pool *pool, const vmx_release_news *news)
{
    if (pool->options.log == NULL)
        return;
    const vmx_log_field channel = vmx_log_integer("channel", (int64_t)(pool->options.first_channel + news->place));
    if (news->ejected)
        report_ejection(pool, news);
    if (news->returned)
        vmx_log_write(pool->options.log, VMX_LOG_EVENT_CHANNEL_RETURNED, &channel, 1);
    bool lowered = news->limit != 0 && (news->old_limit == 0 || news->limit < news->old_limit);
    const vmx_log_field limit = vmx_log_number("limit", news->limit);
    if (lowered)
        vmx_log_write(pool->options.log, VMX_LOG_EVENT_LIMIT_LOWERED, &limit, 1);
}

void
vmx_report_connect_failure(const vmx_pool *pool, vmx_str reason)
{
    const vmx_log_field field = vmx_log_str("reason", reason);
    if (pool->options.log != NULL)
        vmx_log_write(pool->options.log, VMX_LOG_EVENT_CONNECT_FAILED, &field, 1);
}
