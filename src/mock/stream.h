/*
 * mock/stream.h: one call: its request as it comes, the answer it gets. With the server's lock.
 */
#ifndef VMX_MOCK_STREAM_H
#define VMX_MOCK_STREAM_H

#include "mock/connection.h"

struct vmx_mock_stream {
    vmx_mock_stream *prev, *next;
    vmx_mock_connection *connection;
    int32_t id;
    vmx_mock_entry *entry;
    vmx_mock_plan *plan;  /* NULL: the handler answers, or has not yet */
    vmx_mock_call *call;  /* of the handler, while it is not answered */
    vmx_mock_timer timer; /* of the delay, then of the drip */
    bool complete;        /* the whole request has come */
    bool too_large;
    bool begun; /* to answer */

    vmx_arena arena; /* of header values on their way */
    size_t sent;     /* bytes of the body */
    size_t allowed;  /* by the drip */
    bool cutting;    /* there is a fault inside, and it has not happened */
    bool stopped;    /* it is due: nothing goes out until it has happened */
    bool cut_short;  /* the body ends here */
};

/* A call of the handler. */
struct vmx_mock_call {
    vmx_mock_call *next;
    vmx_mock *mock;          /* a reference */
    vmx_mock_stream *stream; /* NULL once it has ended */
    vmx_mock_entry *entry;   /* a reference */
};

/* NULL: memory is out. */
vmx_mock_stream *
vmx_mock_stream_new(vmx_mock_connection *connection, int32_t id);
void
vmx_mock_stream_free(vmx_mock_stream *stream);

/* A header of the request, its last header, a piece of its body, its end. */
bool
vmx_mock_stream_on_header(vmx_mock_stream *stream, vmx_str key, vmx_str value);
void
vmx_mock_stream_on_headers(vmx_mock_stream *stream);
void
vmx_mock_stream_on_data(vmx_mock_stream *stream, const uint8_t *data, size_t len);
void
vmx_mock_stream_on_end(vmx_mock_stream *stream);

/* The handler has chosen; takes the plan's reference over. */
void
vmx_mock_stream_answer(vmx_mock_stream *stream, vmx_mock_plan *plan);

/* It wants to be called again when the request has come. */
void
vmx_mock_stream_await(vmx_mock_stream *stream);

/* The answer's last frame has been handed out. */
void
vmx_mock_stream_on_sent(vmx_mock_stream *stream);

/* The fault inside its message has happened and lets it go on. */
void
vmx_mock_stream_resume(vmx_mock_stream *stream);

#endif
