/*
 * parts.h: batches of vectors that a floor puts together while it is measured: what a client can do at best that has to put
 * tags, lengths and ids before values that somebody else has.
 */
#ifndef BENCH_PEERS_PARTS_H
#define BENCH_PEERS_PARTS_H

#include <grpc/slice_buffer.h>

#include "../options.h"

typedef struct raw_parts raw_parts;

/* The parts of ready batches of `vectors` vectors without metadata, `values_bytes` of values at the end of each. NULL: no
 * memory. */
raw_parts *
raw_parts_new(bench_send send, const grpc_slice *batches, size_t count, size_t vectors, size_t values_bytes);

/* See raw_requests_put. */
void
raw_parts_put(const raw_parts *parts, size_t i, grpc_slice *copy, grpc_slice_buffer *buffer);

void
raw_parts_free(raw_parts *parts);

#endif
