/*
 * server/call.h: one call as the server sees it.
 *
 * A call is accepted, its (first) message is received whole, the handler runs on the loop's thread, and somebody answers
 * exactly once, from any thread: vmxd_call_reply, vmxd_call_fail or, of a stream, vmxd_call_end. After that the call is
 * gone. server/call_stream.h has what streaming methods do between.
 */
#ifndef VMXD_CALL_H
#define VMXD_CALL_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <vecmux/types.h>

#include "core/arena.h"
#include "server/status.h"

typedef struct vmxd_call vmxd_call;

/* What completion queues carry: run once per event. `ok` is false when the server stops or the operation failed. */
typedef struct vmxd_tag vmxd_tag;
struct vmxd_tag {
    void (*run)(vmxd_tag *tag, bool ok);
};

/* Where calls come from and go to. Outlives its calls. */
typedef struct vmxd_acceptor {
    grpc_server *server;
    void (*handle)(void *user, vmxd_call *call); /* must answer the call, now or later */
    void *user;
    _Atomic size_t calls; /* that were made and are not freed: they may begin batches */
} vmxd_acceptor;

/* Waits for one call on `queue`; when it has come, waits for the next, until the server stops. */
void
vmxd_call_accept(vmxd_acceptor *acceptor, grpc_completion_queue *queue);

/* The answer of a call that did not come through the core. Borrowed. */
typedef struct vmxd_answer {
    int code;
    vmx_str text;
    vmx_str message;         /* packed */
    const vmx_str *messages; /* of a stream, instead of `message` */
    size_t message_count;
    const vmx_header *headers;
    size_t header_count;
} vmxd_answer;

typedef struct vmxd_outside_call {
    vmx_str path; /* this, the messages and the headers are borrowed until `answered` has been called */
    const vmx_str *messages;
    size_t message_count;
    const vmx_header *headers;
    size_t header_count;
    void (*answered)(void *user, const vmxd_answer *answer); /* any thread */
    void *user;
} vmxd_outside_call;

/* A call for the same handlers; NULL: memory is out. */
vmxd_call *
vmxd_call_from_outside(const vmxd_outside_call *outside);

/* "/VectorService/Query"; lives as long as the call. */
vmx_str
vmxd_call_path(const vmxd_call *call);

/* The bytes of the message received last; live as long as the call, or until the next is received. */
vmx_str
vmxd_call_request(const vmxd_call *call);

/* False if no message came: the client sent none, or no more. */
bool
vmxd_call_has_request(const vmxd_call *call);

/* The first header named `key` (lower case); false if there is none. */
bool
vmxd_call_header(const vmxd_call *call, const char *key, vmx_str *value);

/* Memory that lives as long as the call. */
vmx_arena *
vmxd_call_arena(vmxd_call *call);

/* Moves the arena out: what is in it now belongs to the caller, who resets it. */
vmx_arena
vmxd_call_take_arena(vmxd_call *call);

/* Adds a number to the reply's initial metadata; `key` is a literal. At most four. */
void
vmxd_call_add_header(vmxd_call *call, const char *key, uint64_t value);

/* Answers OK with `message`, which is packed before this returns. */
void
vmxd_call_reply(vmxd_call *call, const ProtobufCMessage *message);

void
vmxd_call_fail(vmxd_call *call, const vmxd_status *status);

#endif
