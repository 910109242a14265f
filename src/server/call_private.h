/*
 * server/call_private.h: what call.c and call_stream.c know of a call.
 */
#ifndef VMXD_CALL_PRIVATE_H
#define VMXD_CALL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/call_stream.h"

#define VMXD_CALL_MAX_HEADERS 4

struct vmxd_call {
    vmxd_tag tag; /* first: events are cast back to the call */
    void (*step)(vmxd_call *call, bool ok);
    vmxd_acceptor *acceptor;
    grpc_completion_queue *queue;
    _Atomic unsigned refs; /* until it is answered, while its close is awaited, while its events from outside are run */

    grpc_call *core;
    grpc_call_details details;
    grpc_metadata_array headers;
    grpc_byte_buffer *received;
    grpc_slice request;
    bool has_request;
    vmx_arena arena;

    grpc_metadata reply_headers[VMXD_CALL_MAX_HEADERS];
    size_t reply_header_count;
    bool headers_sent;
    grpc_byte_buffer *reply;
    grpc_slice status_text;
    int cancelled;

    /* of streams */
    vmxd_call_next *next;
    void *next_user;
    vmxd_call_sent *on_sent;
    void *sent_user;
    vmxd_tag close_tag;
    bool watched;
    vmxd_call_closed *on_closed;
    void *closed_user;

    /* of a call from outside */
    void (*answered)(void *user, const vmxd_answer *answer); /* else NULL */
    void *answered_user;
    const vmx_str *messages;
    size_t message_count, message_at;
    vmx_str *sent; /* each of its own memory */
    size_t sent_count, sent_capacity;
    pthread_mutex_t lock;
    void (*due)(vmxd_call *call); /* locked: the event that is to be run next */
    bool running;                 /* locked: somebody runs events */
};

/* Starts the batch; its end runs `step` on the loop. A batch that the core refuses is a bug of the caller. */
void
vmxd_call_start_batch(vmxd_call *call, const grpc_op *ops, size_t count, void (*step)(vmxd_call *call, bool ok));

/* Makes `op` the reply's headers if they have not been sent; how many ops that is. */
size_t
vmxd_call_put_headers(vmxd_call *call, grpc_op *op);

/* What was received becomes the call's request. */
void
vmxd_call_take_message(vmxd_call *call);

/* Of a call from outside that ends: whoever watches its close hears of it. */
void
vmxd_call_tell_closed(vmxd_call *call);

/* Frees what a stream to the outside has collected. */
void
vmxd_call_drop_sent(vmxd_call *call);

void
vmxd_call_unref(vmxd_call *call);

#endif
