#include "server/call.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/tsan.h"
#include "server/call_private.h"

static void
on_arrived(vmxd_call *call, bool ok);

static void
on_event(vmxd_tag *tag, bool ok)
{
    vmxd_call *call = (vmxd_call *)tag;
    call->step(call, ok);
}

static void
call_free(vmxd_call *call)
{
    vmxd_acceptor *acceptor = call->acceptor;
    vmxd_call_drop_sent(call);
    pthread_mutex_destroy(&call->lock);
    if (call->core)
        grpc_call_unref(call->core);
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->headers);
    if (call->received)
        grpc_byte_buffer_destroy(call->received);
    if (call->reply)
        grpc_byte_buffer_destroy(call->reply);
    for (size_t i = 0; i < call->reply_header_count; i++)
        grpc_slice_unref(call->reply_headers[i].value);
    grpc_slice_unref(call->request);
    grpc_slice_unref(call->status_text);
    vmx_arena_reset(&call->arena);
    vmx_dealloc(call);
    if (acceptor)
        atomic_fetch_sub(&acceptor->calls, 1);
}

void
vmxd_call_unref(vmxd_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        call_free(call);
}

static vmxd_call *
call_new(void)
{
    vmxd_call *call = vmx_calloc(1, sizeof *call);
    if (!call)
        return NULL;
    atomic_init(&call->refs, 1);
    pthread_mutex_init(&call->lock, NULL);
    call->tag.run = on_event;
    call->request = grpc_empty_slice();
    call->status_text = grpc_empty_slice();
    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->headers);
    return call;
}

void
vmxd_call_start_batch(vmxd_call *call, const grpc_op *ops, size_t count, void (*step)(vmxd_call *call, bool ok))
{
    call->step = step;
    vmx_tsan_release(&call->tag);
    grpc_call_error error = grpc_call_start_batch(call->core, ops, count, &call->tag, NULL);
    if (error != GRPC_CALL_OK)
        fprintf(stderr, "vecmuxd: grpc_call_start_batch: %s\n", grpc_call_error_to_string(error));
}

static grpc_slice
borrow(vmx_str text)
{
    return grpc_slice_from_static_buffer(text.ptr, text.len);
}

vmxd_call *
vmxd_call_from_outside(const vmxd_outside_call *outside)
{
    vmxd_call *call = call_new();
    if (!call)
        return NULL;
    call->details.method = borrow(outside->path);
    call->messages = outside->messages;
    call->message_count = outside->message_count;
    if (outside->message_count > 0) {
        call->request = borrow(outside->messages[call->message_at++]);
        call->has_request = true;
    }
    call->headers.metadata = gpr_zalloc((outside->header_count + 1) * sizeof *call->headers.metadata);
    call->headers.count = outside->header_count;
    for (size_t i = 0; i < outside->header_count; i++) {
        call->headers.metadata[i].key = borrow(outside->headers[i].key);
        call->headers.metadata[i].value = borrow(outside->headers[i].value);
    }
    call->answered = outside->answered;
    call->answered_user = outside->user;
    return call;
}

void
vmxd_call_accept(vmxd_acceptor *acceptor, grpc_completion_queue *queue)
{
    vmxd_call *call = call_new();
    if (!call)
        return;
    call->step = on_arrived;
    call->acceptor = acceptor;
    call->queue = queue;
    atomic_fetch_add(&acceptor->calls, 1);
    vmx_tsan_release(&call->tag);
    if (grpc_server_request_call(acceptor->server, &call->core, &call->details, &call->headers, queue, queue,
                                 &call->tag) != GRPC_CALL_OK)
        call_free(call);
}

void
vmxd_call_take_message(vmxd_call *call)
{
    grpc_byte_buffer_reader reader;
    grpc_slice_unref(call->request);
    call->request = grpc_empty_slice();
    call->has_request = call->received != NULL;
    if (!call->received)
        return;
    if (grpc_byte_buffer_reader_init(&reader, call->received)) {
        call->request = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(call->received);
    call->received = NULL;
}

static void
on_received(vmxd_call *call, bool ok)
{
    (void)ok; /* without a message there is no request, and the answer goes nowhere if the call has failed */
    vmxd_call_take_message(call);
    call->acceptor->handle(call->acceptor->user, call);
}

static void
on_arrived(vmxd_call *call, bool ok)
{
    if (!ok) {
        call_free(call);
        return;
    }
    vmxd_call_accept(call->acceptor, call->queue);
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    vmxd_call_start_batch(call, &op, 1, on_received);
}

static void
on_answered(vmxd_call *call, bool ok)
{
    (void)ok; /* the peer may be gone; there is nobody left to tell */
    vmxd_call_unref(call);
}

static vmx_str
slice_str(const grpc_slice *slice)
{
    return (vmx_str){(const char *)GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice)};
}

vmx_str
vmxd_call_path(const vmxd_call *call)
{
    return slice_str(&call->details.method);
}

vmx_str
vmxd_call_request(const vmxd_call *call)
{
    return slice_str(&call->request);
}

bool
vmxd_call_has_request(const vmxd_call *call)
{
    return call->has_request;
}

bool
vmxd_call_header(const vmxd_call *call, const char *key, vmx_str *value)
{
    size_t key_len = strlen(key);
    for (size_t i = 0; i < call->headers.count; i++) {
        vmx_str found = slice_str(&call->headers.metadata[i].key);
        if (found.len == key_len && memcmp(found.ptr, key, key_len) == 0) {
            *value = slice_str(&call->headers.metadata[i].value);
            return true;
        }
    }
    return false;
}

vmx_arena *
vmxd_call_arena(vmxd_call *call)
{
    return &call->arena;
}

vmx_arena
vmxd_call_take_arena(vmxd_call *call)
{
    vmx_arena arena = call->arena;
    vmx_arena_init(&call->arena, 0);
    return arena;
}

void
vmxd_call_add_header(vmxd_call *call, const char *key, uint64_t value)
{
    if (call->reply_header_count == VMXD_CALL_MAX_HEADERS)
        return;
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    grpc_metadata *header = &call->reply_headers[call->reply_header_count++];
    header->key = grpc_slice_from_static_string(key);
    header->value = grpc_slice_from_copied_string(text);
}

static void
answer_outside(vmxd_call *call, grpc_status_code code)
{
    vmx_header headers[VMXD_CALL_MAX_HEADERS];
    grpc_slice message = grpc_empty_slice();
    grpc_byte_buffer_reader reader;
    if (call->reply && grpc_byte_buffer_reader_init(&reader, call->reply)) {
        message = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    for (size_t i = 0; i < call->reply_header_count; i++)
        headers[i] = (vmx_header){slice_str(&call->reply_headers[i].key), slice_str(&call->reply_headers[i].value)};
    vmxd_answer told = {.code = (int)code,
                        .text = slice_str(&call->status_text),
                        .message = slice_str(&message),
                        .messages = call->sent,
                        .message_count = call->sent_count,
                        .headers = headers,
                        .header_count = call->reply_header_count};
    call->answered(call->answered_user, &told);
    grpc_slice_unref(message);
    vmxd_call_tell_closed(call);
    vmxd_call_unref(call);
}

/* One batch ends the call: headers, the reply if there is one, the status. */
static void
answer(vmxd_call *call, grpc_status_code code)
{
    if (call->answered) {
        answer_outside(call, code);
        return;
    }
    grpc_op ops[4] = {0};
    size_t count = vmxd_call_put_headers(call, ops);
    if (call->reply) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = call->reply;
    }
    ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[count].data.send_status_from_server.status = code;
    ops[count++].data.send_status_from_server.status_details = &call->status_text;
    if (!call->watched) {
        ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;
    }
    vmxd_call_start_batch(call, ops, count, on_answered);
}

void
vmxd_call_end(vmxd_call *call)
{
    answer(call, GRPC_STATUS_OK);
}

size_t
vmxd_call_put_headers(vmxd_call *call, grpc_op *op)
{
    if (call->headers_sent)
        return 0;
    call->headers_sent = true;
    op->op = GRPC_OP_SEND_INITIAL_METADATA;
    op->data.send_initial_metadata.count = call->reply_header_count;
    op->data.send_initial_metadata.metadata = call->reply_headers;
    return 1;
}

grpc_slice
vmxd_call_pack(const ProtobufCMessage *message)
{
    grpc_slice packed = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(packed));
    return packed;
}

void
vmxd_call_reply(vmxd_call *call, const ProtobufCMessage *message)
{
    grpc_slice packed = vmxd_call_pack(message);
    call->reply = grpc_raw_byte_buffer_create(&packed, 1);
    grpc_slice_unref(packed);
    answer(call, GRPC_STATUS_OK);
}

void
vmxd_call_fail(vmxd_call *call, const vmxd_status *status)
{
    call->status_text = grpc_slice_from_copied_string(status->text);
    answer(call, status->code);
}
