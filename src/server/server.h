/*
 * server/server.h: a gRPC server: a listening port, one NEXT completion queue and thread per loop, calls by call.h.
 */
#ifndef VMXD_SERVER_H
#define VMXD_SERVER_H

#include "server/call.h"

typedef struct vmxd_server vmxd_server;

typedef struct vmxd_server_options {
    const char *listen;   /* "host:port"; port 0: a free one */
    const char *tls_cert; /* path of the PEM certificate chain, or NULL for plain text */
    const char *tls_key;  /* path of its PEM private key */
    unsigned threads;     /* loops, at least 1 */
    void (*handle)(void *user, vmxd_call *call);
    void *user;
} vmxd_server_options;

/* Listens and serves. Between grpc_init and grpc_shutdown. NULL with the reason in `status`. */
vmxd_server *
vmxd_server_start(const vmxd_server_options *options, vmxd_status *status);

/* The port it listens on. */
int
vmxd_server_port(const vmxd_server *server);

/*
 * Takes no new calls, gives those in flight `grace_ms` to finish, cancels the rest, and frees everything. Handlers that
 * answer from other threads must still be able to.
 */
void
vmxd_server_stop(vmxd_server *server, int64_t grace_ms);

/* For servers with a loop of their own: lets `core` listen where the options say; the port, or 0 with the reason. */
int
vmxd_core_listen(grpc_server *core, const vmxd_server_options *options, vmxd_status *status);

#endif
