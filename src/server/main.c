/* vecmuxd: the development server. */
#include <fcntl.h>
#include <malloc.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/fault_server.h"
#include "server/options.h"
#include "server/port_file.h"
#include "server/server.h"
#include "server/service.h"

#define WORKERS         2
#define STOP_GRACE_MS   10000
#define KEPT_FREE_BYTES (64 << 20)
#define MAPPED_BYTES    (32 << 20)

static vmxd_server_options
server_options(const vmxd_options *options, vmxd_service *service)
{
    return (vmxd_server_options){.listen = options->listen,
                                 .tls_cert = options->tls_cert,
                                 .tls_key = options->tls_key,
                                 .threads = options->threads,
                                 .handle = vmxd_service_handle,
                                 .user = service};
}

static void
announce(const vmxd_options *options, int port)
{
    int host_len = (int)(strrchr(options->listen, ':') - options->listen);
    const char *directory = options->journal.directory;
    fprintf(stderr, "vecmuxd " VMXD_VERSION ": listening on %.*s:%d%s; %s%s%s\n", host_len, options->listen, port,
            options->tls_cert ? " with TLS" : "",
            options->discard.wanted ? "nothing is kept"
            : directory             ? "writes are logged in "
                                    : "everything is kept in memory and lost at exit",
            directory ? directory : "", directory && options->journal.sync ? ", on the disk before the answer" : "");
}

/*
 * A handler and not a blocked signal: OpenBLAS starts threads before main, and a signal that only they take would end the
 * process.
 */
static sem_t stop_wanted;
static atomic_int stop_signal;

static void
on_signal(int number)
{
    atomic_store(&stop_signal, number);
    sem_post(&stop_wanted);
}

static void
handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sem_init(&stop_wanted, 0, 0);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever read our stderr may have gone */
    signal(SIGXFSZ, SIG_IGN); /* a log that reaches its limit is a request that fails */
}

static void
wait_for_signal(void)
{
    while (sem_wait(&stop_wanted) != 0)
        continue;
    fprintf(stderr, "vecmuxd: signal %d, stopping\n", atomic_load(&stop_signal));
}

/* Tells where the server listens and waits for a signal. */
static bool
stay(const vmxd_options *options, int port, vmxd_status *status)
{
    announce(options, port);
    bool told = !options->port_file || vmxd_port_file_write(options->port_file, port, status);
    if (told)
        wait_for_signal();
    return told;
}

static bool
serve(const vmxd_options *options, vmxd_service *service, vmxd_status *status)
{
    vmxd_server_options server = server_options(options, service);
    vmxd_server *started = vmxd_server_start(&server, status);
    if (!started)
        return false;
    bool told = stay(options, vmxd_server_port(started), status);
    vmxd_builds_quiesce(service->builds);
    vmxd_server_stop(started, STOP_GRACE_MS);
    return told;
}

/* The service may still have calls when the server has stopped: the caller frees `*started` when it has none. */
static bool
serve_faulty(vmxd_options *options, vmxd_service *service, vmxd_fault_server **started, vmxd_status *status)
{
    vmxd_server_options server = server_options(options, service);
    *started = vmxd_fault_server_start(&server, &options->faults, status);
    if (!*started)
        return false;
    bool told = stay(options, vmxd_fault_server_port(*started), status);
    vmxd_builds_quiesce(service->builds);
    vmxd_fault_server_stop(*started);
    return told;
}

static bool
serve_discarding(const vmxd_options *options, vmxd_status *status)
{
    vmxd_server_options server = server_options(options, NULL);
    vmxd_discard *started = vmxd_discard_start(&server, &options->discard, status);
    if (!started)
        return false;
    bool told = stay(options, vmxd_discard_port(started), status);
    vmxd_discard_stop(started);
    return told;
}

/* The index: what the log says, or nothing. */
static bool
open_store(const vmxd_options *options, vmxd_service *service, vmxd_status *status)
{
    if (options->journal.directory) {
        service->journal = vmxd_journal_start(&options->journal, &options->store, &service->store, status);
        return service->journal != NULL;
    }
    service->store = vmxd_store_new(&options->store);
    return service->store || vmxd_no_memory(status);
}

/* Blobs, and what is built of them. */
static bool
open_builds(const vmxd_options *options, vmxd_service *service, vmxd_status *status)
{
    service->repository = vmxd_repository_open(&options->repository, status);
    vmxd_builds_options builds = {options->repository.directory, options->build_memory_bytes, service->repository,
                                  service->store};
    service->builds = service->repository ? vmxd_builds_start(&builds, status) : NULL;
    service->workers = service->builds ? vmx_workers_new(WORKERS) : NULL;
    return service->workers || (service->builds && vmxd_no_memory(status));
}

static bool
run(vmxd_options *options, vmxd_status *status)
{
    vmxd_fault_server *faulty = NULL;
    vmxd_service service = {.api_key = options->api_key};
    if (!open_store(options, &service, status))
        return false;
    bool opened = open_builds(options, &service, status);
    service.search = opened ? vmxd_search_start(options->threads) : NULL;
    bool done = !opened                     ? false
                : !service.search           ? vmxd_no_memory(status)
                : options->faults.count > 0 ? serve_faulty(options, &service, &faulty, status)
                                            : serve(options, &service, status);
    if (service.search)
        vmxd_search_stop(service.search);
    if (service.workers)
        vmx_workers_stop(service.workers, true);
    vmx_workers_free(service.workers);
    vmxd_journal_stop(service.journal);
    if (faulty)
        vmxd_fault_server_free(faulty);
    vmxd_builds_stop(service.builds);
    vmxd_repository_close(service.repository);
    vmxd_store_free(service.store);
    return done;
}

/*
 * A standard descriptor that was closed, as where a service is started without any, would be the next file's or
 * connection's, and what we tell would go there. open() takes the lowest number that is free. This runs before the
 * constructors of libraries, of which gRPC's opens a descriptor, and so before a sanitizer is ready.
 */
__attribute__((no_sanitize("address", "thread", "undefined"))) static void
keep_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (syscall(SYS_fcntl, fd, F_GETFD) < 0)
            syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
}

typedef void
on_start(void);
__attribute__((section(".preinit_array"), used)) static on_start *const before_libraries = keep_standard_descriptors;

/* Messages of a MiB come and go: without this each is memory from the kernel, cleared page by page, and given back, which
 * is most of what receiving it costs. */
static void
keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES);
}

int
main(int argc, char **argv)
{
    vmxd_options options;
    int exit_code;
    if (!vmxd_options_parse(&options, argc, argv, &exit_code))
        return exit_code;
    keep_freed_memory();
    handle_signals();
    grpc_init();
    vmxd_status status;
    bool done = options.discard.wanted ? serve_discarding(&options, &status) : run(&options, &status);
    if (!done)
        fprintf(stderr, "vecmuxd: %s\n", status.text);
    grpc_shutdown_blocking();
    return done ? 0 : 1;
}
