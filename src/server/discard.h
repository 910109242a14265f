/*
 * server/discard.h: a sink for measuring clients. Requests are counted, not decoded, and answered with replies that were
 * packed once (but an upsert's, which tells how many records came), so that the server costs little.
 */
#ifndef VMXD_DISCARD_H
#define VMXD_DISCARD_H

#include "server/server.h"

typedef struct vmxd_discard vmxd_discard;

typedef struct vmxd_discard_options {
    bool wanted;
    uint32_t matches;   /* of the reply to a query */
    uint32_t dimension; /* of the values of each match; 0: none */
    bool metadata;      /* matches have some */
    /* Calls that are kept open: the oldest is answered when more come, all when nothing comes for 50 ms. */
    uint32_t hold;
} vmxd_discard_options;

/* Listens and serves on one thread. Between grpc_init and grpc_shutdown. NULL with the reason in `status`. */
vmxd_discard *
vmxd_discard_start(const vmxd_server_options *server, const vmxd_discard_options *options, vmxd_status *status);

int
vmxd_discard_port(const vmxd_discard *discard);

/* Cancels what is open, prints on stderr how many calls there were, of which methods, their bytes, and how many were open
 * at once, and frees everything. */
void
vmxd_discard_stop(vmxd_discard *discard);

#endif
