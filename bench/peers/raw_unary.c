#include "raw_unary.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <string.h>

grpc_slice
raw_pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

ProtobufCMessage *
raw_unpack(const ProtobufCMessageDescriptor *descriptor, grpc_byte_buffer *bytes)
{
    grpc_byte_buffer_reader reader;
    if (!bytes || !grpc_byte_buffer_reader_init(&reader, bytes))
        return NULL;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    grpc_slice_unref(all);
    return message;
}

/* Says what the call ended with, unless it ended well. */
static void
complain(const raw_call *call, const char *path)
{
    if (call->status == GRPC_STATUS_OK)
        return;
    char *text = grpc_slice_to_c_string(call->details);
    fprintf(stderr, "bench: %s: status %d: %s\n", path, (int)call->status, text);
    gpr_free(text);
}

ProtobufCMessage *
raw_unary(raw_channel *channel, const char *path, const ProtobufCMessage *request,
          const ProtobufCMessageDescriptor *reply)
{
    raw_call call;
    raw_call_init(&call);
    call.details = grpc_empty_slice();
    grpc_slice_buffer_add(&call.request.data.raw.slice_buffer, raw_pack(request));
    call.core =
        grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, channel->queue,
                                 grpc_slice_from_static_string(path), NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_op ops[] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                     {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {&call.request}},
                     {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                     {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata = {&call.initial}},
                     {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&call.reply}},
                     {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                      .data.recv_status_on_client = {&call.trailing, &call.status, &call.details, NULL}}};
    raw_start_batch(call.core, ops, sizeof ops / sizeof ops[0], &call);
    grpc_completion_queue_next(channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    ProtobufCMessage *message = call.status == GRPC_STATUS_OK ? raw_unpack(reply, call.reply) : NULL;
    complain(&call, path);
    raw_call_finish(&call);
    raw_call_destroy(&call);
    return message;
}
