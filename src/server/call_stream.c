#include "server/call_stream.h"

#include <grpc/byte_buffer.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/tsan.h"
#include "server/call_private.h"

/* --- from outside -------------------------------------------------------------------------------------------------- */

/* Runs `event` when the event that is run now has returned: a long stream is a loop, not a recursion. */
static void
run_outside(vmxd_call *call, void (*event)(vmxd_call *call))
{
    pthread_mutex_lock(&call->lock);
    call->due = event;
    bool mine = !call->running;
    call->running = true;
    if (mine)
        atomic_fetch_add(&call->refs, 1);
    while (mine && call->due) {
        void (*due)(vmxd_call * call) = call->due;
        call->due = NULL;
        pthread_mutex_unlock(&call->lock);
        due(call);
        pthread_mutex_lock(&call->lock);
    }
    if (mine)
        call->running = false;
    pthread_mutex_unlock(&call->lock);
    if (mine)
        vmxd_call_unref(call);
}

static void
next_outside(vmxd_call *call)
{
    call->has_request = call->message_at < call->message_count;
    vmx_str message = call->has_request ? call->messages[call->message_at++] : (vmx_str){0};
    call->request = grpc_slice_from_static_buffer(message.ptr, message.len);
    call->next(call->next_user, call);
}

static void
sent_outside(vmxd_call *call)
{
    call->on_sent(call->sent_user, true);
}

static bool
collect(vmxd_call *call, grpc_slice message)
{
    if (call->sent_count == call->sent_capacity) {
        size_t capacity = call->sent_capacity ? call->sent_capacity * 2 : 16;
        vmx_str *grown = vmx_realloc(call->sent, capacity * sizeof *grown);
        if (!grown)
            return false;
        call->sent = grown;
        call->sent_capacity = capacity;
    }
    size_t len = GRPC_SLICE_LENGTH(message);
    char *copy = vmx_alloc(len + 1);
    if (!copy)
        return false;
    memcpy(copy, GRPC_SLICE_START_PTR(message), len);
    call->sent[call->sent_count++] = (vmx_str){copy, len};
    return true;
}

static void
failed_outside(vmxd_call *call)
{
    call->on_sent(call->sent_user, false);
}

void
vmxd_call_drop_sent(vmxd_call *call)
{
    for (size_t i = 0; i < call->sent_count; i++)
        vmx_dealloc((char *)call->sent[i].ptr);
    vmx_dealloc(call->sent);
}

void
vmxd_call_tell_closed(vmxd_call *call)
{
    if (call->on_closed)
        call->on_closed(call->closed_user, false);
}

/* --- through the core ---------------------------------------------------------------------------------------------- */

static void
on_message(vmxd_call *call, bool ok)
{
    (void)ok; /* of a call that has failed there is no message either */
    vmxd_call_take_message(call);
    call->next(call->next_user, call);
}

void
vmxd_call_receive(vmxd_call *call, vmxd_call_next *next, void *user)
{
    call->next = next;
    call->next_user = user;
    if (call->answered) {
        run_outside(call, next_outside);
        return;
    }
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    vmxd_call_start_batch(call, &op, 1, on_message);
}

static void
on_sent(vmxd_call *call, bool ok)
{
    grpc_byte_buffer_destroy(call->reply);
    call->reply = NULL;
    call->on_sent(call->sent_user, ok);
}

void
vmxd_call_send(vmxd_call *call, grpc_slice message, vmxd_call_sent *sent, void *user)
{
    call->on_sent = sent;
    call->sent_user = user;
    if (call->answered) {
        bool kept = collect(call, message);
        grpc_slice_unref(message);
        run_outside(call, kept ? sent_outside : failed_outside);
        return;
    }
    grpc_op ops[2] = {0};
    size_t count = vmxd_call_put_headers(call, ops);
    call->reply = grpc_raw_byte_buffer_create(&message, 1);
    grpc_slice_unref(message);
    ops[count].op = GRPC_OP_SEND_MESSAGE;
    ops[count++].data.send_message.send_message = call->reply;
    vmxd_call_start_batch(call, ops, count, on_sent);
}

static void
on_close(vmxd_tag *tag, bool ok)
{
    vmxd_call *call = (vmxd_call *)((char *)tag - offsetof(vmxd_call, close_tag));
    call->on_closed(call->closed_user, !ok || call->cancelled != 0);
    vmxd_call_unref(call);
}

void
vmxd_call_watch_close(vmxd_call *call, vmxd_call_closed *closed, void *user)
{
    call->on_closed = closed;
    call->closed_user = user;
    if (call->answered)
        return;
    call->watched = true;
    call->close_tag.run = on_close;
    atomic_fetch_add(&call->refs, 1);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    vmx_tsan_release(&call->close_tag);
    grpc_call_error error = grpc_call_start_batch(call->core, &op, 1, &call->close_tag, NULL);
    if (error != GRPC_CALL_OK)
        fprintf(stderr, "vecmuxd: grpc_call_start_batch: %s\n", grpc_call_error_to_string(error));
}
