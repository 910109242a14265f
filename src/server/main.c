/* vecmuxd: the development server. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/sync.h"
#include "server/options.h"
#include "server/port_file.h"
#include "server/server.h"
#include "server/service.h"

#define STOP_GRACE_MS 10000

static vmxd_server *
start(const vmxd_options *options, vmxd_service *service, vmxd_status *status)
{
    vmxd_server_options server = {.listen = options->listen,
                                  .tls_cert = options->tls_cert,
                                  .tls_key = options->tls_key,
                                  .threads = options->threads,
                                  .handle = vmxd_service_handle,
                                  .user = service};
    return vmxd_server_start(&server, status);
}

static void
announce(const vmxd_options *options, int port)
{
    int host_len = (int)(strrchr(options->listen, ':') - options->listen);
    fprintf(stderr, "vecmuxd " VMXD_VERSION ": listening on %.*s:%d%s; everything is kept in memory and lost at exit\n",
            host_len, options->listen, port, options->tls_cert ? " with TLS" : "");
}

static void
wait_for_signal(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int received = 0;
    while (sigwait(&signals, &received) != 0)
        continue;
    fprintf(stderr, "vecmuxd: signal %d, stopping\n", received);
}

/* Serves until a signal comes. */
static bool
serve(const vmxd_options *options, vmxd_service *service, vmxd_status *status)
{
    vmxd_server *server = start(options, service, status);
    if (!server)
        return false;
    int port = vmxd_server_port(server);
    bool told = !options->port_file || vmxd_port_file_write(options->port_file, port, status);
    if (told) {
        announce(options, port);
        wait_for_signal();
    }
    vmxd_server_stop(server, STOP_GRACE_MS);
    return told;
}

static bool
run(const vmxd_options *options, vmxd_status *status)
{
    vmxd_service service = {.api_key = options->api_key, .store = vmxd_store_new(&options->store)};
    if (service.store)
        service.search = vmxd_search_start(options->threads);
    bool done = service.search ? serve(options, &service, status) : vmxd_no_memory(status);
    if (service.search)
        vmxd_search_stop(service.search);
    vmxd_store_free(service.store);
    return done;
}

int
main(int argc, char **argv)
{
    vmxd_options options;
    int exit_code;
    if (!vmxd_options_parse(&options, argc, argv, &exit_code))
        return exit_code;
    vmx_signals_block(); /* in every thread to come: only wait_for_signal takes them */
    grpc_init();
    vmxd_status status;
    bool done = run(&options, &status);
    if (!done)
        fprintf(stderr, "vecmuxd: %s\n", status.text);
    grpc_shutdown_blocking();
    return done ? 0 : 1;
}
