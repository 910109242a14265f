/*
 * raw_unary.h: one unary call on gRPC core, waited for, with messages of protobuf-c: what a stream's peer needs beside its
 * streams, where speed does not matter.
 */
#ifndef BENCH_PEERS_RAW_UNARY_H
#define BENCH_PEERS_RAW_UNARY_H

#include <protobuf-c/protobuf-c.h>

#include "raw_call.h"

/* A message packed into a slice, the caller's. */
grpc_slice
raw_pack(const ProtobufCMessage *message);

/* What came, unpacked, for protobuf_c_message_free_unpacked; NULL if it is not a message of that kind. */
ProtobufCMessage *
raw_unpack(const ProtobufCMessageDescriptor *descriptor, grpc_byte_buffer *bytes);

/* Calls `path` and waits; nothing else may be under way on the channel. NULL after one line on stderr. */
ProtobufCMessage *
raw_unary(raw_channel *channel, const char *path, const ProtobufCMessage *request,
          const ProtobufCMessageDescriptor *reply);

#endif
