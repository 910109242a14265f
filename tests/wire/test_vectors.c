/* The encoder and the decoder against protobuf-c, on random records. */
#include <math.h>
#include <pinecone/vector_service.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/failing_allocator.h"
#include "core/random.h"
#include "core/suite.h"
#include "wire/guard.h"
#include "wire/reply_decoder.h"
#include "wire/struct_bytes.h"
#include "wire/struct_json.h"
#include "wire/vector_encoder.h"

#define MAX_ITEMS 40
#define ROUNDS    2000

static vmx_random chance;
static vmx_arena arena;

static size_t
up_to(size_t max)
{
    return (size_t)vmx_random_up_to(&chance, max);
}

/* --- random records ------------------------------------------------------------------------------------------------ */

static vmx_str
random_text(size_t max)
{
    static const char *const pieces[] = {"a", "Z", "7", "é", "日", "🙂", " ", "\"", "\\", "\n"};
    char *text = vmx_arena_alloc(&arena, max * 4 + 1);
    size_t len = 0;
    for (size_t i = up_to(max); i > 0; i--) {
        const char *piece = pieces[up_to(9)];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    text[len] = '\0';
    return (vmx_str){text, len};
}

static float *
random_floats(size_t count)
{
    float *values = vmx_arena_alloc(&arena, (count + 1) * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(vmx_random_unit(&chance) * 2 - 1);
    return values;
}

/* Sizes on both sides of the threshold for references. */
static size_t
random_dimension(void)
{
    return up_to(3) == 0 ? 0 : up_to(1) == 0 ? up_to(16) : 250 + up_to(20);
}

static vmx_sparse
random_sparse(void)
{
    size_t count = up_to(3) == 0 ? up_to(30) : 0;
    uint32_t *indices = vmx_arena_alloc(&arena, (count + 1) * sizeof *indices);
    for (size_t i = 0; i < count; i++)
        indices[i] = (uint32_t)(vmx_random_next(&chance) >> (32 + up_to(31)));
    return (vmx_sparse){indices, random_floats(count), count};
}

static vmx_str
random_metadata(void)
{
    static const char *const texts[] = {
        "{}", "{\"a\":1,\"é\":[\"x\",\"y\"],\"n\":null}",
        "{\"deep\":{\"er\":{\"list\":[1,[2,[3]],{\"b\":true}]}},\"s\":\"\\u0001\\\"\"}"};
    vmx_str bytes = {NULL, 0};
    vmx_error error;
    if (up_to(2) > 0) {
        const char *text = texts[up_to(2)];
        vmx_status status = vmx_struct_bytes_from_json(&arena, vmx_str_from(text), "metadata", &bytes, &error);
        ck_assert_msg(status == VMX_OK, "%s", error.message);
    }
    return bytes;
}

static void
random_item(vmx_vector_item *item)
{
    size_t dimension = random_dimension();
    *item = (vmx_vector_item){
        .id = random_text(8),
        .values = {random_floats(dimension), dimension},
        .sparse = random_sparse(),
        .metadata = random_metadata(),
    };
    vmx_vector_item_measure(item);
}

/* --- the oracle ---------------------------------------------------------------------------------------------------- */

static Google__Protobuf__Struct *
unpack_struct(vmx_str bytes)
{
    return bytes.ptr == NULL ? NULL : google__protobuf__struct__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
}

static Pinecone__SparseValues *
oracle_sparse(vmx_sparse sparse)
{
    if (sparse.len == 0)
        return NULL;
    Pinecone__SparseValues *values = vmx_arena_calloc(&arena, 1, sizeof *values);
    pinecone__sparse_values__init(values);
    values->indices = (uint32_t *)(uintptr_t)sparse.indices;
    values->values = (float *)(uintptr_t)sparse.values;
    values->n_indices = values->n_values = sparse.len;
    return values;
}

static Pinecone__Vector *
oracle_vector(const vmx_vector_item *item)
{
    Pinecone__Vector *vector = vmx_arena_calloc(&arena, 1, sizeof *vector);
    pinecone__vector__init(vector);
    vector->id = (char *)(uintptr_t)item->id.ptr;
    vector->values = (float *)(uintptr_t)item->values.ptr;
    vector->n_values = item->values.len;
    vector->metadata = unpack_struct(item->metadata);
    vector->sparse_values = oracle_sparse(item->sparse);
    return vector;
}

static vmx_str
oracle_request(const vmx_vector_item *items, size_t count, const char *name_space)
{
    Pinecone__UpsertRequest request = PINECONE__UPSERT_REQUEST__INIT;
    request.vectors = vmx_arena_calloc(&arena, count + 1, sizeof *request.vectors);
    for (size_t i = 0; i < count; i++)
        request.vectors[request.n_vectors++] = oracle_vector(&items[i]);
    request.namespace_ = (char *)(uintptr_t)name_space;
    size_t len = pinecone__upsert_request__get_packed_size(&request);
    uint8_t *bytes = vmx_arena_alloc(&arena, len);
    pinecone__upsert_request__pack(&request, bytes);
    for (size_t i = 0; i < count; i++)
        if (request.vectors[i]->metadata != NULL)
            google__protobuf__struct__free_unpacked(request.vectors[i]->metadata, NULL);
    return (vmx_str){(char *)bytes, len};
}

/* --- encoding ------------------------------------------------------------------------------------------------------ */

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

/* The message's bytes equal `expected`; long values of a lender are referenced where they are. */
static void
check_message(const vmx_message *message, vmx_str expected)
{
    ck_assert_uint_eq(message->size_bytes, expected.len);
    size_t at = 0;
    for (size_t i = 0; i < message->count; i++) {
        ck_assert_mem_eq(message->slices[i].data, expected.ptr + at, message->slices[i].len);
        at += message->slices[i].len;
    }
    ck_assert_uint_eq(at, expected.len);
}

static size_t
count_references(const vmx_message *message, const vmx_vector_item *items, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < message->count; j++)
            found += message->slices[j].data == (const uint8_t *)items[i].values.ptr;
    return found;
}

static size_t
count_long(const vmx_vector_item *items, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += items[i].values.len * sizeof(float) >= VMX_REFERENCE_MIN_BYTES;
    return found;
}

static void
check_encoding(const vmx_vector_item *items, size_t count, const char *name_space, bool lent)
{
    size_t size_bytes = 0;
    vmx_message message;
    vmx_block *lender = lent ? make_lender() : NULL;
    vmx_vectors_fit(items, count, vmx_str_from(name_space), 0, &size_bytes);
    ck_assert(vmx_vectors_encode(items, count, vmx_str_from(name_space), size_bytes, lender, &message));
    check_message(&message, oracle_request(items, count, name_space));
    ck_assert_uint_eq(count_references(&message, items, count), lent ? count_long(items, count) : 0);
    released = 0;
    vmx_block_release(lender);
    ck_assert_uint_eq(released, lent && count_long(items, count) == 0);
    vmx_message_clear(&message);
    ck_assert_uint_eq(released, lent);
}

START_TEST(bytes_are_those_of_protobuf_c)
{
    vmx_vector_item items[MAX_ITEMS];
    for (int round = 0; round < ROUNDS; round++) {
        vmx_arena_reset(&arena);
        size_t count = 1 + up_to(MAX_ITEMS / (1 + up_to(8)) - 1);
        for (size_t i = 0; i < count; i++)
            random_item(&items[i]);
        check_encoding(items, count, up_to(1) == 0 ? "" : "shoes", round % 2 == 0);
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* Cut at any limit: each request is as large as said, within the limit, and the next record would not have fitted. */
START_TEST(what_fits_is_known_before)
{
    vmx_vector_item items[MAX_ITEMS];
    vmx_str name_space = VMX_STR("shoes");
    for (int round = 0; round < ROUNDS / 4; round++) {
        vmx_arena_reset(&arena);
        for (size_t i = 0; i < MAX_ITEMS; i++)
            random_item(&items[i]);
        size_t limit = 1500 + up_to(6000), size_bytes = 0, next_bytes = 0;
        for (size_t at = 0; at < MAX_ITEMS;) {
            size_t fit = vmx_vectors_fit(items + at, MAX_ITEMS - at, name_space, limit, &size_bytes);
            if (fit == 0) { /* too large by itself */
                ck_assert_uint_gt(size_bytes, limit);
                at++;
                continue;
            }
            ck_assert_uint_le(size_bytes, limit);
            ck_assert_uint_eq(oracle_request(items + at, fit, "shoes").len, size_bytes);
            if (at + fit < MAX_ITEMS) {
                vmx_vectors_fit(items + at, fit + 1, name_space, 0, &next_bytes);
                ck_assert_uint_gt(next_bytes, limit);
            }
            at += fit;
        }
    }
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(encoding_survives_any_failed_allocation)
{
    vmx_vector_item items[8];
    float values[700] = {0};
    for (size_t i = 0; i < 8; i++) {
        items[i] = (vmx_vector_item){.id = VMX_STR("id"), .values = {values, i * 100}};
        vmx_vector_item_measure(&items[i]);
    }
    size_t size_bytes = 0;
    vmx_vectors_fit(items, 8, VMX_STR(""), 0, &size_bytes);
    bool encoded = false;
    for (long n = 0; !encoded && n < 10; n++) {
        failing_allocator state;
        failing_allocator_install(&state, LONG_MAX);
        vmx_block *lender = make_lender();
        state.fail_at = state.calls + n;
        vmx_message message;
        encoded = vmx_vectors_encode(items, 8, VMX_STR(""), size_bytes, lender, &message);
        ck_assert_uint_eq(atomic_load(&lender->refs), encoded ? 1 + 5 : 1); /* 300 floats and more are referenced */
        vmx_message_clear(&message);
        vmx_block_release(lender);
        ck_assert_int_eq(state.alive, 0);
        vmx_set_allocator(NULL);
    }
    ck_assert(encoded);
}
END_TEST

/* --- decoding ------------------------------------------------------------------------------------------------------ */

static void
check_metadata(vmx_str bytes, const Google__Protobuf__Struct *expected)
{
    ck_assert_int_eq(bytes.ptr != NULL, expected != NULL);
    if (expected == NULL)
        return;
    vmx_buffer ours = {0}, theirs = {0};
    vmx_struct_bytes_to_json(bytes, &ours);
    vmx_struct_to_json(expected, &theirs);
    ck_assert_uint_eq(ours.len, theirs.len);
    ck_assert_mem_eq(ours.data, theirs.data, ours.len);
    vmx_buffer_free(&ours);
    vmx_buffer_free(&theirs);
}

static void
check_match(const vmx_match *match, const char *id, const float *values, size_t count,
            const Pinecone__SparseValues *sparse, const Google__Protobuf__Struct *metadata)
{
    ck_assert_uint_eq(match->id.len, strlen(id));
    ck_assert_mem_eq(match->id.ptr, id, match->id.len);
    ck_assert_uint_eq(match->values.len, count);
    if (count > 0)
        ck_assert_mem_eq(match->values.ptr, values, count * sizeof *values);
    size_t pairs = sparse == NULL ? 0 : sparse->n_indices < sparse->n_values ? sparse->n_indices : sparse->n_values;
    ck_assert_uint_eq(match->sparse.len, pairs);
    if (pairs > 0) {
        ck_assert_mem_eq(match->sparse.indices, sparse->indices, pairs * sizeof(uint32_t));
        ck_assert_mem_eq(match->sparse.values, sparse->values, pairs * sizeof(float));
    }
    check_metadata(match->metadata, metadata);
}

static Pinecone__Usage *
random_usage(void)
{
    Pinecone__Usage *usage = vmx_arena_calloc(&arena, 1, sizeof *usage);
    pinecone__usage__init(usage);
    if (up_to(1) == 0) {
        usage->_read_units_case = PINECONE__USAGE___READ_UNITS_READ_UNITS;
        usage->read_units = (uint32_t)up_to(3);
    }
    if (up_to(1) == 0) {
        usage->_egress_bytes_case = PINECONE__USAGE___EGRESS_BYTES_EGRESS_BYTES;
        usage->egress_bytes = (uint32_t)up_to(300000);
    }
    return up_to(3) == 0 ? NULL : usage;
}

static void
check_usage(const vmx_decoded *decoded, const Pinecone__Usage *usage)
{
    bool units = usage != NULL && usage->_read_units_case == PINECONE__USAGE___READ_UNITS_READ_UNITS;
    bool egress = usage != NULL && usage->_egress_bytes_case == PINECONE__USAGE___EGRESS_BYTES_EGRESS_BYTES;
    ck_assert_int_eq(decoded->has_read_units, units);
    ck_assert_int_eq(decoded->has_egress_bytes, egress);
    ck_assert_uint_eq(decoded->read_units, units ? usage->read_units : 0);
    ck_assert_uint_eq(decoded->egress_bytes, egress ? usage->egress_bytes : 0);
}

static vmx_str
pack(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = vmx_arena_alloc(&arena, len);
    protobuf_c_message_pack(message, bytes);
    vmx_error error;
    ck_assert_int_eq(vmx_guard_check(message->descriptor, bytes, len, NULL, &error), VMX_OK);
    return (vmx_str){(char *)bytes, len};
}

static void
decode(vmx_reply_kind kind, vmx_str bytes, vmx_decoded *decoded)
{
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX, .may_move = up_to(1) == 0};
    char *copy = vmx_arena_alloc(&arena, bytes.len + 4);
    copy += up_to(3); /* so that values lie at any alignment */
    memcpy(copy, bytes.ptr, bytes.len);
    ck_assert_int_eq(vmx_reply_decode(&decoder, kind, (vmx_str){copy, bytes.len}, decoded), VMX_OK);
}

static void
check_query_reply(size_t count)
{
    Pinecone__QueryResponse reply = PINECONE__QUERY_RESPONSE__INIT;
    vmx_decoded decoded;
    reply.matches = vmx_arena_calloc(&arena, count + 1, sizeof *reply.matches);
    for (; reply.n_matches < count; reply.n_matches++) {
        Pinecone__Vector *from;
        Pinecone__ScoredVector *match = vmx_arena_calloc(&arena, 1, sizeof *match);
        vmx_vector_item item;
        random_item(&item);
        from = oracle_vector(&item);
        pinecone__scored_vector__init(match);
        match->id = from->id;
        match->score = random_floats(1)[0];
        match->values = from->values;
        match->n_values = from->n_values;
        match->metadata = from->metadata;
        match->sparse_values = from->sparse_values;
        reply.matches[reply.n_matches] = match;
    }
    reply.usage = random_usage();
    decode(VMX_REPLY_QUERY, pack(&reply.base), &decoded);
    ck_assert_uint_eq(decoded.match_count, count);
    for (size_t i = 0; i < count; i++) {
        const Pinecone__ScoredVector *m = reply.matches[i];
        check_match(&decoded.matches[i], m->id, m->values, m->n_values, m->sparse_values, m->metadata);
        ck_assert(decoded.matches[i].score == m->score);
        if (m->metadata != NULL)
            google__protobuf__struct__free_unpacked(m->metadata, NULL);
    }
    check_usage(&decoded, reply.usage);
}

static void
check_fetch_reply(size_t count)
{
    Pinecone__FetchByMetadataResponse reply = PINECONE__FETCH_BY_METADATA_RESPONSE__INIT;
    Pinecone__Pagination page = PINECONE__PAGINATION__INIT;
    vmx_decoded decoded;
    reply.vectors = vmx_arena_calloc(&arena, count + 1, sizeof *reply.vectors);
    for (; reply.n_vectors < count; reply.n_vectors++) {
        vmx_vector_item item;
        random_item(&item);
        Pinecone__FetchByMetadataResponse__VectorsEntry *entry = vmx_arena_calloc(&arena, 1, sizeof *entry);
        pinecone__fetch_by_metadata_response__vectors_entry__init(entry);
        entry->value = oracle_vector(&item);
        entry->key = entry->value->id;
        reply.vectors[reply.n_vectors] = entry;
    }
    page.next = (char *)(uintptr_t)(up_to(1) == 0 ? "" : "next page");
    reply.pagination = up_to(1) == 0 ? NULL : &page;
    reply.usage = random_usage();
    decode(VMX_REPLY_FETCH_BY_METADATA, pack(&reply.base), &decoded);
    ck_assert_uint_eq(decoded.match_count, count);
    for (size_t i = 0; i < count; i++) {
        const Pinecone__Vector *v = reply.vectors[i]->value;
        check_match(&decoded.matches[i], v->id, v->values, v->n_values, v->sparse_values, v->metadata);
        if (v->metadata != NULL)
            google__protobuf__struct__free_unpacked(v->metadata, NULL);
    }
    check_usage(&decoded, reply.usage);
    ck_assert_int_eq(decoded.next_token.ptr != NULL, reply.pagination != NULL && page.next[0] != '\0');
}

START_TEST(replies_are_read_as_protobuf_c_reads_them)
{
    for (int round = 0; round < ROUNDS; round++) {
        vmx_arena_reset(&arena);
        check_query_reply(up_to(1) == 0 ? 0 : up_to(20));
        check_fetch_reply(up_to(1) == 0 ? 0 : up_to(20));
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* Writers may send floats one by one, or a packed field in pieces: all of them count, in order. */
START_TEST(floats_in_pieces_are_put_together)
{
    static const uint8_t bytes[] = {0x12, 0x1a,                                       /* a match of 26 bytes */
                                    0x0a, 0x01, 'x',                                  /* its id */
                                    0x1a, 0x04, 0,   0, 0x80, 0x3f,                   /* values: 1, packed */
                                    0x1d, 0,    0,   0, 0x40,                         /* 2, single */
                                    0x1a, 0x08, 0,   0, 0x40, 0x40, 0, 0, 0x80, 0x40, /* 3 and 4, packed */
                                    0x1a, 0x00};                                      /* packed, none */
    vmx_decoded decoded;
    decode(VMX_REPLY_QUERY, (vmx_str){(const char *)bytes, sizeof bytes}, &decoded);
    ck_assert_uint_eq(decoded.match_count, 1);
    ck_assert_uint_eq(decoded.matches[0].values.len, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert(decoded.matches[0].values.ptr[i] == (float)(i + 1));
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    vmx_random_seed(&chance, 4711);
    const TTest *const tests[] = {bytes_are_those_of_protobuf_c,           what_fits_is_known_before,
                                  encoding_survives_any_failed_allocation, replies_are_read_as_protobuf_c_reads_them,
                                  floats_in_pieces_are_put_together,       NULL};
    return run_suite("vector_encoder, reply_decoder", tests);
}
