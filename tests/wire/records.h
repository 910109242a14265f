/*
 * tests/wire/records.h: records and queries made by chance, or by a fuzzer's bytes.
 */
#ifndef VMX_TESTS_WIRE_RECORDS_H
#define VMX_TESTS_WIRE_RECORDS_H

#include <pinecone/vector_service.pb-c.h>

#include "core/arena.h"
#include "core/random.h"
#include "wire/query_encoder.h"
#include "wire/vector_encoder.h"

/* Where the choices come from: bytes, as long as there are any, then chance. */
typedef struct record_source {
    vmx_arena *arena; /* everything made lies in it */
    const uint8_t *bytes;
    size_t left;
    vmx_random chance;
} record_source;

/* A choice between 0 and `max`. */
size_t
choose(record_source *source, size_t max);

/* Ids, values on both sides of the threshold for references, sparse parts, metadata: each there or not. Measured. Texts end
 * in NUL. */
void
make_record(record_source *source, vmx_vector_item *item);

/* A query with any of its parts. */
void
make_query(record_source *source, vmx_query_item *query);

/* The bytes of a reply of up to `max` records. */
vmx_str
make_query_reply(record_source *source, size_t max);
vmx_str
make_fetch_reply(record_source *source, size_t max);

#endif
