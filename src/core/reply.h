/*
 * core/reply.h: how an attempt of a call ended. Made by a transport, judged by an engine.
 */
#ifndef VMX_CORE_REPLY_H
#define VMX_CORE_REPLY_H

#include <stddef.h>
#include <vecmux/types.h>

/* gRPC status codes (grpc/grpc: doc/statuscodes.md), those that vecmux names. */
enum {
    VMX_GRPC_OK = 0,
    VMX_GRPC_CANCELLED = 1,
    VMX_GRPC_UNKNOWN = 2,
    VMX_GRPC_INVALID_ARGUMENT = 3,
    VMX_GRPC_DEADLINE_EXCEEDED = 4,
    VMX_GRPC_NOT_FOUND = 5,
    VMX_GRPC_ALREADY_EXISTS = 6,
    VMX_GRPC_PERMISSION_DENIED = 7,
    VMX_GRPC_RESOURCE_EXHAUSTED = 8,
    VMX_GRPC_FAILED_PRECONDITION = 9,
    VMX_GRPC_ABORTED = 10,
    VMX_GRPC_OUT_OF_RANGE = 11,
    VMX_GRPC_UNIMPLEMENTED = 12,
    VMX_GRPC_INTERNAL = 13,
    VMX_GRPC_UNAVAILABLE = 14,
    VMX_GRPC_DATA_LOSS = 15,
    VMX_GRPC_UNAUTHENTICATED = 16
};

/* How much of an attempt the server can have seen. Only a transport can tell. */
typedef enum vmx_reach {
    VMX_REACH_NONE = 0,    /* provably not processed: no connection, refused stream, GOAWAY above the last id */
    VMX_REACH_UNKNOWN = 1, /* may have been processed */
    VMX_REACH_SERVER = 2   /* the server itself answered with this status */
} vmx_reach;

/* The end of an attempt. Everything is borrowed. */
typedef struct vmx_reply {
    int grpc_code;             /* 0 to 16; -1: there was no memory to keep the reply */
    vmx_reach reach;           /* how far it came */
    vmx_str text;              /* grpc-message, or the transport's own words */
    vmx_str peer;              /* "127.0.0.1:4711", or "" */
    const vmx_header *headers; /* initial metadata, then trailers */
    size_t header_count;       /* of both */
    size_t initial_count;      /* how many of them are initial metadata */
} vmx_reply;

#endif
