/*
 * raw_call.h: unary calls on gRPC core, written by hand for speed: registered method, static metadata, one batch for each
 * call, structs used again, ready bytes out, reply bytes thrown away.
 */
#ifndef BENCH_PEERS_RAW_CALL_H
#define BENCH_PEERS_RAW_CALL_H

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>

#include "request.h"

typedef struct raw_channel {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    void *method;
    raw_requests requests;
    size_t next_request;
} raw_channel;

/* One call; its address is its tag. */
typedef struct raw_call {
    grpc_call *core;
    uint64_t start_ns;
    struct raw_call *next; /* for whoever holds it */
    grpc_byte_buffer request;
    grpc_slice copy; /* of a request that is put together; the call's, as long as it is */
    grpc_byte_buffer *reply;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice details;
    size_t reply_bytes; /* of the last reply */
} raw_call;

/* A channel and its queue, without a method. False after one line on stderr. */
bool
raw_channel_connect(raw_channel *channel, const bench_options *options);

/* The same, with the scenario's method and requests. */
bool
raw_channel_open(raw_channel *channel, const bench_options *options);

void
raw_channel_close(raw_channel *channel);

/* Once for each struct, before its first call and after its last. */
void
raw_call_init(raw_call *call);
void
raw_call_destroy(raw_call *call);

/* Sends the next request with the deadline that vecmux has by default. One event on the queue tells its end. */
void
raw_call_start(raw_channel *channel, raw_call *call, uint64_t now_ns);

/* Drops what came; true if the call succeeded. */
bool
raw_call_finish(raw_call *call);

/* Starts the batch; its end is an event with `tag`. Ends the program where the core refuses it. */
void
raw_start_batch(grpc_call *call, const grpc_op *ops, size_t count, void *tag);

/* "grpc-core 29.0.0" */
const char *
raw_versions(void);

/* Sets the sizes of an operation. */
void
raw_sizes(const raw_channel *channel, size_t reply_bytes, bench_row *row);

#endif
