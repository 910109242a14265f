#include "server/server.h"

#include <grpc/grpc_security.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/sync.h"
#include "core/tsan.h"
#include "server/limits.h"

#define CALLS_AWAITED_PER_LOOP 64
#define MAX_PEM_BYTES          (1 << 20)
#define MIN_PING_INTERVAL_MS   1000
#define SLOW_CALLS_MS          10000

typedef struct loop {
    grpc_completion_queue *queue;
    pthread_t thread;
} loop;

struct vmxd_server {
    vmxd_tag stopped_tag; /* first: the event that no call is left */
    vmxd_acceptor acceptor;
    int port;
    loop *loops;
    unsigned loop_count;
    unsigned threads_started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped; /* locked */
};

static void *
loop_main(void *arg)
{
    loop *self = arg;
    for (;;) {
        grpc_event event = grpc_completion_queue_next(self->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        vmxd_tag *tag = event.tag;
        vmx_tsan_acquire(tag);
        tag->run(tag, event.success != 0);
    }
}

static void
on_stopped(vmxd_tag *tag, bool ok)
{
    (void)ok;
    vmxd_server *server = (vmxd_server *)tag;
    pthread_mutex_lock(&server->lock);
    server->stopped = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static grpc_server *
create_core(void)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = VMXD_MAX_RECEIVE_BYTES},
        /* a port that is taken is an error, not a port shared with a stranger */
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0},
        /* clients under test ping as often as they like */
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         .value.integer = MIN_PING_INTERVAL_MS},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_HTTP2_MAX_PING_STRIKES, .value.integer = 0},
    };
    grpc_channel_args list = {sizeof args / sizeof args[0], args};
    return grpc_server_create(&list, NULL);
}

/* The file's text, ended by NUL, in `pem`. */
static bool
read_pem(const char *option, const char *path, vmx_buffer *pem, vmxd_status *status)
{
    vmx_error error;
    if (vmx_file_read(vmx_str_from(path), MAX_PEM_BYTES, pem, &error) != VMX_OK)
        return vmxd_invalid(status, "%s %s", option, error.message);
    vmx_buffer_append_byte(pem, '\0');
    return pem->failed ? vmxd_no_memory(status) : true;
}

static grpc_server_credentials *
create_tls_credentials(const vmxd_server_options *options, vmxd_status *status)
{
    vmx_buffer cert = {0}, key = {0};
    grpc_server_credentials *credentials = NULL;
    if (read_pem("--tls-cert", options->tls_cert, &cert, status) &&
        read_pem("--tls-key", options->tls_key, &key, status)) {
        grpc_ssl_pem_key_cert_pair pair = {(const char *)key.data, (const char *)cert.data};
        credentials = grpc_ssl_server_credentials_create(NULL, &pair, 1, 0, NULL);
        if (!credentials)
            vmxd_invalid(status, "--tls-cert \"%.128s\" and --tls-key \"%.128s\" were refused", options->tls_cert,
                         options->tls_key);
    }
    vmx_buffer_free(&cert);
    vmx_buffer_free(&key);
    return credentials;
}

int
vmxd_core_listen(grpc_server *core, const vmxd_server_options *options, vmxd_status *status)
{
    grpc_server_credentials *credentials =
        options->tls_cert ? create_tls_credentials(options, status) : grpc_insecure_server_credentials_create();
    if (!credentials)
        return 0;
    int port = grpc_server_add_http2_port(core, options->listen, credentials);
    grpc_server_credentials_release(credentials);
    if (port > 0)
        return port;
    vmxd_invalid(status, "--listen \"%s\": cannot listen there; give a free host:port%s", options->listen,
                 options->tls_cert ? ", and a certificate that fits its key" : "");
    return 0;
}

static bool
create_loops(vmxd_server *server, unsigned count)
{
    server->loops = vmx_calloc(count, sizeof *server->loops);
    if (!server->loops)
        return false;
    for (; server->loop_count < count; server->loop_count++) {
        grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
        server->loops[server->loop_count].queue = queue;
        grpc_server_register_completion_queue(server->acceptor.server, queue, NULL);
    }
    return true;
}

static bool
start_threads(vmxd_server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        for (int n = 0; n < CALLS_AWAITED_PER_LOOP; n++)
            vmxd_call_accept(&server->acceptor, server->loops[i].queue);
        if (!vmx_thread_start(&server->loops[i].thread, "vecmuxd-loop", loop_main, &server->loops[i]))
            return false;
        server->threads_started++;
    }
    return true;
}

vmxd_server *
vmxd_server_start(const vmxd_server_options *options, vmxd_status *status)
{
    vmxd_server *server = vmx_calloc(1, sizeof *server);
    if (!server) {
        vmxd_no_memory(status);
        return NULL;
    }
    pthread_mutex_init(&server->lock, NULL);
    vmx_cond_init(&server->changed);
    server->stopped_tag.run = on_stopped;
    server->acceptor = (vmxd_acceptor){.server = create_core(), .handle = options->handle, .user = options->user};
    if (!create_loops(server, options->threads))
        vmxd_no_memory(status);
    else if ((server->port = vmxd_core_listen(server->acceptor.server, options, status)) > 0) {
        grpc_server_start(server->acceptor.server);
        if (start_threads(server))
            return server;
        vmxd_refuse(status, GRPC_STATUS_INTERNAL, "cannot start a thread; lower --threads %u", options->threads);
    }
    vmxd_server_stop(server, 0);
    return NULL;
}

int
vmxd_server_port(const vmxd_server *server)
{
    return server->port;
}

static bool
wait_stopped(vmxd_server *server, int64_t timeout_ms)
{
    uint64_t deadline = vmx_deadline_us(vmx_monotonic_us(), timeout_ms);
    bool in_time = true;
    pthread_mutex_lock(&server->lock);
    while (!server->stopped && in_time)
        in_time = vmx_cond_wait(&server->changed, &server->lock, deadline);
    bool stopped = server->stopped;
    pthread_mutex_unlock(&server->lock);
    return stopped;
}

/* The core says that it has stopped when no connection is left. A call may still be served then, and begins a batch with its
 * answer: on a queue that was shut down the core would abort. How long that may take is the disk's to say. */
static void
wait_for_calls(vmxd_server *server)
{
    size_t left;
    for (int i = 0; (left = atomic_load(&server->acceptor.calls)) > 0; i++) {
        if (i == SLOW_CALLS_MS)
            fprintf(stderr, "vecmuxd: still served: %zu calls; it stops when they have ended\n", left);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

void
vmxd_server_stop(vmxd_server *server, int64_t grace_ms)
{
    if (server->port > 0) {
        vmx_tsan_release(&server->stopped_tag);
        grpc_server_shutdown_and_notify(server->acceptor.server, server->loops[0].queue, &server->stopped_tag);
    }
    if (server->threads_started > 0 && !wait_stopped(server, grace_ms)) {
        grpc_server_cancel_all_calls(server->acceptor.server);
        wait_stopped(server, VMX_FOREVER);
    }
    if (server->threads_started == server->loop_count)
        wait_for_calls(server);
    for (unsigned i = 0; i < server->loop_count; i++)
        grpc_completion_queue_shutdown(server->loops[i].queue);
    for (unsigned i = 0; i < server->loop_count; i++) {
        if (i < server->threads_started)
            pthread_join(server->loops[i].thread, NULL);
        else /* never started: its events are taken here */
            loop_main(&server->loops[i]);
        grpc_completion_queue_destroy(server->loops[i].queue);
    }
    grpc_server_destroy(server->acceptor.server);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    vmx_dealloc(server->loops);
    vmx_dealloc(server);
}
