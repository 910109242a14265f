#include "wire/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "wire/arena_allocator.h"
#include "wire/field_reader.h"
#include "wire/guard.h"
#include "wire/struct_bytes.h"
#include "wire/struct_json.h"

#define MAX_UNPACKED_BYTES (64u << 20)

_Noreturn void
oracle_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* --- requests by protobuf-c ---------------------------------------------------------------------------------------- */

static Google__Protobuf__Struct *
unpack_struct(vmx_arena *arena, vmx_str bytes)
{
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    return bytes.ptr == NULL ? NULL
                             : google__protobuf__struct__unpack(&allocator, bytes.len, (const uint8_t *)bytes.ptr);
}

static Pinecone__SparseValues *
oracle_sparse(vmx_arena *arena, vmx_sparse sparse)
{
    if (sparse.len == 0)
        return NULL;
    Pinecone__SparseValues *values = vmx_arena_calloc(arena, 1, sizeof *values);
    pinecone__sparse_values__init(values);
    values->indices = (uint32_t *)(uintptr_t)sparse.indices;
    values->values = (float *)(uintptr_t)sparse.values;
    values->n_indices = values->n_values = sparse.len;
    return values;
}

Pinecone__Vector *
oracle_vector(vmx_arena *arena, const vmx_vector_item *item)
{
    Pinecone__Vector *vector = vmx_arena_calloc(arena, 1, sizeof *vector);
    pinecone__vector__init(vector);
    vector->id = (char *)(uintptr_t)item->id.ptr;
    vector->values = (float *)(uintptr_t)item->values.ptr;
    vector->n_values = item->values.len;
    vector->metadata = unpack_struct(arena, item->metadata);
    vector->sparse_values = oracle_sparse(arena, item->sparse);
    return vector;
}

vmx_str
oracle_pack(vmx_arena *arena, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = vmx_arena_alloc(arena, len);
    protobuf_c_message_pack(message, bytes);
    return (vmx_str){(char *)bytes, len};
}

vmx_str
oracle_upsert(vmx_arena *arena, const vmx_vector_item *items, size_t count, const char *name_space)
{
    Pinecone__UpsertRequest request = PINECONE__UPSERT_REQUEST__INIT;
    request.vectors = vmx_arena_calloc(arena, count + 1, sizeof(Pinecone__Vector *));
    for (size_t i = 0; i < count; i++)
        request.vectors[request.n_vectors++] = oracle_vector(arena, &items[i]);
    request.namespace_ = (char *)(uintptr_t)name_space;
    return oracle_pack(arena, &request.base);
}

vmx_str
oracle_query(vmx_arena *arena, const vmx_query_item *query)
{
    Pinecone__QueryRequest request = PINECONE__QUERY_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)query->name_space.ptr;
    request.top_k = query->top_k;
    request.filter = unpack_struct(arena, query->filter);
    request.include_values = query->include_values;
    request.include_metadata = query->include_metadata;
    request.vector = (float *)(uintptr_t)query->dense.ptr;
    request.n_vector = query->dense.len;
    request.id = (char *)(uintptr_t)query->id.ptr;
    request.sparse_vector = oracle_sparse(arena, query->sparse);
    if (query->scan_factor != 0) {
        request._scan_factor_case = PINECONE__QUERY_REQUEST___SCAN_FACTOR_SCAN_FACTOR;
        request.scan_factor = query->scan_factor;
    }
    if (query->max_candidates != 0) {
        request._max_candidates_case = PINECONE__QUERY_REQUEST___MAX_CANDIDATES_MAX_CANDIDATES;
        request.max_candidates = query->max_candidates;
    }
    return oracle_pack(arena, &request.base);
}

/* --- the encoders -------------------------------------------------------------------------------------------------- */

static size_t released;

static void
count_release(vmx_block *block)
{
    released++;
    vmx_dealloc(block);
}

static vmx_block *
make_lender(void)
{
    vmx_block *lender = vmx_calloc(1, sizeof *lender);
    atomic_init(&lender->refs, 1);
    lender->release = count_release;
    return lender;
}

static void
check_message(const vmx_message *message, vmx_str expected)
{
    size_t at = 0;
    ORACLE_CHECK(message->size_bytes == expected.len);
    for (size_t i = 0; i < message->count; i++) {
        ORACLE_CHECK(message->slices[i].len <= expected.len - at);
        ORACLE_CHECK(memcmp(message->slices[i].data, expected.ptr + at, message->slices[i].len) == 0);
        at += message->slices[i].len;
    }
    ORACLE_CHECK(at == expected.len);
}

/* Long values of a lender are referenced where they are, others nowhere. */
static size_t
check_references(const vmx_message *message, const vmx_vector_item *items, size_t count, bool lent)
{
    size_t referenced = 0;
    for (size_t i = 0; i < count; i++) {
        bool expected = lent && items[i].values.len * sizeof(float) >= VMX_REFERENCE_MIN_BYTES, found = false;
        for (size_t j = 0; j < message->count && items[i].values.len > 0; j++)
            found = found || message->slices[j].data == (const uint8_t *)items[i].values.ptr;
        ORACLE_CHECK(found == expected);
        referenced += expected;
    }
    return referenced;
}

void
oracle_check_upsert(vmx_arena *arena, const vmx_vector_item *items, size_t count, const char *name_space, bool lent)
{
    size_t size_bytes = 0;
    vmx_message message;
    vmx_block *lender = lent ? make_lender() : NULL;
    vmx_vectors_fit(items, count, vmx_str_from(name_space), 0, &size_bytes);
    ORACLE_CHECK(vmx_vectors_encode(items, count, vmx_str_from(name_space), size_bytes, lender, &message));
    check_message(&message, oracle_upsert(arena, items, count, name_space));
    size_t referenced = check_references(&message, items, count, lent);
    released = 0;
    vmx_block_release(lender);
    ORACLE_CHECK(released == (lent && referenced == 0));
    vmx_message_clear(&message);
    ORACLE_CHECK(released == lent);
}

void
oracle_check_query(vmx_arena *arena, const vmx_query_item *query)
{
    vmx_message message;
    vmx_block *spare = NULL;
    ORACLE_CHECK(vmx_query_encode(query, &spare, &message));
    ORACLE_CHECK(message.count == 1);
    check_message(&message, oracle_query(arena, query));
    vmx_message_clear(&message);
    vmx_block_release(spare);
}

/* --- the decoder --------------------------------------------------------------------------------------------------- */

/* Whether a message stands twice in bytes that have passed the guard where it may stand once. */
static bool
has_messages_to_merge(const ProtobufCMessageDescriptor *descriptor, vmx_str bytes)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    uint64_t seen = 0;
    for (vmx_field field; vmx_field_next(&reader, &field);) {
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(descriptor, field.number);
        if (known == NULL || known->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        uint64_t bit = known->label == PROTOBUF_C_LABEL_REPEATED ? 0 : UINT64_C(1) << field.number;
        if ((seen & bit) != 0 || has_messages_to_merge(known->descriptor, field.bytes))
            return true;
        seen |= bit;
    }
    return false;
}

static bool
text_equals(vmx_str ours, const char *theirs)
{
    return ours.len == strlen(theirs) && memcmp(ours.ptr, theirs, ours.len) == 0;
}

static void
compare_metadata(vmx_str ours, const Google__Protobuf__Struct *theirs)
{
    ORACLE_CHECK((ours.ptr != NULL) == (theirs != NULL));
    if (theirs == NULL)
        return;
    vmx_buffer a = {0}, b = {0};
    vmx_struct_bytes_to_json(ours, &a);
    vmx_struct_to_json(theirs, &b);
    ORACLE_CHECK(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    vmx_buffer_free(&a);
    vmx_buffer_free(&b);
}

static void
compare_record(const vmx_match *ours, const char *id, size_t count, const float *values,
               const Pinecone__SparseValues *sparse, const Google__Protobuf__Struct *metadata)
{
    ORACLE_CHECK(text_equals(ours->id, id));
    ORACLE_CHECK(ours->values.len == count);
    ORACLE_CHECK((uintptr_t)ours->values.ptr % sizeof(float) == 0);
    ORACLE_CHECK(count == 0 || memcmp(ours->values.ptr, values, count * sizeof *values) == 0);
    size_t pairs = sparse == NULL ? 0 : sparse->n_indices < sparse->n_values ? sparse->n_indices : sparse->n_values;
    ORACLE_CHECK(ours->sparse.len == pairs);
    ORACLE_CHECK(pairs == 0 || memcmp(ours->sparse.indices, sparse->indices, pairs * sizeof(uint32_t)) == 0);
    ORACLE_CHECK(pairs == 0 || memcmp(ours->sparse.values, sparse->values, pairs * sizeof(float)) == 0);
    compare_metadata(ours->metadata, metadata);
}

static void
compare_usage(const vmx_decoded *ours, const Pinecone__Usage *theirs)
{
    bool units = theirs != NULL && theirs->_read_units_case == PINECONE__USAGE___READ_UNITS_READ_UNITS;
    bool egress = theirs != NULL && theirs->_egress_bytes_case == PINECONE__USAGE___EGRESS_BYTES_EGRESS_BYTES;
    ORACLE_CHECK(ours->has_read_units == units && ours->has_egress_bytes == egress);
    ORACLE_CHECK(ours->read_units == (units ? theirs->read_units : 0));
    ORACLE_CHECK(ours->egress_bytes == (egress ? theirs->egress_bytes : 0));
}

static void
compare_query(const vmx_decoded *ours, const Pinecone__QueryResponse *theirs)
{
    ORACLE_CHECK(ours->match_count == theirs->n_matches);
    for (size_t i = 0; i < theirs->n_matches; i++) {
        const Pinecone__ScoredVector *m = theirs->matches[i];
        compare_record(&ours->matches[i], m->id, m->n_values, m->values, m->sparse_values, m->metadata);
        ORACLE_CHECK(memcmp(&ours->matches[i].score, &m->score, sizeof m->score) == 0);
    }
    compare_usage(ours, theirs->usage);
}

static void
compare_entry(const vmx_match *ours, const char *key, const Pinecone__Vector *theirs)
{
    static const Pinecone__Vector none = PINECONE__VECTOR__INIT;
    const Pinecone__Vector *v = theirs != NULL ? theirs : &none;
    compare_record(ours, key, v->n_values, v->values, v->sparse_values, v->metadata);
}

static void
compare_fetch(const vmx_decoded *ours, const Pinecone__FetchResponse *theirs)
{
    ORACLE_CHECK(ours->match_count == theirs->n_vectors);
    for (size_t i = 0; i < theirs->n_vectors; i++)
        compare_entry(&ours->matches[i], theirs->vectors[i]->key, theirs->vectors[i]->value);
    compare_usage(ours, theirs->usage);
    ORACLE_CHECK(ours->next_token.ptr == NULL);
}

static void
compare_fetch_by_metadata(const vmx_decoded *ours, const Pinecone__FetchByMetadataResponse *theirs)
{
    ORACLE_CHECK(ours->match_count == theirs->n_vectors);
    for (size_t i = 0; i < theirs->n_vectors; i++)
        compare_entry(&ours->matches[i], theirs->vectors[i]->key, theirs->vectors[i]->value);
    compare_usage(ours, theirs->usage);
    bool more = theirs->pagination != NULL && theirs->pagination->next[0] != '\0';
    ORACLE_CHECK((ours->next_token.ptr != NULL) == more);
    ORACLE_CHECK(!more || text_equals(ours->next_token, theirs->pagination->next));
}

static void
compare(vmx_arena *arena, vmx_reply_kind kind, const ProtobufCMessageDescriptor *descriptor, vmx_str bytes,
        const vmx_decoded *ours)
{
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    const void *theirs = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    ORACLE_CHECK(theirs != NULL);
    if (kind == VMX_REPLY_QUERY)
        compare_query(ours, theirs);
    else if (kind == VMX_REPLY_FETCH)
        compare_fetch(ours, theirs);
    else
        compare_fetch_by_metadata(ours, theirs);
}

/* Slices of the bytes, each in memory of its own, so that the address sanitizer sees a byte too many. */
static vmx_slice *
cut_reply(vmx_str bytes, oracle_reply_place place, size_t *count)
{
    size_t most = place.slice_bytes == 0 ? bytes.len : place.slice_bytes;
    *count = most == 0 ? 1 : (bytes.len + most - 1) / most;
    vmx_slice *slices = calloc(*count + 1, sizeof *slices);
    for (size_t i = 0; i < *count; i++) {
        size_t len = bytes.len - i * most < most ? bytes.len - i * most : most;
        char *memory = malloc(place.offset + len + (place.offset + len == 0));
        if (len > 0)
            memcpy(memory + place.offset, bytes.ptr + i * most, len);
        slices[i] = (vmx_slice){(const uint8_t *)memory + place.offset, len, NULL};
    }
    return slices;
}

static void
free_reply(vmx_slice *slices, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)(slices[i].data - offset));
    free(slices);
}

static void
check_unchanged(const vmx_slice *slices, size_t count, vmx_str bytes)
{
    for (size_t i = 0, at = 0; i < count; at += slices[i++].len)
        ORACLE_CHECK(slices[i].len == 0 || memcmp(slices[i].data, bytes.ptr + at, slices[i].len) == 0);
}

vmx_status
oracle_check_reply(vmx_arena *arena, vmx_reply_kind kind, vmx_str bytes, oracle_reply_place place)
{
    static const ProtobufCMessageDescriptor *const descriptors[] = {&pinecone__query_response__descriptor,
                                                                    &pinecone__fetch_response__descriptor,
                                                                    &pinecone__fetch_by_metadata_response__descriptor};
    size_t unpacked_bytes, count;
    vmx_status verdict =
        vmx_guard_check(descriptors[kind], (const uint8_t *)bytes.ptr, bytes.len, &unpacked_bytes, NULL);
    vmx_slice *slices = cut_reply(bytes, place, &count);
    vmx_decoder decoder = {.arena = arena, .max_bytes = SIZE_MAX, .may_move = place.may_move};
    vmx_decoded decoded;
    vmx_status ours = vmx_reply_decode(&decoder, kind, slices, count, &decoded);
    ORACLE_CHECK(ours == verdict);
    if (ours != VMX_OK || !place.may_move)
        check_unchanged(slices, count, bytes);
    bool comparable =
        ours == VMX_OK && unpacked_bytes < MAX_UNPACKED_BYTES && !has_messages_to_merge(descriptors[kind], bytes);
    if (comparable)
        compare(arena, kind, descriptors[kind], bytes, &decoded);
    free_reply(slices, count, place.offset);
    return ours;
}
