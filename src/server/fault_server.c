#include "server/fault_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/number.h"
#include "server/limits.h"

#define MAX_PEM_BYTES     (1 << 20)
#define MAX_REPLY_HEADERS 8
#define PREFIX_BYTES      5

struct vmxd_fault_server {
    vmxd_server_options options; /* handler and user */
    vmxd_faults *faults;
    vmx_random random; /* the mock's thread */
    vmx_mock *mock;
    int port;
};

/* A call that the service has. */
typedef struct job {
    vmxd_fault_server *server;
    vmx_mock_call *call;
    const vmxd_fault *rule; /* NULL: all goes well */
    size_t message_count;
    vmx_str messages[]; /* of the request; the mock keeps their bytes */
} job;

/* --- calls --------------------------------------------------------------------------------------------------------- */

static void
add_trailer(vmx_mock_answer *answer, const vmxd_fault *rule, vmx_header *trailer)
{
    if (rule->trailer.key.ptr == NULL)
        return;
    *trailer = (vmx_header){rule->trailer.key, vmx_str_from(rule->trailer_value)};
    answer->trailers = trailer;
    answer->trailer_count = 1;
}

/* On the wire. */
static size_t
reply_bytes(const vmxd_answer *answered)
{
    size_t bytes = answered->message_count == 0 ? PREFIX_BYTES + answered->message.len : 0;
    for (size_t i = 0; i < answered->message_count; i++)
        bytes += PREFIX_BYTES + answered->messages[i].len;
    return bytes;
}

/* The service's answer, with what the rule adds to it. */
static void
on_answered(void *user, const vmxd_answer *answered)
{
    job *self = user;
    vmx_mock_answer answer;
    vmx_mock_answer_init(&answer, sizeof answer);
    if (self->rule != NULL)
        answer = self->rule->answer;
    answer.grpc_code = answered->code;
    answer.details = answered->text;
    answer.message = answered->message;
    answer.messages = answered->messages;
    answer.message_count = answered->message_count;
    answer.headers = answered->headers;
    answer.header_count = answered->header_count;
    answer.cut_bytes = reply_bytes(answered) / 2;
    vmx_mock_call_answer(self->call, &answer);
    vmx_dealloc(self);
}

/* The messages of a request's body, each behind a flag and its length. */
static void
split_messages(vmx_str body, job *self)
{
    for (size_t i = 0, at = 0; i < self->message_count; i++) {
        const uint8_t *prefix = (const uint8_t *)body.ptr + at;
        size_t len = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
        self->messages[i] = (vmx_str){body.ptr + at + PREFIX_BYTES, len};
        at += PREFIX_BYTES + len;
    }
}

/* A stream is served when all of its request has come, and answered when its reply is complete. */
static bool
serve(vmxd_fault_server *server, vmx_mock_call *call, const vmx_mock_record *record, const vmxd_fault *rule)
{
    job *self = vmx_calloc(1, sizeof *self + record->message_count * sizeof self->messages[0]);
    if (self == NULL)
        return false;
    *self = (job){.server = server, .call = call, .rule = rule, .message_count = record->message_count};
    split_messages(record->body, self);
    vmxd_outside_call outside = {.path = record->method,
                                 .messages = self->messages,
                                 .message_count = self->message_count,
                                 .headers = record->headers,
                                 .header_count = record->header_count,
                                 .answered = on_answered,
                                 .user = self};
    vmxd_call *inside = vmxd_call_from_outside(&outside);
    if (inside == NULL) {
        vmx_dealloc(self);
        return false;
    }
    server->options.handle(server->options.user, inside);
    return true;
}

/* First when a call's headers have come, then, unless a rule has hit it, when all of it has. */
static void
on_call(void *user, vmx_mock_call *call)
{
    vmxd_fault_server *server = user;
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    vmx_mock_call_record(call, &record);
    vmxd_fault *rule = vmxd_faults_choose(server->faults, record.method, !record.awaited, &server->random);
    if (rule == NULL && !record.awaited) {
        vmx_mock_call_await(call);
        return;
    }
    if (rule == NULL || rule->served) {
        if (!serve(server, call, &record, rule))
            vmx_mock_call_answer(call, NULL);
        return;
    }
    vmx_header trailer;
    vmx_mock_answer answer = rule->answer;
    add_trailer(&answer, rule, &trailer);
    vmx_mock_call_answer(call, &answer);
}

/* --- start and stop ------------------------------------------------------------------------------------------------ */

static bool
read_pem(const char *option, const char *path, vmx_buffer *pem, vmxd_status *status)
{
    vmx_error error;
    if (path == NULL || vmx_file_read(vmx_str_from(path), MAX_PEM_BYTES, pem, &error) == VMX_OK)
        return true;
    return vmxd_invalid(status, "%s %s", option, error.message);
}

/* "host:port", IPv6 in brackets. */
static bool
read_listen(const char *listen, vmx_mock_options *out, vmxd_status *status)
{
    const char *colon = strrchr(listen, ':');
    int64_t port;
    if (colon == NULL || !vmx_integer_parse(vmx_str_from(colon + 1), false, &port) || port < 0 || port > 65535)
        return vmxd_invalid(status, "--listen \"%s\": no port; write host:port", listen);
    vmx_str host = {listen, (size_t)(colon - listen)};
    if (host.len > 2 && host.ptr[0] == '[')
        host = (vmx_str){host.ptr + 1, host.len - 2};
    out->host = host;
    out->port = (int32_t)port;
    return true;
}

static bool
start_mock(vmxd_fault_server *server, const vmxd_server_options *options, vmxd_status *status)
{
    vmx_mock_options mock;
    vmx_mock_options_init(&mock, sizeof mock);
    mock.handler = on_call;
    mock.early_handler = true;
    mock.user = server;
    mock.max_request_bytes = VMXD_MAX_RECEIVE_BYTES;
    mock.max_records = 1;
    mock.max_recorded_bytes = 1;
    vmx_buffer cert = {0}, key = {0};
    vmx_error error;
    bool started = false;
    if (read_listen(options->listen, &mock, status) && read_pem("--tls-cert", options->tls_cert, &cert, status) &&
        read_pem("--tls-key", options->tls_key, &key, status)) {
        mock.tls_certificate = (vmx_str){(const char *)cert.data, cert.len};
        mock.tls_key = (vmx_str){(const char *)key.data, key.len};
        started = vmx_mock_start(&mock, &server->mock, &error) == VMX_OK;
        if (!started)
            vmxd_invalid(status, "--listen \"%s\": %s", options->listen, error.message);
    }
    vmx_buffer_free(&cert);
    vmx_buffer_free(&key);
    return started;
}

vmxd_fault_server *
vmxd_fault_server_start(const vmxd_server_options *options, vmxd_faults *faults, vmxd_status *status)
{
    vmxd_fault_server *server = vmx_calloc(1, sizeof *server);
    if (server == NULL) {
        vmxd_no_memory(status);
        return NULL;
    }
    if (!faults->has_seed) {
        vmx_random_seed_system(&server->random);
        faults->seed = vmx_random_up_to(&server->random, UINT32_MAX);
    }
    vmx_random_seed(&server->random, faults->seed);
    server->options = *options;
    server->faults = faults;
    if (!start_mock(server, options, status)) {
        vmx_dealloc(server);
        return NULL;
    }
    server->port = vmx_mock_port(server->mock);
    fprintf(stderr, "vecmuxd: faults with --fault-seed %" PRIu64 "\n", faults->seed);
    return server;
}

int
vmxd_fault_server_port(const vmxd_fault_server *server)
{
    return server->port;
}

void
vmxd_fault_server_stop(vmxd_fault_server *server)
{
    vmx_mock_stop(server->mock);
}

void
vmxd_fault_server_free(vmxd_fault_server *server)
{
    for (size_t i = 0; i < server->faults->count; i++) {
        const vmxd_fault *rule = &server->faults->rules[i];
        fprintf(stderr, "vecmuxd: --fault %s: %" PRIu64 " of %" PRIu64 " calls\n", rule->text, rule->hits, rule->calls);
    }
    vmx_dealloc(server);
}
