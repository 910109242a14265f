#include "transport/echo_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vecmux/mock.h>

enum { MAX_HEADERS = 64, PREFIX_BYTES = 5 };

struct echo_server {
    vmx_mock *mock;
    atomic_size_t source_bytes; /* of a message of the last Source, its prefix included */
};

typedef struct call {
    echo_server *server;
    vmx_mock_record record;
    vmx_header back[MAX_HEADERS];
    vmx_mock_answer answer;
} call;

static bool
is_method(const call *c, const char *name)
{
    return c->record.method.len == strlen(name) && memcmp(c->record.method.ptr, name, c->record.method.len) == 0;
}

static vmx_str
header(const call *c, const char *key)
{
    return vmx_mock_record_header(&c->record, vmx_str_from(key));
}

/* Values that are recorded end in NUL. */
static size_t
header_number(const call *c, const char *key)
{
    vmx_str value = header(c, key);
    return value.ptr != NULL ? (size_t)strtoul(value.ptr, NULL, 10) : 0;
}

static void
send_back_headers(call *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->record.header_count && count < MAX_HEADERS; i++) {
        const vmx_header *found = &c->record.headers[i];
        if (found->key.len > 2 && memcmp(found->key.ptr, "x-", 2) == 0)
            c->back[count++] = *found;
    }
    c->answer.headers = c->answer.trailers = c->back;
    c->answer.header_count = c->answer.trailer_count = count;
}

/* The messages' bytes without what is before each of them. */
static void
answer_sink(call *c, vmx_mock_call *core)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", c->record.body.len - PREFIX_BYTES * c->record.message_count);
    c->answer.message = vmx_str_from(text);
    vmx_mock_call_answer(core, &c->answer);
}

static void
answer_source(call *c, vmx_mock_call *core)
{
    size_t count = header_number(c, "count"), size = header_number(c, "size");
    size = size < 4 ? 4 : size;
    vmx_str *messages = calloc(count, sizeof *messages);
    char *bytes = calloc(count, size);
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < 4; n++)
            bytes[i * size + n] = (char)(i >> (8 * n));
        messages[i] = (vmx_str){bytes + i * size, size};
    }
    atomic_store(&c->server->source_bytes, PREFIX_BYTES + size);
    c->answer.messages = messages;
    c->answer.message_count = count;
    vmx_mock_call_answer(core, &c->answer);
    free(messages);
    free(bytes);
}

static void
choose_answer(call *c)
{
    vmx_mock_answer *answer = &c->answer;
    if (is_method(c, "/test/Echo") || is_method(c, "/test/Stream")) {
        answer->echo = true;
        answer->early = is_method(c, "/test/Stream");
    } else if (is_method(c, "/test/Status")) {
        answer->grpc_code = (int32_t)header_number(c, "code");
        answer->details = header(c, "text");
    } else if (is_method(c, "/test/Silent")) {
        answer->fault = VMX_MOCK_STALL;
    } else if (is_method(c, "/test/Deaf")) {
        answer->early = true;
        answer->fault = VMX_MOCK_DEAF;
        answer->when = VMX_MOCK_INSIDE;
    } else {
        answer->grpc_code = 12;
    }
}

/* Called when the headers have come; Sink and Source wait for the rest. */
static void
handle(void *user, vmx_mock_call *core)
{
    call c = {.server = user};
    vmx_mock_record_init(&c.record, sizeof c.record);
    vmx_mock_call_record(core, &c.record);
    vmx_mock_answer_init(&c.answer, sizeof c.answer);
    send_back_headers(&c);
    bool sink = is_method(&c, "/test/Sink"), source = is_method(&c, "/test/Source");
    if ((sink || source) && c.record.complete_us < 0) {
        vmx_mock_call_await(core);
    } else if (sink) {
        answer_sink(&c, core);
    } else if (source) {
        answer_source(&c, core);
    } else {
        choose_answer(&c);
        vmx_mock_call_answer(core, &c.answer);
    }
}

echo_server *
echo_server_start(int port, const char *certificate_pem, const char *key_pem)
{
    echo_server *server = calloc(1, sizeof *server);
    vmx_mock_options options;
    vmx_mock_options_init(&options, sizeof options);
    options.port = port;
    options.tls_certificate = vmx_str_from(certificate_pem);
    options.tls_key = vmx_str_from(key_pem);
    options.max_records = 1;
    options.handler = handle;
    options.early_handler = true;
    options.user = server;
    vmx_error error;
    if (vmx_mock_start(&options, &server->mock, &error) != VMX_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return server;
}

int
echo_server_port(const echo_server *server)
{
    return vmx_mock_port(server->mock);
}

size_t
echo_server_messages_sent(const echo_server *server)
{
    vmx_mock_counters counters;
    vmx_mock_counters_init(&counters, sizeof counters);
    vmx_mock_count(server->mock, &counters);
    size_t each = atomic_load(&server->source_bytes);
    return each > 0 ? counters.body_bytes / each : 0;
}

void
echo_server_stop(echo_server *server)
{
    vmx_mock_stop(server->mock);
    free(server);
}
