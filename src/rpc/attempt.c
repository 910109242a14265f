#include "rpc/attempt.h"

#include <stdio.h>
#include <string.h>

#include "core/sync.h"
#include "rpc/call_private.h"

/* --- the end ------------------------------------------------------------------------------------------------------- */

/* False when memory is out. */
static bool
keep_headers(vmx_arena *arena, const vmx_reply *reply, vmx_reply *kept)
{
    vmx_header *headers = vmx_arena_calloc(arena, reply->header_count + 1, sizeof *headers);
    if (headers == NULL)
        return false;
    kept->headers = headers;
    for (size_t i = 0; i < reply->header_count; i++) {
        headers[i].key = vmx_arena_str(arena, reply->headers[i].key);
        headers[i].value = vmx_arena_str(arena, reply->headers[i].value);
        if (headers[i].key.ptr == NULL || headers[i].value.ptr == NULL)
            return false;
    }
    return true;
}

void
vmx_reply_keep(vmx_arena *arena, const vmx_reply *reply, vmx_reply *kept)
{
    static const vmx_reply lost = {
        .grpc_code = -1, .reach = VMX_REACH_UNKNOWN, .text = {"out of memory", 13}, .peer = {"", 0}};
    *kept = *reply;
    kept->text = vmx_arena_str(arena, reply->text);
    kept->peer = vmx_arena_str(arena, reply->peer);
    if (!keep_headers(arena, reply, kept) || kept->text.ptr == NULL || kept->peer.ptr == NULL)
        *kept = lost;
}

static void
on_stream_event(void *user, const vmx_stream_event *event)
{
    vmx_attempt *attempt = user;
    if (event->kind == VMX_STREAM_SENT)
        attempt->call->settings.sent(attempt->call);
    if (event->kind != VMX_STREAM_END)
        return;
    vmx_reply_keep(&attempt->arena, event->reply, &attempt->reply);
    if (event->message != NULL)
        vmx_message_move(&attempt->message, event->message);
    vmx_op_submit(attempt->call->op, &attempt->ended_task);
}

bool
vmx_attempt_timed_out(const vmx_attempt *attempt)
{
    return attempt->reply.grpc_code == VMX_GRPC_DEADLINE_EXCEEDED && attempt->reply.reach != VMX_REACH_SERVER &&
           attempt->deadline_us < attempt->call->settings.deadline_us;
}

void
vmx_attempt_clear(vmx_attempt *attempt)
{
    vmx_message_clear(&attempt->message);
    vmx_arena_rewind(&attempt->arena);
    memset(&attempt->reply, 0, sizeof attempt->reply);
}

vmx_attempt *
vmx_attempt_free_one(vmx_call *call)
{
    for (size_t i = 0; i < 2; i++)
        if (call->attempts[i].stream == NULL)
            return &call->attempts[i];
    return NULL;
}

/* --- records ------------------------------------------------------------------------------------------------------- */

/* The first is kept in the call; from the second on they are in the op's arena, the latest half of them in a ring. */
static vmx_record *
record_at(vmx_call *call, size_t i)
{
    vmx_records *records = &call->records;
    if (i == 0)
        return &records->first;
    if (records->items == NULL)
        records->items = vmx_arena_calloc(&call->op->arena, VMX_MAX_RECORDS, sizeof *records->items);
    if (records->items == NULL)
        return NULL;
    size_t half = VMX_MAX_RECORDS / 2;
    return &records->items[i < half ? i : half + i % half];
}

static void
record_start(vmx_attempt *attempt, vmx_attempt_why why)
{
    vmx_records *records = &attempt->call->records;
    attempt->record = records->count++;
    vmx_record *record = record_at(attempt->call, attempt->record);
    if (record == NULL)
        return;
    *record =
        (vmx_record){.why = why, .grpc_code = -1, .started_us = attempt->started_us, .ended_us = attempt->started_us};
}

static bool
is_on_record(const vmx_records *records, size_t i)
{
    size_t half = VMX_MAX_RECORDS / 2;
    return i < records->count && (i < half || i + half >= records->count);
}

/* The arena of the op takes the peer's name only when it is not that of the record before. */
static void
record_end(vmx_attempt *attempt)
{
    vmx_call *call = attempt->call;
    vmx_record *record = is_on_record(&call->records, attempt->record) ? record_at(call, attempt->record) : NULL;
    if (record == NULL)
        return;
    record->grpc_code = attempt->reply.grpc_code;
    record->ended_us = attempt->ended_us;
    if (attempt->record > 0 || record->grpc_code != VMX_GRPC_OK)
        record->peer = vmx_arena_str(&call->op->arena, attempt->reply.peer);
    else
        record->peer = attempt->reply.peer; /* the only attempt: its reply lives as long as the op */
}

bool
vmx_call_record(const vmx_call *call, size_t i, vmx_attempt_info *info)
{
    const vmx_records *records = &call->records;
    size_t half = VMX_MAX_RECORDS / 2;
    size_t skipped = records->count > VMX_MAX_RECORDS ? records->count - VMX_MAX_RECORDS : 0;
    size_t at = i < half ? i : i + skipped;
    if (at >= records->count || (at > 0 && records->items == NULL))
        return false;
    const vmx_record *record = record_at((vmx_call *)(uintptr_t)call, at);
    info->why = record->why;
    info->grpc_code = record->grpc_code;
    info->start_us = (int64_t)(record->started_us - records->origin_us);
    info->duration_us = (int64_t)(record->ended_us - record->started_us);
    info->peer = record->peer;
    return true;
}

vmx_meter_attempt_end
vmx_attempt_figures(const vmx_attempt *attempt)
{
    return (vmx_meter_attempt_end){
        .why = attempt->why,
        .grpc_code = attempt->reply.grpc_code,
        .sent_bytes = attempt->sent_bytes,
        .received_bytes = attempt->message.size_bytes,
    };
}

void
vmx_attempt_end(vmx_attempt *attempt)
{
    vmx_call *call = attempt->call;
    attempt->ended_us = vmx_call_now(call);
    vmx_call_transport(call)->close(attempt->stream); /* may be the end of the transport, after the client's */
    attempt->stream = NULL;
    if (!attempt->abandoned)
        record_end(attempt);
}

vmx_ticket_report
vmx_attempt_report(const vmx_attempt *attempt, vmx_verdict verdict)
{
    const vmx_reply *reply = &attempt->reply;
    bool broken = reply->reach != VMX_REACH_SERVER &&
                  (reply->grpc_code == VMX_GRPC_UNAVAILABLE || reply->grpc_code == VMX_GRPC_DEADLINE_EXCEEDED);
    vmx_ticket_report report = {
        .load = VMX_GATE_NEITHER,
        .counts = attempt->ticket.was_connected && !attempt->abandoned && (broken || reply->reach == VMX_REACH_SERVER),
        .failed = broken,
    };
    if (verdict == VMX_VERDICT_THROTTLED || (reply->grpc_code != VMX_GRPC_OK && vmx_pushback_read(reply).given))
        report.load = VMX_GATE_THROTTLED;
    else if (reply->reach == VMX_REACH_SERVER)
        report.load = VMX_GATE_ACCEPTED;
    return report;
}

/* --- the start ----------------------------------------------------------------------------------------------------- */

/* From the second attempt on, gRPC's own header tells the server (gRFC A6). Without memory the header is left out. */
static void
use_headers(vmx_call *call, vmx_stream_options *options)
{
    const vmx_call_settings *settings = &call->settings;
    options->headers = settings->headers;
    options->header_count = settings->header_count;
    if (call->records.count == 0)
        return;
    if (call->headers == NULL) {
        call->headers = vmx_arena_calloc(&call->op->arena, settings->header_count + 1, sizeof *call->headers);
        if (call->headers == NULL)
            return;
        if (settings->header_count > 0)
            memcpy(call->headers, settings->headers, settings->header_count * sizeof *call->headers);
    }
    snprintf(call->previous_attempts, sizeof call->previous_attempts, "%zu", call->records.count);
    call->headers[settings->header_count] =
        (vmx_header){VMX_STR("grpc-previous-rpc-attempts"), vmx_str_from(call->previous_attempts)};
    options->headers = call->headers;
    options->header_count = settings->header_count + 1;
}

static uint64_t
attempt_deadline(const vmx_call *call, uint64_t now_us)
{
    uint64_t deadline_us = call->settings.deadline_us;
    int64_t timeout_ms = call->settings.retry.attempt_timeout_ms;
    uint64_t own_us = timeout_ms > 0 ? vmx_deadline_us(now_us, timeout_ms) : VMX_NEVER;
    return own_us < deadline_us ? own_us : deadline_us;
}

bool
vmx_attempt_start(vmx_call *call, vmx_attempt *attempt, vmx_ticket ticket, vmx_attempt_why why, uint64_t now_us,
                  void (*on_end)(vmx_task *task))
{
    vmx_attempt_clear(attempt);
    attempt->call = call;
    attempt->ticket = ticket;
    attempt->abandoned = false;
    attempt->why = why;
    attempt->hedge = why == VMX_ATTEMPT_HEDGE;
    attempt->sent_bytes = call->request.message.size_bytes;
    attempt->ended_task.run = on_end;
    attempt->started_us = now_us;
    attempt->deadline_us = attempt_deadline(call, attempt->started_us);
    vmx_stream_options options = {
        .channel = ticket.channel,
        .method = call->request.method,
        .deadline_us = attempt->deadline_us,
        .request = &call->request.message,
        .tells_sent = call->settings.sent != NULL,
        .on_event = on_stream_event,
        .user = attempt,
    };
    use_headers(call, &options);
    attempt->stream = vmx_call_transport(call)->start(call->loop, &options);
    if (attempt->stream == NULL)
        return false;
    record_start(attempt, why);
    return true;
}
