/*
 * wire/reply_decoder.h: Pinecone's large replies (QueryResponse, FetchResponse, FetchByMetadataResponse) straight into an
 * arena, where protobuf-c would make many small structs.
 *
 * The bytes have passed the guard (wire/guard.h) for the reply's descriptor. Texts and metadata point into the bytes, so
 * these must live as long as the result; numbers are copied into the arena, because wire bytes are not aligned. Where a
 * field stands twice that may stand once, which no writer makes, the last counts.
 */
#ifndef VMX_WIRE_REPLY_DECODER_H
#define VMX_WIRE_REPLY_DECODER_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/arena.h"

/* One record of a reply. */
typedef struct vmx_match {
    vmx_str id;
    float score;
    vmx_floats values;
    vmx_sparse sparse;
    vmx_str metadata;      /* a packed google.protobuf.Struct; ptr NULL: none */
    vmx_str metadata_json; /* written from `metadata` when it is first asked for */
} vmx_match;

typedef struct vmx_decoded {
    vmx_match *matches;
    size_t match_count;
    vmx_str next_token; /* ptr NULL: none */
    bool has_read_units, has_egress_bytes;
    uint32_t read_units, egress_bytes;
} vmx_decoded;

/* False when memory is out. */
bool
vmx_query_reply_decode(vmx_str bytes, vmx_arena *arena, vmx_decoded *decoded);

/* FetchResponse and FetchByMetadataResponse, which has one field more. */
bool
vmx_fetch_reply_decode(vmx_str bytes, vmx_arena *arena, vmx_decoded *decoded);

/* One record as the encoder wrote it: a Vector field with tag and length, of our own making. */
bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match);

#endif
