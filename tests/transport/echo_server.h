/*
 * tests/transport/echo_server.h: a small gRPC server in a thread of this process, on libvecmux-mock.
 *
 * Methods (all messages are bytes; all return the request's headers that begin with "x-" in both the initial
 * metadata and the trailers):
 *   /test/Echo    unary: the request
 *   /test/Status  unary: ends with the code of header "code" and the text of header "text", without a message
 *   /test/Silent  never answers
 *   /test/Stream  both directions: every message comes back; ends after the client's half-close
 *   /test/Sink    client streaming: one message with the number of bytes received, as decimal text
 *   /test/Source  server streaming: after one request, `count` messages of `size` bytes (headers), each beginning with its
 *                 number as four bytes, little-endian
 *   /test/Deaf    answers with headers, then reads nothing
 * Anything else is UNIMPLEMENTED.
 */
#ifndef TESTS_TRANSPORT_ECHO_SERVER_H
#define TESTS_TRANSPORT_ECHO_SERVER_H

#include <stddef.h>

typedef struct echo_server echo_server;

/* Listens on 127.0.0.1; `port` 0 takes a free one. With `certificate_pem` and `key_pem` it speaks TLS. Aborts on
 * failure. */
echo_server *
echo_server_start(int port, const char *certificate_pem, const char *key_pem);

int
echo_server_port(const echo_server *server);

/* Messages of the last Source that it has handed out, where it has answered nothing else. */
size_t
echo_server_messages_sent(const echo_server *server);

/* Stops at once: running calls are cancelled. */
void
echo_server_stop(echo_server *server);

#endif
