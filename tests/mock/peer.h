/*
 * tests/mock/peer.h: a plain HTTP/2 client that sees every frame, to hold the mock to its word. Blocking, one thread.
 */
#ifndef TESTS_MOCK_PEER_H
#define TESTS_MOCK_PEER_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_CALLS = 8, PEER_BODY = 1 << 17 };

/* What came of one call. */
typedef struct peer_reply {
    int http_status;     /* 0: no headers came */
    int grpc_status;     /* -1: none */
    char headers[1024];  /* "key=value;" of the first header block */
    char trailers[1024]; /* of the last, if it is another one */
    size_t blocks;       /* header blocks */
    uint8_t body[PEER_BODY];
    size_t body_len;
    bool ended;                          /* by END_STREAM */
    int64_t rst_code;                    /* -1: not reset */
    int64_t first_byte_ms, last_byte_ms; /* of the body, after the call was sent */
    int64_t ended_ms;
} peer_reply;

typedef struct peer {
    int fd;
    nghttp2_session *session;
    bool closed;         /* FIN or RST came */
    bool reset;          /* RST */
    bool broken;         /* what came is no HTTP/2 */
    int64_t goaway_code; /* -1: none */
    int32_t goaway_last;
    int64_t started_ms;
    const uint8_t *message[PEER_CALLS]; /* with prefix */
    size_t message_len[PEER_CALLS], message_at[PEER_CALLS];
    peer_reply replies[PEER_CALLS]; /* call i has the stream id 2 * i + 1 */
    size_t calls;
} peer;

/* Connects to 127.0.0.1; aborts the test if that fails. */
peer *
peer_open(int port);
void
peer_close(peer *self);

/* Sends a unary call; `whole` false: without END_STREAM. `prefixed` is the body as it is. */
peer_reply *
peer_call(peer *self, const char *method, const uint8_t *prefixed, size_t len, bool whole);

/* Reads until the call has ended (END_STREAM or RST_STREAM), the connection has, or the time is over. */
void
peer_wait(peer *self, const peer_reply *reply, int64_t timeout_ms);

#endif
