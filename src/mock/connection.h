/*
 * mock/connection.h: one HTTP/2 connection of the server, by nghttp2; mock/stream.c is what its calls are answered.
 *
 * Bytes go from nghttp2 into `out` and from there to the socket, in order; a fault that is due inside or after an
 * answer waits in `due` until all bytes before it are in `out`. Everything happens on the loop's thread with its lock,
 * but for streams that other threads answer, with the lock too.
 */
#ifndef VMX_MOCK_CONNECTION_H
#define VMX_MOCK_CONNECTION_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "core/buffer.h"
#include "mock/server.h"

typedef struct vmx_mock_stream vmx_mock_stream;

/* How a connection ends, once what is in `out` has been written. */
typedef enum vmx_mock_ending {
    VMX_MOCK_GOES_ON = 0,
    VMX_MOCK_ENDS_BY_FIN = 1,
    VMX_MOCK_ENDS_BY_RST = 2
} vmx_mock_ending;

/* A fault that is to happen when everything before it has been handed out. */
typedef struct vmx_mock_due {
    struct vmx_mock_due *next;
    vmx_mock_plan *plan; /* a reference */
    int32_t stream_id;
} vmx_mock_due;

struct vmx_mock_connection {
    vmx_mock_source source; /* first */
    vmx_mock_connection *prev, *next;
    vmx_mock *mock;
    uint64_t number;
    SSL *tls;                 /* NULL: plain text */
    nghttp2_session *session; /* NULL once the connection is ending */
    vmx_mock_stream *streams;
    vmx_buffer out;
    size_t out_at;
    bool blocked; /* the socket takes no more for now */
    bool dirty;   /* nghttp2 has something to send */
    bool deaf;
    bool dead; /* to be freed at the end of the turn */
    vmx_mock_ending ending;
    vmx_mock_due *due, **last_due;
    vmx_mock_timer linger; /* after our FIN: how long the peer may take for its own */
};

/* Takes the socket over. */
void
vmx_mock_connection_open(vmx_mock *mock, int fd);

/* Writes what there is to write and lets happen what is due. */
void
vmx_mock_connection_flush(vmx_mock_connection *connection);

/* Ends it without looking at what is still to be written. */
void
vmx_mock_connection_end(vmx_mock_connection *connection, vmx_mock_ending ending);

/* After vmx_mock_connection_end, when no event of it is under way. */
void
vmx_mock_connection_free(vmx_mock_connection *connection);

/* Notes a fault; takes a reference on the plan. */
void
vmx_mock_connection_add_due(vmx_mock_connection *connection, vmx_mock_plan *plan, int32_t stream_id);

/* Lets the fault of a call happen now. True: the answer is to go on. */
bool
vmx_mock_connection_fault(vmx_mock_connection *connection, const vmx_mock_answer *answer, int32_t stream_id);

/* --- tls.c --------------------------------------------------------------------------------------------------------- */

/* NULL with the reason in `error`. */
SSL_CTX *
vmx_mock_tls_context(vmx_str certificate, vmx_str key, vmx_error *error);

/* As recv and send; -1 with errno EAGAIN when the socket must become ready first. */
ssize_t
vmx_mock_tls_read(SSL *tls, void *data, size_t len);
ssize_t
vmx_mock_tls_write(SSL *tls, const void *data, size_t len);

#endif
