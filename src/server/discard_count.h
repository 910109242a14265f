/*
 * server/discard_count.h: how many records an upsert carries, without decoding them: a hop from length to length.
 */
#ifndef VMXD_DISCARD_COUNT_H
#define VMXD_DISCARD_COUNT_H

#include <grpc/byte_buffer.h>
#include <stdint.h>

/* The number of fields 1 (UpsertRequest.vectors) at the top of the message; what is malformed ends the count. */
uint64_t
vmxd_discard_count(const grpc_byte_buffer *request);

/* A packed UpsertResponse{1 upserted_count}. */
grpc_slice
vmxd_discard_upserted(uint64_t count);

#endif
