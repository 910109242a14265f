/*
 * wire/reply_decoder.h: Pinecone's large replies (QueryResponse, FetchResponse, FetchByMetadataResponse) in one walk that
 * checks and reads, where the guard and protobuf-c would walk twice and make many small structs. How many records there are
 * is guessed from the first one's length; only where that was too low are the rest counted, by their heads.
 *
 * The bytes may be foreign. What the guard (wire/guard.h) refuses for the reply's descriptor is refused, and nothing else.
 * They may come in any slices: a record that lies within one is read where it is, others are copied into the arena, each into
 * one piece. Texts, metadata and, where they are aligned, values point into the bytes, so these must live as long as the result;
 * other numbers are copied into the arena. Where a field stands twice that may stand once, which no writer makes, the last counts.
 */
#ifndef VMX_WIRE_REPLY_DECODER_H
#define VMX_WIRE_REPLY_DECODER_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/arena.h"
#include "core/slice.h"

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

typedef enum vmx_reply_kind {
    VMX_REPLY_QUERY = 0,
    VMX_REPLY_FETCH = 1,
    VMX_REPLY_FETCH_BY_METADATA = 2
} vmx_reply_kind;

/* What a reply is decoded with. */
typedef struct vmx_decoder {
    vmx_arena *arena;
    size_t max_bytes;    /* that the result may need besides the reply's own bytes */
    size_t needed_bytes; /* what it needed, as far as it came */
    bool
        may_move; /* the bytes are writable, and nobody else's: when all is found to be good, values are moved, by up to 3
                      bytes, to where floats may stand, instead of being copied */
} vmx_decoder;

/*
 * Errors: VMX_ERR_PROTOCOL (the guard says where and why), VMX_ERR_TOO_LARGE (more than max_bytes are needed),
 * VMX_ERR_NO_MEMORY. Then *decoded holds nothing of use, and the bytes are as they were.
 */
vmx_status
vmx_reply_decode(vmx_decoder *decoder, vmx_reply_kind kind, const vmx_slice *slices, size_t slice_count,
                 vmx_decoded *decoded);

/* One record as the encoder wrote it: a Vector field with tag and length, of our own making. False when memory is out. */
bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match);

#endif
