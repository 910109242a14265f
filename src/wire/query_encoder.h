/*
 * wire/query_encoder.h: a query's parts in, Pinecone's QueryRequest out, exactly as protobuf-c packs it, without a struct
 * between.
 */
#ifndef VMX_WIRE_QUERY_ENCODER_H
#define VMX_WIRE_QUERY_ENCODER_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/slice.h"

/* What is asked; everything is borrowed, and what is empty or 0 is left out. */
typedef struct vmx_query_item {
    vmx_str name_space;
    vmx_str id;
    vmx_floats dense;
    vmx_sparse sparse;
    vmx_str filter; /* a packed google.protobuf.Struct; ptr NULL: none */
    uint32_t top_k;
    uint32_t max_candidates;
    float scan_factor;
    bool include_values, include_metadata;
} vmx_query_item;

/* Makes `message` the request, in one slice, whose memory comes from vmx_block_reuse. False when memory is out. */
bool
vmx_query_encode(const vmx_query_item *query, vmx_block **spare, vmx_message *message);

#endif
