/*
 * tests/transport/raw_server.h: a TCP listener on 127.0.0.1 that speaks just enough HTTP/2 (RFC 9113) to misbehave on
 * purpose. Each connection has a thread and does the same.
 */
#ifndef TESTS_TRANSPORT_RAW_SERVER_H
#define TESTS_TRANSPORT_RAW_SERVER_H

#include <stddef.h>

typedef enum raw_behaviour {
    RAW_ACCEPT_ONLY,    /* says nothing at all */
    RAW_SETTINGS_ONLY,  /* completes the handshake, reads, never answers */
    RAW_STOP_READING,   /* completes the handshake with wide-open windows, then reads nothing */
    RAW_REFUSE_STREAM,  /* answers every request with RST_STREAM REFUSED_STREAM */
    RAW_RESET_INTERNAL, /* RST_STREAM INTERNAL_ERROR */
    RAW_RESET_CANCEL,   /* RST_STREAM CANCEL */
    RAW_GOAWAY_BELOW,   /* GOAWAY whose last stream id is 0 */
    RAW_GOAWAY_ABOVE,   /* GOAWAY whose last stream id covers the request, then closes */
    RAW_CLOSE,          /* closes the connection at the first request */
    RAW_CLOSE_AT_ONCE,  /* closes as soon as the handshake is done */
    RAW_STATUS,         /* trailers only: grpc-status 14, grpc-message "busy" */
    RAW_STATUS_SPOOF,   /* trailers only: grpc-status 14, grpc-message "Socket closed" */
    RAW_HTTP_503,       /* :status 503 without gRPC */
    RAW_HEADERS_CLOSE   /* response headers, then closes the connection */
} raw_behaviour;

typedef struct raw_server raw_server;

raw_server *
raw_server_start(raw_behaviour behaviour);

int
raw_server_port(const raw_server *server);

/* Connections accepted so far. */
size_t
raw_server_accepted(const raw_server *server);

void
raw_server_stop(raw_server *server);

/* A port of 127.0.0.1 on which nobody listens. */
int
raw_refused_port(void);

#endif
