#include "mock/stream.h"

#include <stddef.h>
#include <string.h>

#include "core/alloc.h"
#include "mock/answer.h"

/* --- life ---------------------------------------------------------------------------------------------------------- */

vmx_mock_stream *
vmx_mock_stream_new(vmx_mock_connection *connection, int32_t id)
{
    vmx_mock *mock = connection->mock;
    vmx_mock_stream *stream = vmx_calloc(1, sizeof *stream);
    vmx_mock_entry *entry = vmx_mock_entry_new();
    if (stream == NULL || entry == NULL) {
        vmx_mock_entry_unref(entry);
        vmx_dealloc(stream);
        return NULL;
    }
    entry->record.connection = connection->number;
    entry->record.stream = id;
    stream->connection = connection;
    stream->id = id;
    stream->entry = entry;
    stream->next = connection->streams;
    if (stream->next != NULL)
        stream->next->prev = stream;
    connection->streams = stream;
    mock->counters.streams++;
    mock->counters.streams_open++;
    return stream;
}

void
vmx_mock_stream_free(vmx_mock_stream *stream)
{
    vmx_mock *mock = stream->connection->mock;
    vmx_mock_timer_cancel(&mock->loop, &stream->timer);
    if (stream->prev != NULL)
        stream->prev->next = stream->next;
    else
        stream->connection->streams = stream->next;
    if (stream->next != NULL)
        stream->next->prev = stream->prev;
    if (stream->call != NULL)
        stream->call->stream = NULL;
    if (!stream->complete && stream->entry->recorded)
        vmx_mock_log_complete(&mock->log, stream->entry);
    vmx_mock_entry_unref(stream->entry);
    vmx_mock_plan_unref(stream->plan);
    vmx_arena_reset(&stream->arena);
    mock->counters.streams_open--;
    vmx_dealloc(stream);
}

/* --- choosing an answer -------------------------------------------------------------------------------------------- */

static void
use_status(vmx_mock_stream *stream, int grpc_code, const char *details)
{
    vmx_mock_answer answer = {.size = sizeof answer, .grpc_code = grpc_code, .details = {details, strlen(details)}};
    vmx_mock_plan *plan;
    if (vmx_mock_plan_new(&answer, &plan, NULL) != VMX_OK)
        return; /* without memory the call gets no answer, as from a server that is out of it */
    vmx_mock_plan_unref(stream->plan);
    stream->plan = plan;
}

static void
act(vmx_mock_stream *stream)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    bool before =
        answer->fault != VMX_MOCK_NO_FAULT && (answer->when == VMX_MOCK_BEFORE || answer->when == VMX_MOCK_AT_HEADERS);
    stream->connection->dirty = true;
    if (!before || vmx_mock_connection_fault(stream->connection, answer, stream->id))
        vmx_mock_answer_submit(stream);
}

static void
on_delay(vmx_mock_timer *timer)
{
    act((vmx_mock_stream *)((char *)timer - offsetof(vmx_mock_stream, timer)));
}

static void
begin(vmx_mock_stream *stream)
{
    stream->begun = true;
    stream->timer.fire = on_delay;
    if (stream->plan->answer.delay_ms > 0)
        vmx_mock_timer_set(&stream->connection->mock->loop, &stream->timer, stream->plan->answer.delay_ms);
    else
        act(stream);
}

/* The handler is called when the lock is free. */
static void
ask_handler(vmx_mock_stream *stream)
{
    vmx_mock *mock = stream->connection->mock;
    vmx_mock_call *call = vmx_calloc(1, sizeof *call);
    if (call == NULL)
        return;
    *call = (vmx_mock_call){.mock = mock, .stream = stream, .entry = stream->entry};
    mock->refs++;
    stream->entry->refs++;
    stream->call = call;
    *mock->last_waiting = call;
    mock->last_waiting = &call->next;
}

/* Begins if its time has come. */
static void
begin_if_due(vmx_mock_stream *stream)
{
    const vmx_mock_answer *answer = &stream->plan->answer;
    if (!stream->begun && (stream->complete || answer->early || answer->when == VMX_MOCK_AT_HEADERS))
        begin(stream);
}

void
vmx_mock_stream_answer(vmx_mock_stream *stream, vmx_mock_plan *plan)
{
    stream->plan = plan;
    stream->call = NULL;
    begin_if_due(stream);
}

void
vmx_mock_stream_await(vmx_mock_stream *stream)
{
    stream->call = NULL;
    stream->entry->record.awaited = true;
    if (stream->complete)
        ask_handler(stream);
}

/* --- the request --------------------------------------------------------------------------------------------------- */

bool
vmx_mock_stream_on_header(vmx_mock_stream *stream, vmx_str key, vmx_str value)
{
    vmx_mock_entry *entry = stream->entry;
    if (vmx_mock_str_equal(key, (vmx_str){":path", 5}))
        entry->record.method = vmx_arena_str(&entry->arena, value);
    return key.len == 0 || key.ptr[0] == ':' || vmx_mock_entry_add_header(entry, key, value);
}

void
vmx_mock_stream_on_headers(vmx_mock_stream *stream)
{
    vmx_mock *mock = stream->connection->mock;
    stream->entry->record.arrived_us = vmx_mock_now_us(mock);
    vmx_mock_log_add(&mock->log, stream->entry);
    stream->plan = vmx_mock_scripts_take(&mock->scripts, stream->entry->record.method);
    if (stream->plan != NULL)
        begin_if_due(stream);
    else if (mock->options.handler != NULL && mock->options.early_handler)
        ask_handler(stream);
}

void
vmx_mock_stream_on_data(vmx_mock_stream *stream, const uint8_t *data, size_t len)
{
    vmx_buffer *bytes = &stream->entry->bytes;
    if (stream->too_large || bytes->len + len > stream->connection->mock->options.max_request_bytes)
        stream->too_large = true;
    else
        vmx_buffer_append(bytes, data, len);
    if (stream->begun)
        vmx_mock_answer_go_on(stream);
}

void
vmx_mock_stream_on_end(vmx_mock_stream *stream)
{
    vmx_mock *mock = stream->connection->mock;
    stream->complete = true;
    stream->entry->record.complete_us = vmx_mock_now_us(mock);
    vmx_mock_log_complete(&mock->log, stream->entry);
    if (stream->begun) {
        vmx_mock_answer_go_on(stream);
        return;
    }
    if (stream->too_large)
        use_status(stream, 8, "mock: the request is larger than max_request_bytes");
    else if (stream->plan == NULL && mock->options.handler == NULL)
        use_status(stream, 12, "mock: no script, default or handler for this method");
    if (stream->plan != NULL)
        begin(stream);
    else if (stream->call == NULL)
        ask_handler(stream);
}
