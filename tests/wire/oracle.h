/*
 * tests/wire/oracle.h: what the hand-written encoders and the decoder are held against: protobuf-c, and the guard. For the
 * property tests and the fuzz targets. Everything made lies in `arena`.
 */
#ifndef VMX_TESTS_WIRE_ORACLE_H
#define VMX_TESTS_WIRE_ORACLE_H

#include <pinecone/vector_service.pb-c.h>

#include "core/arena.h"
#include "wire/query_encoder.h"
#include "wire/reply_decoder.h"
#include "wire/vector_encoder.h"

/* Prints what is not so and aborts: fuzz targets have no other way. */
#define ORACLE_CHECK(condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            oracle_fail(__FILE__, __LINE__, #condition);                                                               \
    } while (0)

_Noreturn void
oracle_fail(const char *file, int line, const char *condition);

/* The item as protobuf-c has it; it borrows, and its strings must end in NUL. */
Pinecone__Vector *
oracle_vector(vmx_arena *arena, const vmx_vector_item *item);

/* The bytes of requests, by protobuf-c. Texts must end in NUL. */
vmx_str
oracle_upsert(vmx_arena *arena, const vmx_vector_item *items, size_t count, const char *name_space);
vmx_str
oracle_query(vmx_arena *arena, const vmx_query_item *query);
vmx_str
oracle_pack(vmx_arena *arena, const ProtobufCMessage *message);

/* How the bytes of a reply lie in memory. */
typedef struct oracle_reply_place {
    size_t slice_bytes; /* in slices of so many; 0: in one */
    size_t offset;      /* each so many bytes behind an aligned place */
    bool may_move;      /* as of the decoder */
} oracle_reply_place;

/*
 * Decodes any bytes. The guard must come to the same verdict, and protobuf-c to the same content (which is not compared where
 * a message stands twice that may stand once: protobuf-c merges the two); bytes that are refused stay as they were. Returns the
 * verdict.
 */
vmx_status
oracle_check_reply(vmx_arena *arena, vmx_reply_kind kind, vmx_str bytes, oracle_reply_place place);

/* Encodes, and compares with protobuf-c's bytes; with a lender, checks what is referenced, and that it is given back once. */
void
oracle_check_upsert(vmx_arena *arena, const vmx_vector_item *items, size_t count, const char *name_space, bool lent);
void
oracle_check_query(vmx_arena *arena, const vmx_query_item *query);

#endif
