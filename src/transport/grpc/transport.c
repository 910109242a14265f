#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/grpc/guest.h"
#include "transport/grpc/internal.h"

/* A connection's writes are given up after its keepalive timeout; this is the allowance for what follows. */
enum { LINGER_MARGIN_MS = 5000 };

static uint64_t
now(vmx_transport *transport)
{
    (void)transport;
    return vmx_monotonic_us();
}

/* --- counting channels -------------------------------------------------------------------------------------------- */

vmx_grpc_loop *
vmx_grpc_transport_enter(vmx_grpc_transport *transport, int64_t keepalive_timeout_ms)
{
    pthread_mutex_lock(&transport->lock);
    transport->channel_count++;
    if (keepalive_timeout_ms > transport->linger_ms)
        transport->linger_ms = keepalive_timeout_ms;
    vmx_loop *home = transport->base.loops[transport->next_home++ % transport->base.loop_count];
    pthread_mutex_unlock(&transport->lock);
    return (vmx_grpc_loop *)home;
}

static void
wake_all(vmx_grpc_transport *transport)
{
    for (size_t i = 0; i < transport->base.loop_count; i++)
        vmx_grpc_wake(transport->base.loops[i]);
}

/* The lock is held while waking: until it is free no thread finds that all is over, so no loop goes away meanwhile. */
void
vmx_grpc_transport_leave(vmx_grpc_transport *transport)
{
    pthread_mutex_lock(&transport->lock);
    transport->channel_count--;
    if (transport->channel_count == 0 && atomic_load(&transport->stopping))
        wake_all(transport);
    pthread_mutex_unlock(&transport->lock);
}

static bool
is_over(vmx_grpc_transport *transport)
{
    if (!atomic_load_explicit(&transport->stopping, memory_order_acquire))
        return false;
    pthread_mutex_lock(&transport->lock);
    bool over = transport->channel_count == 0;
    pthread_mutex_unlock(&transport->lock);
    return over;
}

/* --- freeing ------------------------------------------------------------------------------------------------------ */

/*
 * After a write that had to wait, the core's "backup poller" sleeps up to 10 s in epoll, and grpc_shutdown_blocking waits
 * for it (1.51.1). Any event wakes it: a connection of our own that hangs up.
 */
static void
wake_backup_poller(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create_from_fd("nowhere", ends[0], credentials, NULL);
    close(ends[1]);
    grpc_channel_destroy(channel);
    grpc_channel_credentials_release(credentials);
}

/* Gives everything back; no thread of the transport runs but perhaps this one, which then must not wait for the core. */
static void
destroy(vmx_grpc_transport *transport, bool wait)
{
    for (size_t i = 0; i < transport->base.loop_count; i++)
        vmx_grpc_loop_free((vmx_grpc_loop *)transport->base.loops[i]);
    if (transport->nowhere != NULL)
        grpc_channel_destroy(transport->nowhere);
    pthread_cond_destroy(&transport->thread_ended);
    pthread_mutex_destroy(&transport->lock);
    vmx_buffer_free(&transport->system_roots);
    vmx_dealloc(transport->base.loops);
    vmx_dealloc(transport);
    sigset_t old = vmx_signals_block();
    wake_backup_poller();
    if (wait)
        grpc_shutdown_blocking();
    else
        grpc_shutdown();
    vmx_signals_restore(old);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Counts this thread out; the last one frees a transport that nobody waits for. */
static void
thread_end(vmx_grpc_transport *transport)
{
    pthread_mutex_lock(&transport->lock);
    bool last = --transport->running == 0 && transport->left_to_threads;
    pthread_cond_signal(&transport->thread_ended);
    pthread_mutex_unlock(&transport->lock);
    if (last)
        destroy(transport, false);
}

static void *
run_loop(void *arg)
{
    vmx_loop *loop = arg;
    vmx_grpc_transport *transport = (vmx_grpc_transport *)loop->transport;
    vmx_guest_is_home();
    while (!is_over(transport))
        vmx_grpc_drive(loop, VMX_NEVER);
    thread_end(transport);
    return NULL;
}

static bool
start_thread(vmx_grpc_transport *transport, size_t i)
{
    vmx_grpc_loop *loop = (vmx_grpc_loop *)transport->base.loops[i];
    char name[16];
    snprintf(name, sizeof name, "vmx-io-%u", (unsigned)(i % 1000));
    pthread_mutex_lock(&transport->lock);
    bool started = vmx_thread_start(&loop->thread, name, run_loop, loop);
    transport->running += started;
    pthread_mutex_unlock(&transport->lock);
    return started;
}

static bool
is_own_thread(const vmx_grpc_transport *transport)
{
    for (size_t i = 0; i < transport->base.loop_count; i++) {
        if (vmx_grpc_loop_is_here((const vmx_grpc_loop *)transport->base.loops[i]))
            return true;
    }
    return false;
}

/* --- shutdown ----------------------------------------------------------------------------------------------------- */

static uint64_t
linger_deadline(const vmx_grpc_transport *transport)
{
    return vmx_deadline_us(vmx_monotonic_us(), transport->linger_ms + LINGER_MARGIN_MS);
}

/* The threads free the transport, or this one if they have ended already. */
static void
leave_to_threads(vmx_grpc_transport *transport)
{
    for (size_t i = 0; i < transport->base.loop_count; i++)
        pthread_detach(((vmx_grpc_loop *)transport->base.loops[i])->thread);
    pthread_mutex_lock(&transport->lock);
    transport->left_to_threads = true;
    bool ended = transport->running == 0;
    wake_all(transport);
    pthread_mutex_unlock(&transport->lock);
    if (ended)
        destroy(transport, false);
}

static void
join_threads(vmx_grpc_transport *transport)
{
    uint64_t deadline_us = linger_deadline(transport);
    pthread_mutex_lock(&transport->lock);
    wake_all(transport);
    bool in_time = true;
    while (transport->running > 0 && in_time)
        in_time = vmx_cond_wait(&transport->thread_ended, &transport->lock, deadline_us);
    bool ended = transport->running == 0;
    pthread_mutex_unlock(&transport->lock);
    if (!ended) {
        leave_to_threads(transport);
        return;
    }
    for (size_t i = 0; i < transport->base.loop_count; i++)
        pthread_join(((vmx_grpc_loop *)transport->base.loops[i])->thread, NULL);
    destroy(transport, true);
}

/* The end of a driven transport that nobody drives any more. */
static void *
run_last(void *arg)
{
    vmx_grpc_transport *transport = arg;
    while (!is_over(transport))
        vmx_grpc_drive(transport->base.loops[0], VMX_NEVER);
    destroy(transport, false);
    return NULL;
}

/* False when there was no time, or no thread, for the rest. */
static bool
drive_to_end(vmx_grpc_transport *transport, uint64_t deadline_us)
{
    while (!is_over(transport)) {
        if (vmx_monotonic_us() >= deadline_us)
            return false;
        vmx_grpc_drive(transport->base.loops[0], deadline_us);
    }
    return true;
}

static void
finish_driven(vmx_grpc_transport *transport, bool wait)
{
    if (drive_to_end(transport, wait ? linger_deadline(transport) : 0)) {
        destroy(transport, wait);
        return;
    }
    pthread_t thread;
    if (vmx_thread_start(&thread, "vmx-io-last", run_last, transport))
        pthread_detach(thread);
    else
        run_last(transport);
}

/* An event may shut its own transport down: then the rest comes after it. */
static size_t
drive(vmx_loop *loop, uint64_t deadline_us)
{
    vmx_grpc_transport *transport = (vmx_grpc_transport *)loop->transport;
    size_t handled = vmx_grpc_drive(loop, deadline_us);
    if (transport->left_to_driver)
        finish_driven(transport, false);
    return handled;
}

static void
shut_down(vmx_transport *base, bool wait)
{
    vmx_grpc_transport *transport = (vmx_grpc_transport *)base;
    atomic_store(&transport->stopping, true);
    if (base->driven && is_own_thread(transport))
        transport->left_to_driver = true;
    else if (base->driven)
        finish_driven(transport, wait);
    else if (wait && !is_own_thread(transport))
        join_threads(transport);
    else
        leave_to_threads(transport);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static const vmx_transport_vtable vtable = {
    .now = now,
    .timer_set = vmx_grpc_timer_set,
    .timer_cancel = vmx_grpc_timer_cancel,
    .post = vmx_grpc_post,
    .drive = drive,
    .wake = vmx_grpc_wake,
    .channel_open = vmx_grpc_channel_open,
    .channel_connect = vmx_grpc_channel_connect,
    .channel_close = vmx_grpc_channel_close,
    .start = vmx_grpc_start,
    .send = vmx_grpc_send,
    .recv = vmx_grpc_recv,
    .cancel = vmx_grpc_cancel,
    .close = vmx_grpc_close,
    .shutdown = shut_down,
};

/* Allocates the loops; what was made stands in base.loop_count. */
static bool
make_loops(vmx_grpc_transport *transport, size_t count)
{
    transport->base.loops = vmx_calloc(count, sizeof *transport->base.loops);
    while (transport->base.loops != NULL && transport->base.loop_count < count) {
        vmx_grpc_loop *loop = vmx_grpc_loop_new(transport, transport->nowhere);
        if (loop == NULL)
            return false;
        transport->base.loops[transport->base.loop_count++] = &loop->base;
    }
    return transport->base.loops != NULL;
}

/* Starts the loops' threads; after a failure none runs. */
static bool
start_threads(vmx_grpc_transport *transport)
{
    size_t count = 0;
    while (count < transport->base.loop_count && start_thread(transport, count))
        count++;
    if (count == transport->base.loop_count)
        return true;
    atomic_store(&transport->stopping, true);
    wake_all(transport);
    while (count-- > 0)
        pthread_join(((vmx_grpc_loop *)transport->base.loops[count])->thread, NULL);
    return false;
}

vmx_status
vmx_grpc_transport_new(size_t io_threads, vmx_transport **out, vmx_error *error)
{
    vmx_grpc_transport *transport = vmx_calloc(1, sizeof *transport);
    if (transport == NULL)
        return vmx_error_no_memory(error);
    if (!vmx_cond_init(&transport->thread_ended)) {
        vmx_dealloc(transport);
        return vmx_error_no_memory(error);
    }
    sigset_t old = vmx_signals_block();
    grpc_init();
    transport->nowhere = grpc_lame_client_channel_create("nowhere", GRPC_STATUS_UNAVAILABLE, "not connected");
    vmx_signals_restore(old);
    transport->base.vtable = &vtable;
    transport->base.driven = io_threads == 0;
    pthread_mutex_init(&transport->lock, NULL);
    if (!make_loops(transport, io_threads > 0 ? io_threads : 1)) {
        destroy(transport, true);
        return vmx_error_no_memory(error);
    }
    if (io_threads > 0 && !start_threads(transport)) {
        destroy(transport, true);
        return vmx_error_set(error, VMX_ERR_IO, "io.threads=%zu: the system could not start a thread", io_threads);
    }
    *out = &transport->base;
    return VMX_OK;
}

void
vmx_grpc_transport_leave_signals(vmx_transport *transport)
{
    for (size_t i = 0; i < transport->loop_count; i++)
        ((vmx_grpc_loop *)transport->loops[i])->leaves_signals = true;
}
