#include "raw_call.h"

#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S   30 /* vecmux's call.timeout.ms */
#define MAX_PEM     65536
#define API_VERSION "2026-07"

static bool
read_pem(const char *path, char *pem)
{
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(pem, 1, MAX_PEM - 1, file) : 0;
    if (file)
        fclose(file);
    pem[len] = '\0';
    return len > 0;
}

static grpc_channel_credentials *
credentials_new(const bench_options *options)
{
    static char pem[MAX_PEM];
    if (!options->tls_ca)
        return grpc_insecure_credentials_create();
    return read_pem(options->tls_ca, pem) ? grpc_ssl_credentials_create(pem, NULL, NULL, NULL) : NULL;
}

static grpc_arg
integer(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

/* The settings that vecmux has, and for the same reasons. */
static grpc_channel *
channel_new(const bench_options *options, grpc_channel_credentials *credentials)
{
    grpc_arg args[] = {integer(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
                       integer(GRPC_ARG_ENABLE_RETRIES, 0),
                       integer(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
                       integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
                       integer(GRPC_ARG_ENABLE_CHANNELZ, 0),
                       integer(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
                       integer(GRPC_ARG_KEEPALIVE_TIME_MS, 300000),
                       integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000),
                       integer(GRPC_ARG_ENABLE_HTTP_PROXY, 0)};
    grpc_channel_args list = {sizeof args / sizeof args[0], args};
    return grpc_channel_create(options->endpoint, credentials, &list);
}

bool
raw_channel_connect(raw_channel *channel, const bench_options *options)
{
    *channel = (raw_channel){0};
    grpc_init();
    grpc_channel_credentials *credentials = credentials_new(options);
    if (!credentials) {
        fprintf(stderr, "bench: --tls-ca \"%s\" cannot be read\n", options->tls_ca);
        return false;
    }
    channel->queue = grpc_completion_queue_create_for_next(NULL);
    channel->channel = channel_new(options, credentials);
    grpc_channel_credentials_release(credentials);
    return true;
}

bool
raw_channel_open(raw_channel *channel, const bench_options *options)
{
    raw_requests requests;
    if (!raw_requests_init(&requests, options)) {
        fprintf(stderr, "bench: this client has no scenario \"%s\"\n", options->scenario);
        *channel = (raw_channel){0};
        return false;
    }
    bool good = raw_channel_connect(channel, options);
    channel->requests = requests;
    if (!good)
        return false;
    channel->method = grpc_channel_register_call(channel->channel, channel->requests.path, NULL, NULL);
    return true;
}

void
raw_channel_close(raw_channel *channel)
{
    raw_requests_free(&channel->requests);
    if (channel->channel)
        grpc_channel_destroy(channel->channel);
    if (!channel->queue)
        return;
    grpc_completion_queue_shutdown(channel->queue);
    while (grpc_completion_queue_next(channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
           GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(channel->queue);
    grpc_shutdown();
}

void
raw_call_init(raw_call *call)
{
    *call = (raw_call){.request.type = GRPC_BB_RAW};
    grpc_slice_buffer_init(&call->request.data.raw.slice_buffer);
    grpc_metadata_array_init(&call->initial);
    grpc_metadata_array_init(&call->trailing);
}

void
raw_call_destroy(raw_call *call)
{
    grpc_slice_unref(call->copy);
    grpc_slice_buffer_destroy(&call->request.data.raw.slice_buffer);
    grpc_metadata_array_destroy(&call->initial);
    grpc_metadata_array_destroy(&call->trailing);
}

void
raw_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag)
{
    grpc_call_error error = grpc_call_start_batch(call, ops, count, tag, NULL);
    if (error != GRPC_CALL_OK) {
        fprintf(stderr, "bench: grpc_call_start_batch: %s\n", grpc_call_error_to_string(error));
        abort();
    }
}

static void
start_batch(raw_call *call)
{
    grpc_metadata version = {.key = grpc_slice_from_static_string("x-pinecone-api-version"),
                             .value = grpc_slice_from_static_string(API_VERSION)};
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA, .data.send_initial_metadata = {.count = 1, .metadata = &version}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {&call->request}},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata = {&call->initial}},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&call->reply}},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {&call->trailing, &call->status, &call->details, NULL}}};
    raw_start_batch(call->core, ops, sizeof ops / sizeof ops[0], call);
}

void
raw_call_start(raw_channel *channel, raw_call *call, uint64_t now_ns)
{
    raw_requests *requests = &channel->requests;
    gpr_timespec deadline = {(int64_t)(now_ns / GPR_NS_PER_SEC) + TIMEOUT_S, (int32_t)(now_ns % GPR_NS_PER_SEC),
                             GPR_CLOCK_MONOTONIC};
    call->start_ns = now_ns;
    call->reply = NULL;
    call->details = grpc_empty_slice();
    raw_requests_put(requests, channel->next_request, &call->copy, &call->request.data.raw.slice_buffer);
    channel->next_request = (channel->next_request + 1) % requests->count;
    call->core = grpc_channel_create_registered_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, channel->queue,
                                                     channel->method, deadline, NULL);
    start_batch(call);
}

bool
raw_call_finish(raw_call *call)
{
    bool ok = call->status == GRPC_STATUS_OK && call->reply;
    if (call->reply) {
        call->reply_bytes = grpc_byte_buffer_length(call->reply);
        grpc_byte_buffer_destroy(call->reply);
    }
    grpc_slice_buffer_reset_and_unref(&call->request.data.raw.slice_buffer);
    grpc_slice_unref(call->details);
    grpc_call_unref(call->core);
    call->initial.count = call->trailing.count = 0;
    return ok;
}

const char *
raw_versions(void)
{
    static char text[64];
    snprintf(text, sizeof text, "grpc-core %s", grpc_version_string());
    return text;
}

void
raw_sizes(const raw_channel *channel, size_t reply_bytes, bench_row *row)
{
    row->payload_bytes = channel->requests.payload_bytes;
    row->wire_bytes = bench_wire_bytes((double)GRPC_SLICE_LENGTH(channel->requests.messages[0]), (double)reply_bytes);
}
