#include "mock/echo_server.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync.h"
#include "core/tsan.h"

enum { MAX_HEADERS = 64 };

struct echo_server {
    grpc_server *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    int port;
    atomic_size_t messages_sent;
    int stop_tag;
};

typedef enum method { ECHO, STATUS, SILENT, STREAM, SINK, SOURCE, DEAF, UNKNOWN } method;

typedef enum state { NEW, READING, HEADERS_SENT, SENDING, ENDING } state;

/* A call has one batch at a time, whose tag is the call. */
typedef struct call {
    echo_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array headers;
    grpc_metadata back[MAX_HEADERS];
    size_t back_count;
    method method;
    state state;
    grpc_byte_buffer *message;
    size_t bytes;
    uint32_t left, number;
    size_t size;
    int cancelled;
    grpc_slice text;
} call;

static void
start(call *c, state next, const grpc_op *ops, size_t count)
{
    c->state = next;
    vmx_tsan_release(c);
    if (grpc_call_start_batch(c->call, ops, count, c, NULL) != GRPC_CALL_OK)
        abort();
}

static const char *
header(const call *c, const char *key, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < c->headers.count; i++) {
        grpc_slice value = c->headers.metadata[i].value;
        if (grpc_slice_str_cmp(c->headers.metadata[i].key, key) == 0)
            snprintf(out, size, "%.*s", (int)GRPC_SLICE_LENGTH(value), (const char *)GRPC_SLICE_START_PTR(value));
    }
    return out;
}

static long
header_number(const call *c, const char *key)
{
    char text[32];
    return strtol(header(c, key, text, sizeof text), NULL, 10);
}

static method
find_method(grpc_slice name)
{
    static const char *const names[] = {"/test/Echo", "/test/Status", "/test/Silent", "/test/Stream",
                                        "/test/Sink", "/test/Source", "/test/Deaf"};
    for (int i = 0; i < UNKNOWN; i++) {
        if (grpc_slice_str_cmp(name, names[i]) == 0)
            return (method)i;
    }
    return UNKNOWN;
}

static grpc_op
op_headers(call *c)
{
    return (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA,
                     .data.send_initial_metadata = {.count = c->back_count, .metadata = c->back}};
}

static void
finish(call *c, grpc_status_code code, grpc_byte_buffer *message, bool with_headers)
{
    grpc_op ops[4];
    size_t count = 0;
    if (with_headers)
        ops[count++] = op_headers(c);
    if (message != NULL)
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {message}};
    ops[count++] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER,
                             .data.send_status_from_server = {.trailing_metadata_count = c->back_count,
                                                              .trailing_metadata = c->back,
                                                              .status = code,
                                                              .status_details = &c->text}};
    ops[count++] = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server = {&c->cancelled}};
    start(c, ENDING, ops, count);
}

static void
read_message(call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message = {&c->message}};
    start(c, READING, &op, 1);
}

static void
send_headers(call *c)
{
    grpc_op op = op_headers(c);
    start(c, HEADERS_SENT, &op, 1);
}

static void
wait_for_close(call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server = {&c->cancelled}};
    start(c, ENDING, &op, 1);
}

static void
drop_message(call *c)
{
    if (c->message != NULL)
        grpc_byte_buffer_destroy(c->message);
    c->message = NULL;
}

static void
send_message(call *c, grpc_byte_buffer *message)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE, .data.send_message = {message}};
    start(c, SENDING, &op, 1);
}

static grpc_byte_buffer *
buffer_of(const void *data, size_t len)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(data, len);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

static void
send_next_of_source(call *c)
{
    if (c->left == 0) {
        finish(c, GRPC_STATUS_OK, NULL, false);
        return;
    }
    c->left--;
    unsigned char *bytes = calloc(1, c->size < 4 ? 4 : c->size);
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(c->number >> (8 * i));
    c->number++;
    drop_message(c);
    c->message = buffer_of(bytes, c->size < 4 ? 4 : c->size);
    free(bytes);
    send_message(c, c->message);
}

static void
finish_sink(call *c)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", c->bytes);
    c->message = buffer_of(text, strlen(text));
    finish(c, GRPC_STATUS_OK, c->message, false);
}

static void
on_read(call *c)
{
    if (c->message != NULL)
        c->bytes += grpc_byte_buffer_length(c->message);
    if (c->method == ECHO) {
        if (c->message == NULL)
            finish(c, GRPC_STATUS_INTERNAL, NULL, true);
        else
            finish(c, GRPC_STATUS_OK, c->message, true);
    } else if (c->method == SOURCE) {
        send_headers(c);
    } else if (c->message == NULL) {
        if (c->method == SINK)
            finish_sink(c);
        else
            finish(c, GRPC_STATUS_OK, NULL, false);
    } else if (c->method == SINK) {
        drop_message(c);
        read_message(c);
    } else {
        send_message(c, c->message);
    }
}

static void
on_sent(call *c)
{
    atomic_fetch_add(&c->server->messages_sent, 1);
    drop_message(c);
    if (c->method == SOURCE)
        send_next_of_source(c);
    else
        read_message(c);
}

static void
request_call(echo_server *server)
{
    call *c = calloc(1, sizeof *c);
    c->server = server;
    c->text = grpc_empty_slice();
    grpc_call_details_init(&c->details);
    grpc_metadata_array_init(&c->headers);
    vmx_tsan_release(c);
    if (grpc_server_request_call(server->server, &c->call, &c->details, &c->headers, server->queue, server->queue, c) !=
        GRPC_CALL_OK)
        abort();
}

static void
free_call(call *c)
{
    drop_message(c);
    if (c->call != NULL)
        grpc_call_unref(c->call);
    grpc_slice_unref(c->text);
    grpc_call_details_destroy(&c->details);
    grpc_metadata_array_destroy(&c->headers);
    free(c);
}

static void
on_new(call *c)
{
    request_call(c->server);
    c->method = find_method(c->details.method);
    for (size_t i = 0; i < c->headers.count && c->back_count < MAX_HEADERS; i++) {
        const grpc_metadata *entry = &c->headers.metadata[i];
        if (GRPC_SLICE_LENGTH(entry->key) > 2 && memcmp(GRPC_SLICE_START_PTR(entry->key), "x-", 2) == 0)
            c->back[c->back_count++] = (grpc_metadata){.key = entry->key, .value = entry->value};
    }
    c->left = (uint32_t)header_number(c, "count");
    c->size = (size_t)header_number(c, "size");
    char text[256];
    switch (c->method) {
    case ECHO:
    case SOURCE:
        read_message(c);
        break;
    case STATUS:
        c->text = grpc_slice_from_copied_string(header(c, "text", text, sizeof text));
        finish(c, (grpc_status_code)header_number(c, "code"), NULL, true);
        break;
    case SILENT:
        wait_for_close(c);
        break;
    case UNKNOWN:
        finish(c, GRPC_STATUS_UNIMPLEMENTED, NULL, true);
        break;
    default:
        send_headers(c);
    }
}

static void
step(call *c, bool ok)
{
    if (!ok || c->state == ENDING) {
        free_call(c);
    } else if (c->state == NEW) {
        on_new(c);
    } else if (c->state == READING) {
        on_read(c);
    } else if (c->state == SENDING) {
        on_sent(c);
    } else if (c->method == SOURCE) {
        send_next_of_source(c);
    } else if (c->method == DEAF) {
        wait_for_close(c);
    } else {
        read_message(c);
    }
}

static void *
serve(void *arg)
{
    echo_server *server = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        if (event.tag == &server->stop_tag) {
            grpc_completion_queue_shutdown(server->queue);
            continue;
        }
        vmx_tsan_acquire(event.tag);
        step(event.tag, event.success != 0);
    }
}

echo_server *
echo_server_start(int port, const char *certificate_pem, const char *key_pem)
{
    echo_server *server = calloc(1, sizeof *server);
    sigset_t old = vmx_signals_block();
    grpc_init();
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)"grpc.max_receive_message_length", .value.integer = -1},
        {.type = GRPC_ARG_INTEGER, .key = (char *)"grpc.so_reuseport", .value.integer = 0}};
    server->server = grpc_server_create(&(grpc_channel_args){2, args}, NULL);
    server->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->server, server->queue, NULL);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    if (certificate_pem != NULL) {
        grpc_server_credentials_release(credentials);
        grpc_ssl_pem_key_cert_pair pair = {key_pem, certificate_pem};
        credentials =
            grpc_ssl_server_credentials_create_ex(NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    }
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    server->port = grpc_server_add_http2_port(server->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (server->port == 0)
        abort();
    grpc_server_start(server->server);
    vmx_signals_restore(old);
    request_call(server);
    if (!vmx_thread_start(&server->thread, "echo-server", serve, server))
        abort();
    return server;
}

int
echo_server_port(const echo_server *server)
{
    return server->port;
}

size_t
echo_server_messages_sent(const echo_server *server)
{
    return atomic_load(&server->messages_sent);
}

void
echo_server_stop(echo_server *server)
{
    grpc_server_shutdown_and_notify(server->server, server->queue, &server->stop_tag);
    grpc_server_cancel_all_calls(server->server);
    pthread_join(server->thread, NULL);
    grpc_server_destroy(server->server);
    grpc_completion_queue_destroy(server->queue);
    grpc_shutdown_blocking();
    free(server);
}
