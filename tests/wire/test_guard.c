#include <google/protobuf/struct.pb-c.h>
#include <pinecone/vector_service.pb-c.h>
#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "core/suite.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"
#include "wire/text_check.h"
#include "wire/wire_bytes.h"

static vmx_error error;

#define UPSERT   &pinecone__upsert_request__descriptor
#define DELETE   &pinecone__delete_request__descriptor
#define RESPONSE &pinecone__upsert_response__descriptor
#define SPARSE   &pinecone__sparse_values__descriptor
#define VALUE    &google__protobuf__value__descriptor

static vmx_status
check(const ProtobufCMessageDescriptor *descriptor, const char *bytes, size_t len)
{
    /* a copy of the exact size, so that the address sanitizer sees a read beyond it */
    uint8_t *exact = calloc(1, len ? len : 1);
    if (len)
        memcpy(exact, bytes, len);
    vmx_status status = vmx_guard_check(descriptor, exact, len, NULL, &error);
    free(exact);
    return status;
}

#define ACCEPTED(descriptor, bytes)                                                                                    \
    ck_assert_msg(check(descriptor, bytes, sizeof(bytes) - 1) == VMX_OK, "%s: %s", #bytes, error.message)

#define REFUSED(descriptor, bytes, text)                                                                               \
    do {                                                                                                               \
        ck_assert_int_eq(check(descriptor, bytes, sizeof(bytes) - 1), VMX_ERR_PROTOCOL);                               \
        ck_assert_str_eq(error.message, text);                                                                         \
    } while (0)

START_TEST(test_numbers)
{
    ACCEPTED(RESPONSE, "");
    ck_assert_int_eq(vmx_guard_check(RESPONSE, NULL, 0, NULL, NULL), VMX_OK);
    ACCEPTED(RESPONSE, "\x08\x05");
    ACCEPTED(RESPONSE, "\x08\x80\x80\x00");                             /* overlong, and allowed */
    ACCEPTED(RESPONSE, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"); /* ten bytes: 2^64 - 1 */
    REFUSED(RESPONSE, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",   /* 2^64 and more */
            "UpsertResponse.upserted_count: a malformed number at byte 1");
    REFUSED(RESPONSE, "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", /* eleven bytes */
            "UpsertResponse.upserted_count: a malformed number at byte 1");
    REFUSED(RESPONSE, "\x08", "UpsertResponse.upserted_count: a malformed number at byte 1");
    REFUSED(RESPONSE, "\x08\x80", "UpsertResponse.upserted_count: a malformed number at byte 1");
    REFUSED(VALUE, "\x11\x00\x00\x00\x00\x00\x00\x00", "Value.number_value: a number that is cut off at byte 1");
    ACCEPTED(VALUE, "\x11\x00\x00\x00\x00\x00\x00\xf0\x3f");
}
END_TEST

START_TEST(test_tags)
{
    REFUSED(RESPONSE, "\x00\x00", "UpsertResponse: a malformed tag at byte 0");                     /* field 0 */
    REFUSED(RESPONSE, "\x08\x01\x80", "UpsertResponse: a malformed tag at byte 2");                 /* cut off */
    REFUSED(RESPONSE, "\x88\x80\x80\x80\x80\x00\x05", "UpsertResponse: a malformed tag at byte 0"); /* six bytes */
    ACCEPTED(RESPONSE, "\x88\x80\x80\x80\x00\x05");                                                 /* five */
    REFUSED(RESPONSE, "\x0b\x0c", "UpsertResponse.upserted_count: a group, which is not supported, at byte 1");
    REFUSED(RESPONSE, "\x0c", "UpsertResponse.upserted_count: a group, which is not supported, at byte 1");
    REFUSED(RESPONSE, "\x7b\x7c", "UpsertResponse.15: a group, which is not supported, at byte 1");
    REFUSED(RESPONSE, "\x0e\x01", "UpsertResponse.upserted_count: an unknown wire type at byte 1");
    REFUSED(RESPONSE, "\x0f\x01", "UpsertResponse.upserted_count: an unknown wire type at byte 1");
    REFUSED(RESPONSE, "\x0d\x01\x01\x01\x01",
            "UpsertResponse.upserted_count: a wire type other than the declared one at byte 1");
    REFUSED(RESPONSE, "\x0a\x01\x01",
            "UpsertResponse.upserted_count: a wire type other than the declared one at byte 1");
    REFUSED(UPSERT, "\x08\x01", "UpsertRequest.vectors: a wire type other than the declared one at byte 1");
}
END_TEST

START_TEST(test_lengths)
{
    ACCEPTED(UPSERT, "\x0a\x03\x0a\x01z\x12\x02ns");
    REFUSED(UPSERT, "\x0a", "UpsertRequest.vectors: a malformed length at byte 1");
    REFUSED(UPSERT, "\x0a\x80", "UpsertRequest.vectors: a malformed length at byte 1");
    REFUSED(UPSERT, "\x0a\x04\x0a\x01z", "UpsertRequest.vectors: a length beyond the end of its message at byte 1");
    REFUSED(UPSERT, "\x0a\xff\xff\xff\xff\x0f",
            "UpsertRequest.vectors: a length beyond the end of its message at byte 1");
    REFUSED(UPSERT, "\x0a\xff\xff\xff\xff\xff\x01", "UpsertRequest.vectors: a malformed length at byte 1");
    /* the inner length fits into the outermost message, but not into its own */
    REFUSED(UPSERT, "\x0a\x03\x0a\x02z\x12\x01n",
            "UpsertRequest.vectors.id: a length beyond the end of its message at byte 3");
}
END_TEST

START_TEST(test_strings)
{
    ACCEPTED(UPSERT, "\x12\x04\xf0\x9f\x98\x80");
    REFUSED(UPSERT, "\x12\x02z\xff", "UpsertRequest.namespace: a string that is not UTF-8 at byte 2");
    REFUSED(UPSERT, "\x12\x03\xed\xa0\x80", "UpsertRequest.namespace: a string that is not UTF-8 at byte 2");
    REFUSED(UPSERT, "\x12\x02\xc0\x80", "UpsertRequest.namespace: a string that is not UTF-8 at byte 2");
    REFUSED(UPSERT, "\x12\x02\xe2\x82", "UpsertRequest.namespace: a string that is not UTF-8 at byte 2");
    REFUSED(UPSERT, "\x12\x02z\x00", "UpsertRequest.namespace: a string with a NUL byte at byte 2");
    REFUSED(DELETE, "\x0a\x01\xff", "DeleteRequest.ids: a string that is not UTF-8 at byte 2");
    REFUSED(UPSERT, "\x0a\x0a\x1a\x08\x0a\x06\x0a\x01\xff\x12\x01\x1a",
            "UpsertRequest.vectors.metadata.fields.key: a string that is not UTF-8 at byte 8");
    /* long ones, with the fault at each place: whole words are looked at first */
    char text[40];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        memset(text, 'a', sizeof text);
        ck_assert(vmx_utf8_valid((vmx_str){text, sizeof text}));
        text[bad] = (char)0x80;
        ck_assert(!vmx_utf8_valid((vmx_str){text, sizeof text}));
        if (bad) {
            text[bad - 1] = (char)0xc3;
            ck_assert(vmx_utf8_valid((vmx_str){text, sizeof text}));
        }
    }
}
END_TEST

START_TEST(test_packed_and_not)
{
    ACCEPTED(SPARSE, "\x0a\x03\x01\x80\x01\x12\x04zzzz"); /* packed */
    ACCEPTED(SPARSE, "\x08\x01\x08\x02\x15zzzz\x15zzzz"); /* one by one */
    ACCEPTED(SPARSE, "\x0a\x00\x12\x00");
    REFUSED(SPARSE, "\x0a\x02\x01\x80", "SparseValues.indices: a malformed number at byte 3");
    REFUSED(SPARSE, "\x12\x05zzzzz", "SparseValues.values: a packed field with a broken last element at byte 2");
    REFUSED(SPARSE, "\x15zzz", "SparseValues.values: a number that is cut off at byte 1");
    REFUSED(SPARSE, "\x11zzzzzzzz", "SparseValues.values: a wire type other than the declared one at byte 1");
}
END_TEST

START_TEST(test_unknown_fields_are_skipped)
{
    ACCEPTED(RESPONSE, "\x78\x01\x79zzzzzzzz\x7a\x02\xff\x00\x7dzzzz\x08\x01");
    REFUSED(RESPONSE, "\x7a\x02z", "UpsertResponse.15: a length beyond the end of its message at byte 1");
    REFUSED(RESPONSE, "\x79zzzzzzz", "UpsertResponse.15: a number that is cut off at byte 1");
}
END_TEST

/* A Value of `depth` messages: ListValue and Value in turn. */
static vmx_buffer
nested_lists(unsigned depth)
{
    vmx_buffer bytes = {0};
    for (unsigned i = depth; i > 1; i--)
        wrap(&bytes, i % 2 ? 1 : 6); /* message i is a ListValue when i is even */
    return bytes;
}

START_TEST(test_depth)
{
    vmx_buffer bytes = nested_lists(VMX_GUARD_MAX_DEPTH);
    ck_assert_msg(vmx_guard_check(VALUE, bytes.data, bytes.len, NULL, &error) == VMX_OK, "%s", error.message);
    vmx_buffer_free(&bytes);
    bytes = nested_lists(VMX_GUARD_MAX_DEPTH + 1);
    ck_assert_int_eq(vmx_guard_check(VALUE, bytes.data, bytes.len, NULL, &error), VMX_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.message, "...: nested deeper than 100 messages at byte "));
    ck_assert_mem_eq(error.message, "Value.list_value.values.", 24);
    vmx_buffer_free(&bytes);
}
END_TEST

START_TEST(test_six_thousand_lists)
{
    vmx_buffer bytes = nested_lists(12001);
    ck_assert_uint_gt(bytes.len, 40000);
    ck_assert_int_eq(vmx_guard_check(VALUE, bytes.data, bytes.len, NULL, &error), VMX_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(error.message, "nested deeper than 100 messages"));
    vmx_buffer_free(&bytes);
}
END_TEST

/* What protobuf-c takes from an allocator, all in all. */
static void *
measure(void *total, size_t size)
{
    *(size_t *)total += (size + 15) / 16 * 16;
    return malloc(size ? size : 1);
}

static void
measure_free(void *total, void *ptr)
{
    (void)total;
    free(ptr);
}

/* False if the guard refuses the bytes; else they unpack, within the bound. */
static bool
check_against_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len)
{
    size_t bound = 0, used = 0;
    if (vmx_guard_check(descriptor, bytes, len, &bound, &error) != VMX_OK)
        return false;
    ProtobufCAllocator allocator = {measure, measure_free, &used};
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, len, bytes);
    ck_assert_msg(message != NULL, "%zu bytes passed the guard and do not unpack", len);
    ck_assert_msg(used <= bound, "unpacking took %zu bytes, the bound is %zu", used, bound);
    protobuf_c_message_free_unpacked(message, &allocator);
    return true;
}

START_TEST(test_amplification_is_bounded)
{
    vmx_buffer bytes = {0};
    for (int i = 0; i < 50000; i++)
        vmx_buffer_append(&bytes, "\x0a\x00", 2); /* an empty Vector each */
    size_t bound;
    ck_assert_int_eq(vmx_guard_check(UPSERT, bytes.data, bytes.len, &bound, &error), VMX_OK);
    ck_assert_uint_ge(bound, 50000 * sizeof(Pinecone__Vector));
    ck_assert_uint_le(bound, 50000 * (sizeof(Pinecone__Vector) + 128));
    ck_assert(check_against_unpack(UPSERT, bytes.data, bytes.len));

    vmx_arena arena;
    vmx_arena_init(&arena, bound / 2); /* a limit stops it, and nothing leaks */
    ProtobufCAllocator allocator = vmx_arena_allocator(&arena);
    ck_assert_ptr_null(protobuf_c_message_unpack(UPSERT, &allocator, bytes.len, bytes.data));
    vmx_arena_reset(&arena);
    vmx_arena_init(&arena, bound);
    allocator = vmx_arena_allocator(&arena);
    ck_assert_ptr_nonnull(protobuf_c_message_unpack(UPSERT, &allocator, bytes.len, bytes.data));
    vmx_arena_reset(&arena);
    vmx_buffer_free(&bytes);
}
END_TEST

START_TEST(test_unpacked_element_by_element_is_bounded)
{
    vmx_buffer bytes = {0};
    for (int i = 0; i < 10000; i++)
        vmx_buffer_append(&bytes, "\x08\x07\x15zzzz\x7a\x00", 9);
    ck_assert(check_against_unpack(SPARSE, bytes.data, bytes.len));
    vmx_buffer_free(&bytes);
}
END_TEST

/* protobuf-c merges a repeated single submessage, and copies the arrays of both each time. */
START_TEST(test_merges_are_bounded)
{
    vmx_buffer bytes = {0};
    for (int i = 0; i < 500; i++)
        put_bytes(&bytes, 4, "\x0a\x03\x01\x02\x03\x15zzzz", 10); /* Vector.sparse_values */
    ck_assert(check_against_unpack(&pinecone__vector__descriptor, bytes.data, bytes.len));
    size_t few, many;
    vmx_guard_check(&pinecone__vector__descriptor, bytes.data, bytes.len / 10, &few, NULL);
    vmx_guard_check(&pinecone__vector__descriptor, bytes.data, bytes.len, &many, NULL);
    ck_assert_uint_gt(many, 50 * few); /* the square shows */
    bytes.len = 0;
    for (int i = 0; i < 500; i++)
        put_bytes(&bytes, 3, "\x0a\x05\x0a\x01k\x12\x00", 7); /* Vector.metadata */
    ck_assert(check_against_unpack(&pinecone__vector__descriptor, bytes.data, bytes.len));
    vmx_buffer_free(&bytes);
}
END_TEST

/* A request with some of everything. */
static vmx_buffer
sample(void)
{
    vmx_buffer value = {0}, vector = {0}, request = {0};
    for (int i = 0; i < 4; i++) {
        vector.len = value.len = 0;
        put_bytes(&value, 1, "\x1a\x01s", 3);
        put_bytes(&value, 1, "\x20\x01", 2);
        put_bytes(&value, 1, "\x11zzzzzzzz", 9);
        wrap(&value, 6);
        wrap(&value, 2);
        vmx_buffer_insert(&value, 0, "\x0a\x01k", 3);
        wrap(&value, 1);
        put_bytes(&vector, 1, "id", 2);
        put_bytes(&vector, 2, "zzzzyyyy", 8);
        put_bytes(&vector, 3, value.data, value.len);
        put_bytes(&vector, 4, "\x0a\x02\x01\x02\x12\x08zzzzyyyy", 14);
        put_bytes(&request, 1, vector.data, vector.len);
    }
    put_bytes(&request, 2, "namespace", 9);
    vmx_buffer_free(&value);
    vmx_buffer_free(&vector);
    return request;
}

static void
mutate(vmx_random *random, vmx_buffer *bytes)
{
    static const uint8_t favourites[] = {0x00, 0x01, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0x7f, 0x80, 0xff};
    for (uint64_t i = vmx_random_up_to(random, 3); i != UINT64_MAX; i--) {
        size_t at = (size_t)vmx_random_up_to(random, bytes->len - 1);
        uint8_t byte = favourites[vmx_random_up_to(random, sizeof favourites - 1)];
        switch (vmx_random_up_to(random, 3)) {
        case 0:
            bytes->data[at] = byte;
            break;
        case 1:
            bytes->data[at] = (uint8_t)(bytes->data[at] ^ (1u << vmx_random_up_to(random, 7)));
            break;
        case 2:
            vmx_buffer_insert(bytes, at, &byte, 1);
            break;
        default: { /* a piece of it once more */
            size_t len = (size_t)vmx_random_up_to(random, bytes->len - at);
            uint8_t piece[512];
            len = len < sizeof piece ? len : sizeof piece;
            memcpy(piece, bytes->data + at, len);
            vmx_buffer_insert(bytes, at, piece, len);
        }
        }
    }
}

/* Whatever passes the guard unpacks, within the bound. */
START_TEST(test_random_damage)
{
    vmx_random random;
    vmx_random_seed(&random, 5);
    vmx_buffer original = sample();
    ck_assert_msg(check_against_unpack(UPSERT, original.data, original.len), "%s", error.message);
    int passed = 0, rounds = 40000;
    for (int i = 0; i < rounds; i++) {
        vmx_buffer bytes = {0};
        vmx_buffer_append(&bytes, original.data, original.len);
        mutate(&random, &bytes);
        passed += check_against_unpack(UPSERT, bytes.data, bytes.len);
        vmx_buffer_free(&bytes);
    }
    ck_assert_int_gt(passed, rounds / 50);
    ck_assert_int_lt(passed, rounds / 2);
    vmx_buffer_free(&original);
}
END_TEST

START_TEST(test_every_cut)
{
    vmx_buffer bytes = sample();
    int passed = 0;
    for (size_t len = 0; len <= bytes.len; len++)
        passed += check(UPSERT, (const char *)bytes.data, len) == VMX_OK;
    ck_assert_int_eq(passed, 6); /* between the six fields of the outermost message */
    vmx_buffer_free(&bytes);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_numbers,
                                  test_tags,
                                  test_lengths,
                                  test_strings,
                                  test_packed_and_not,
                                  test_unknown_fields_are_skipped,
                                  test_depth,
                                  test_six_thousand_lists,
                                  test_amplification_is_bounded,
                                  test_unpacked_element_by_element_is_bounded,
                                  test_merges_are_bounded,
                                  test_random_damage,
                                  test_every_cut,
                                  NULL};
    return run_suite("wire guard", tests);
}
