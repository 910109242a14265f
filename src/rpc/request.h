/*
 * rpc/request.h: what an engine says about a call that it wants made, and how it judges the reply.
 */
#ifndef VMX_RPC_REQUEST_H
#define VMX_RPC_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/reply.h"
#include "core/slice.h"

typedef enum vmx_verdict {
    VMX_VERDICT_OK = 0,
    VMX_VERDICT_FINAL = 1,     /* repeating it does not help, as far as the engine knows; a policy may differ */
    VMX_VERDICT_RETRIABLE = 2, /* the same call may succeed later */
    VMX_VERDICT_THROTTLED = 3, /* the same call may succeed later, if fewer are sent */
    VMX_VERDICT_HOPELESS = 4   /* no repetition and no pacing can help: a monthly quota, a message too large */
} vmx_verdict;

/* Judges one attempt's end. Pure; any thread. */
typedef vmx_verdict (*vmx_classify)(const vmx_reply *reply);

/*
 * Judges a reply with the status OK by its message, where the engine puts its errors there. May set the reply's
 * grpc_code and text to what the message amounts to; what the text needs is taken from `arena`. Pure; any thread.
 */
typedef vmx_verdict (*vmx_judge)(const vmx_message *message, vmx_reply *reply, vmx_arena *arena);

/* One call. Owns `message`. */
typedef struct vmx_request {
    const char *method;  /* "/VectorService/Upsert"; static */
    vmx_message message; /* the encoded request; sent again, not copied, when the call is repeated */
    bool writes;         /* it changes the index: an unknown outcome is worth a word, and it is never hedged */
    bool idempotent;     /* may be repeated when the outcome of an attempt is unknown */
    vmx_judge judge;     /* NULL: a reply with the status OK is a success */
} vmx_request;

#endif
