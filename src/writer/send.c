#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "writer/writer.h"

#define OWNER(member, pointer) ((vmx_send *)((char *)(pointer)-offsetof(vmx_send, member)))

/* --- lists --------------------------------------------------------------------------------------------------------- */

void
vmx_send_push(vmx_send_list *list, vmx_send *send)
{
    send->next = NULL;
    if (list->tail != NULL)
        list->tail->next = send;
    else
        list->head = send;
    list->tail = send;
    list->count++;
}

void
vmx_send_push_front(vmx_send_list *list, vmx_send *send)
{
    send->next = list->head;
    list->head = send;
    if (list->tail == NULL)
        list->tail = send;
    list->count++;
}

vmx_send *
vmx_send_pop(vmx_send_list *list)
{
    vmx_send *send = list->head;
    if (send == NULL)
        return NULL;
    list->head = send->next;
    list->count--;
    if (list->head == NULL)
        list->tail = NULL;
    return send;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void
cancel_send(vmx_op *op)
{
    vmx_call_cancel(&OWNER(op, op)->call);
}

static void
destroy_send(vmx_op *op)
{
    vmx_send *send = OWNER(op, op);
    vmx_writer *writer = send->writer;
    if (send->deliveries != NULL) {
        pthread_mutex_lock(&writer->lock);
        writer->locked.unread--;
        bool wanted = writer->locked.wants_room;
        pthread_mutex_unlock(&writer->lock);
        vmx_host_changed(writer->parts.host);
        if (wanted && atomic_exchange(&writer->listener.wants_room, false))
            vmx_writer_kick(writer);
    }
    vmx_call_destroy(&send->call);
    vmx_arena_reset(&op->arena);
    vmx_host *host = vmx_op_fini(op);
    vmx_dealloc(send);
    vmx_writer_release(writer);
    vmx_host_release(host);
}

static const vmx_op_vtable op_vtable = {.cancel = cancel_send, .destroy = destroy_send};

bool
vmx_send_is_op(const vmx_op *op)
{
    return op->vtable == &op_vtable;
}

/* The list of those in flight that are not on the connection yet is served in its order, but for retries. */
void
vmx_send_note_sent_locked(vmx_send *send)
{
    vmx_writer *writer = send->writer;
    if (!send->unsent)
        return;
    if (send->unsent_prev != NULL)
        send->unsent_prev->unsent_next = send->unsent_next;
    else
        writer->locked.unsent_first = send->unsent_next;
    if (send->unsent_next != NULL)
        send->unsent_next->unsent_prev = send->unsent_prev;
    else
        writer->locked.unsent_last = send->unsent_prev;
    send->unsent_prev = send->unsent_next = NULL;
    send->unsent = false;
    writer->locked.unsent_count--;
}

/* There is room on the connection for the next one. */
static void
on_call_sent(vmx_call *call)
{
    vmx_send *send = OWNER(call, call);
    vmx_writer *writer = vmx_writer_acquire(send->writer);
    pthread_mutex_lock(&writer->lock);
    vmx_send_note_sent_locked(send);
    bool waits = writer->locked.ready.head != NULL;
    pthread_mutex_unlock(&writer->lock);
    if (waits)
        vmx_writer_service(writer);
    vmx_writer_release(writer);
}

/* Ends a send that could not be made. */
static void
fail_here(vmx_send *send)
{
    send->op.error.retriable = send->op.error.code == VMX_ERR_NO_MEMORY;
    vmx_send_judge(send);
}

void
vmx_send_note_cancelled(vmx_send *send)
{
    vmx_error_set(&send->op.error, VMX_ERR_CANCELLED, "write at %s: the writer was freed, or its client",
                  send->writer->parts.caller->endpoint);
    if (send->rounds > 0)
        send->op.error.outcome = VMX_OUTCOME_UNKNOWN;
}

/* It was cancelled when no call was under way that could hear of it. */
static void
fail_cancelled(vmx_send *send)
{
    vmx_send_note_cancelled(send);
    vmx_send_judge(send);
}

static void
call(vmx_send *send, vmx_request *request)
{
    vmx_writer *writer = send->writer;
    send->call.settings.deadline_us = vmx_deadline_us(vmx_writer_now(writer), writer->options.timeout_ms);
    vmx_call_start(&send->call, request);
}

static void
call_rows(vmx_send *send)
{
    const vmx_writer *writer = send->writer;
    const vmx_row_codec *codec = writer->codec;
    vmx_request request = {.method = codec->method, .writes = true, .idempotent = true, .judge = codec->judge};
    send->preparing = false;
    if (vmx_batch_message(send->batch, send->from, send->to, codec, &writer->target, &request.message,
                          &send->op.error) != VMX_OK) {
        fail_here(send);
        return;
    }
    send->rounds++;
    call(send, &request);
}

static void
take_prepared(vmx_send *send)
{
    const vmx_writer *writer = send->writer;
    if (writer->codec->prepared(&writer->target, &send->call.last->message, &send->op.error) != VMX_OK)
        fail_here(send);
    else if (send->call.cancelled)
        fail_cancelled(send);
    else
        call_rows(send);
}

static void
on_call_done(vmx_call *done)
{
    vmx_send *send = OWNER(call, done);
    if (send->preparing && send->op.error.code == VMX_OK)
        take_prepared(send);
    else
        vmx_send_judge(send);
}

static void
run_start(vmx_task *task)
{
    vmx_send *send = OWNER(start_task, task);
    const vmx_row_codec *codec = send->writer->codec;
    vmx_request request = {0};
    if (send->call.cancelled) {
        fail_cancelled(send);
        return;
    }
    send->preparing = codec->prepare != NULL && codec->prepare(&send->writer->target, &request);
    if (send->preparing)
        call(send, &request);
    else
        call_rows(send);
}

vmx_send *
vmx_send_new(vmx_writer *writer, vmx_batch *batch, size_t from, size_t to)
{
    vmx_send *send = vmx_calloc(1, sizeof *send);
    if (send == NULL)
        return NULL;
    vmx_call_settings settings = {
        .retry = writer->retry,
        .timeout_ms = writer->options.timeout_ms,
        .headers = writer->parts.engine->headers,
        .header_count = writer->parts.engine->header_count,
        .sent = on_call_sent,
    };
    send->writer = vmx_writer_acquire(writer);
    send->batch = batch;
    send->from = from;
    send->to = to;
    send->start_task.run = run_start;
    vmx_op_init(&send->op, &op_vtable, "write", writer->parts.host, writer->options.queue, writer->options.user);
    vmx_call_init(&send->call, writer->parts.caller, &send->op, writer->loop, &settings, &send->op.error, on_call_done);
    return send;
}

void
vmx_send_start(vmx_send *send)
{
    if (!send->begun && !vmx_op_begin_nested(&send->op)) {
        vmx_error_set(&send->op.error, VMX_ERR_CLOSED, "write: the client is closed; close its writers first");
        vmx_send_settle(send);
        return;
    }
    send->begun = true;
    vmx_op_submit(&send->op, &send->start_task);
}
