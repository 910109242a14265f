/*
 * request.h: requests of the Pinecone data plane as ready bytes, for the peers that are floors: they encode nothing while
 * they are measured.
 */
#ifndef BENCH_PEERS_REQUEST_H
#define BENCH_PEERS_REQUEST_H

#include <grpc/slice.h>
#include <grpc/slice_buffer.h>

#include "../data.h"
#include "../meter.h"

/* What a raw peer sends, in turn. */
typedef struct raw_requests {
    const char *path; /* "/VectorService/Query"; static */
    grpc_slice messages[BENCH_QUERIES];
    size_t count;
    double payload_bytes;    /* of vectors in each */
    struct raw_parts *parts; /* of batches that are not sent ready (--send); else NULL */
} raw_requests;

/*
 * The requests of the scenario: query, latency, scale, decode, decode-alone, channels (BENCH_QUERIES queries), upsert (one batch), load (8 batches in turn). The
 * same vectors and ids as vecmux-bench sends. False for another scenario.
 */
bool
raw_requests_init(raw_requests *requests, const bench_options *options);

/* Puts request `i` into the empty `buffer`, as --send says. `copy` is memory for it that no other call uses meanwhile. */
void
raw_requests_put(const raw_requests *requests, size_t i, grpc_slice *copy, grpc_slice_buffer *buffer);

void
raw_requests_free(raw_requests *requests);

#endif
