/*
 * mock/listener.h: a listening port that can be closed for a time without being lost.
 */
#ifndef VMX_MOCK_LISTENER_H
#define VMX_MOCK_LISTENER_H

#include <sys/socket.h>
#include <vecmux/types.h>

#include "mock/loop.h"

typedef struct vmx_mock_listener {
    vmx_mock_source source; /* first; fd -1 while closed */
    vmx_mock_timer reopen;
    vmx_mock_loop *loop;
    int reserve; /* bound, never listening: keeps the port while the listener is closed */
    struct sockaddr_storage address;
    socklen_t address_len;
    void (*accepted)(struct vmx_mock_listener *listener, int fd); /* takes the socket over */
} vmx_mock_listener;

/* "host", "port" as numbers or names into an address. VMX_ERR_INVALID. */
vmx_status
vmx_mock_resolve(vmx_str host, int port, struct sockaddr_storage *address, socklen_t *len, vmx_error *error);

/* Binds and listens, not yet in a loop; port 0 becomes a real one. VMX_ERR_INVALID, VMX_ERR_IO. */
vmx_status
vmx_mock_listener_open(vmx_mock_listener *listener, vmx_str host, int port, vmx_error *error);

/* Puts it into the loop, whose lock is held. */
bool
vmx_mock_listener_watch(vmx_mock_listener *listener, vmx_mock_loop *loop);

int
vmx_mock_listener_port(const vmx_mock_listener *listener);

/* With the lock: connections are refused for so long; 0 ends it. */
void
vmx_mock_listener_refuse(vmx_mock_listener *listener, int64_t for_ms);

/* After the loop has stopped. */
void
vmx_mock_listener_close(vmx_mock_listener *listener);

#endif
