#include "mock/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/error.h"

enum { BACKLOG = 1024 };

vmx_status
vmx_mock_resolve(vmx_str host, int port, struct sockaddr_storage *address, socklen_t *len, vmx_error *error)
{
    char name[256], service[16];
    if (host.len >= sizeof name || port < 0 || port > 65535)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: host \"%.*s\", port %d; a port is 0 to 65535",
                             vmx_error_clip(host), host.ptr, port);
    snprintf(name, sizeof name, "%.*s", (int)host.len, host.ptr);
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int failed = getaddrinfo(name, service, &hints, &found);
    if (failed != 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "mock: host \"%.*s\": %s", vmx_error_clip(host), host.ptr,
                             gai_strerror(failed));
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return VMX_OK;
}

/* A socket bound to the address. Of several sockets with SO_REUSEADDR on one port only one may listen. */
static int
bound_socket(const struct sockaddr_storage *address, socklen_t len)
{
    int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)address, len) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int
listening_socket(const vmx_mock_listener *listener)
{
    int fd = bound_socket(&listener->address, listener->address_len);
    if (fd >= 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

vmx_status
vmx_mock_listener_open(vmx_mock_listener *listener, vmx_str host, int port, vmx_error *error)
{
    vmx_status status = vmx_mock_resolve(host, port, &listener->address, &listener->address_len, error);
    if (status != VMX_OK)
        return status;
    listener->source.fd = -1;
    listener->reserve = bound_socket(&listener->address, listener->address_len);
    if (listener->reserve >= 0) {
        socklen_t len = sizeof listener->address;
        getsockname(listener->reserve, (struct sockaddr *)&listener->address, &len);
        listener->source.fd = listening_socket(listener);
    }
    if (listener->source.fd >= 0)
        return VMX_OK;
    status = vmx_error_set(error, VMX_ERR_IO, "mock: cannot listen on %.*s:%d: %s; give a free port, or 0",
                           vmx_error_clip(host), host.ptr, port, strerror(errno));
    vmx_mock_listener_close(listener);
    return status;
}

static void
on_ready(vmx_mock_source *source, uint32_t events)
{
    (void)events;
    vmx_mock_listener *listener = (vmx_mock_listener *)source;
    int fd, on = 1;
    while (source->fd >= 0 && (fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        listener->accepted(listener, fd);
    }
}

bool
vmx_mock_listener_watch(vmx_mock_listener *listener, vmx_mock_loop *loop)
{
    listener->loop = loop;
    listener->source.ready = on_ready;
    return vmx_mock_loop_add(loop, &listener->source, EPOLLIN);
}

int
vmx_mock_listener_port(const vmx_mock_listener *listener)
{
    const struct sockaddr *address = (const struct sockaddr *)&listener->address;
    return ntohs(address->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

/* Should the port not come back, because the process is out of descriptors, it is tried again. */
static void
on_reopen(vmx_mock_timer *timer)
{
    vmx_mock_listener *listener = (vmx_mock_listener *)((char *)timer - offsetof(vmx_mock_listener, reopen));
    listener->source.fd = listening_socket(listener);
    if (listener->source.fd >= 0 && vmx_mock_listener_watch(listener, listener->loop))
        return;
    if (listener->source.fd >= 0)
        close(listener->source.fd);
    listener->source.fd = -1;
    vmx_mock_timer_set(listener->loop, timer, 10);
}

void
vmx_mock_listener_refuse(vmx_mock_listener *listener, int64_t for_ms)
{
    if (listener->source.fd >= 0 && for_ms > 0) {
        on_ready(&listener->source, 0); /* those that the kernel has already let in */
        vmx_mock_loop_remove(listener->loop, &listener->source);
        close(listener->source.fd);
        listener->source.fd = -1;
    }
    if (listener->source.fd >= 0)
        return;
    listener->reopen.fire = on_reopen;
    vmx_mock_timer_set(listener->loop, &listener->reopen, for_ms);
}

void
vmx_mock_listener_close(vmx_mock_listener *listener)
{
    if (listener->source.fd >= 0)
        close(listener->source.fd);
    if (listener->reserve >= 0)
        close(listener->reserve);
    listener->source.fd = listener->reserve = -1;
}
