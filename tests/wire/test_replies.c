/* The decoder against the guard and protobuf-c, on random replies, whole and broken. */
#include <string.h>

#include "core/failing_allocator.h"
#include "core/suite.h"
#include "wire/oracle.h"
#include "wire/records.h"
#include "wire/wire_bytes.h"

#define ROUNDS    1500
#define MUTATIONS 12

static vmx_arena arena;

/* Decodes a QueryResponse that lies in one slice. */
static vmx_status
decode_query(vmx_decoder *decoder, vmx_str bytes, vmx_decoded *decoded)
{
    vmx_slice slice = {(const uint8_t *)bytes.ptr, bytes.len, NULL};
    return vmx_reply_decode(decoder, VMX_REPLY_QUERY, &slice, 1, decoded);
}

static vmx_str
make_reply(record_source *source, vmx_reply_kind *kind, size_t max)
{
    *kind = (vmx_reply_kind)choose(source, 2);
    return *kind == VMX_REPLY_QUERY ? make_query_reply(source, max) : make_fetch_reply(source, max);
}

/* In one slice, in slices of a frame's size or less, and cut everywhere. */
static oracle_reply_place
choose_place(record_source *source, bool may_move)
{
    static const size_t slice_bytes[] = {0, 0, 700, 130, 61, 16, 3, 1};
    return (oracle_reply_place){slice_bytes[choose(source, 7)], choose(source, 3), may_move};
}

START_TEST(replies_are_read_as_protobuf_c_reads_them)
{
    record_source source = {.arena = &arena};
    vmx_reply_kind kind;
    vmx_random_seed(&source.chance, 4711);
    for (int round = 0; round < ROUNDS; round++) {
        vmx_arena_reset(&arena);
        vmx_str bytes = make_reply(&source, &kind, 20);
        vmx_status verdict = oracle_check_reply(&arena, kind, bytes, choose_place(&source, round % 2 == 0));
        ck_assert_int_eq(verdict, VMX_OK);
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* Cuts off, changes, repeats or takes out some bytes. */
static vmx_str
mutate(record_source *source, vmx_str bytes)
{
    char *out = vmx_arena_alloc(&arena, 2 * bytes.len + 1);
    size_t at = choose(source, bytes.len), run = choose(source, bytes.len - at < 30 ? bytes.len - at : 30);
    size_t len = bytes.len;
    memcpy(out, bytes.ptr, len);
    switch (choose(source, 3)) {
    case 0:
        return (vmx_str){out, at};
    case 1:
        memmove(out + at, out + at + run, len - at - run);
        return (vmx_str){out, len - run};
    case 2:
        memmove(out + at + run, out + at, len - at);
        return (vmx_str){out, len + run};
    default:
        if (at < len)
            out[at] = (char)choose(source, 255);
        return (vmx_str){out, len};
    }
}

START_TEST(broken_replies_are_refused_as_the_guard_refuses_them)
{
    record_source source = {.arena = &arena};
    size_t accepted = 0, refused = 0;
    vmx_reply_kind kind;
    vmx_random_seed(&source.chance, 815);
    for (int round = 0; round < ROUNDS; round++) {
        vmx_arena_reset(&arena);
        vmx_str bytes = make_reply(&source, &kind, 3);
        for (int i = 0; i < MUTATIONS; i++) {
            vmx_str mutated = mutate(&source, bytes);
            bool good = oracle_check_reply(&arena, kind, mutated, choose_place(&source, i % 2 == 0)) == VMX_OK;
            accepted += good;
            refused += !good;
            if (good)
                bytes = mutated;
        }
    }
    ck_assert_uint_gt(accepted, ROUNDS); /* both happen, often */
    ck_assert_uint_gt(refused, ROUNDS);
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
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX};
    vmx_decoded decoded;
    vmx_str reply = {(const char *)bytes, sizeof bytes};
    ck_assert_int_eq(decode_query(&decoder, reply, &decoded), VMX_OK);
    ck_assert_uint_eq(decoded.match_count, 1);
    ck_assert_uint_eq(decoded.matches[0].values.len, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert(decoded.matches[0].values.ptr[i] == (float)(i + 1));
    vmx_arena_reset(&arena);
}
END_TEST

/* Metadata of `levels` lists inside each other, in a match. */
static vmx_buffer
make_deep(size_t levels)
{
    vmx_buffer bytes = {0};
    for (size_t i = 0; i < levels; i++) {
        wrap(&bytes, 1); /* a Value of the list */
        wrap(&bytes, 6); /* the list, in a Value */
    }
    wrap(&bytes, 2); /* the entry's value */
    wrap(&bytes, 1); /* the entry */
    wrap(&bytes, 4); /* the metadata */
    wrap(&bytes, 2); /* the match */
    return bytes;
}

START_TEST(metadata_is_as_deep_as_the_guard_lets_it_be)
{
    size_t deepest = 0;
    for (size_t levels = 0; levels < 60; levels++) {
        vmx_buffer bytes = make_deep(levels);
        vmx_str reply = {(const char *)bytes.data, bytes.len};
        bool good = oracle_check_reply(&arena, VMX_REPLY_QUERY, reply, (oracle_reply_place){0}) == VMX_OK;
        ck_assert(!good || deepest == levels || levels == deepest + 1);
        deepest = good ? levels : deepest;
        vmx_buffer_free(&bytes);
        vmx_arena_reset(&arena);
    }
    ck_assert_uint_eq(deepest, 47); /* 5 messages, and 2 for each list: 99 of 100 */
}
END_TEST

START_TEST(the_memory_that_a_reply_may_need_is_bounded)
{
    enum { RECORDS = 1000, GUESSED = 128 };
    vmx_buffer bytes = {0};
    vmx_decoded decoded;
    for (int i = 0; i < RECORDS; i++)
        put_bytes(&bytes, 2, "", 0); /* a match of two bytes becomes a struct */
    vmx_str reply = {(const char *)bytes.data, bytes.len};
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX};
    ck_assert_int_eq(decode_query(&decoder, reply, &decoded), VMX_OK);
    size_t needed = decoder.needed_bytes;
    ck_assert_uint_eq(needed, arena.used_bytes);
    ck_assert_uint_ge(needed, RECORDS * sizeof(vmx_match));
    ck_assert_uint_le(needed, (RECORDS + GUESSED) * sizeof(vmx_match));
    vmx_arena_reset(&arena);
    decoder.max_bytes = needed;
    ck_assert_int_eq(decode_query(&decoder, reply, &decoded), VMX_OK);
    vmx_arena_reset(&arena);
    decoder.max_bytes = needed - 1;
    ck_assert_int_eq(decode_query(&decoder, reply, &decoded), VMX_ERR_TOO_LARGE);
    ck_assert_uint_eq(decoder.needed_bytes, needed);
    ck_assert_uint_lt(arena.used_bytes, needed);
    vmx_buffer_free(&bytes);
    vmx_arena_reset(&arena);
}
END_TEST

/* One that fits is not refused because more was guessed. */
START_TEST(a_guess_keeps_to_what_is_allowed)
{
    vmx_buffer bytes = {0};
    vmx_decoded decoded;
    put_bytes(&bytes, 2, "", 0);
    for (int i = 0; i < 1000; i++)
        put_bytes(&bytes, 99, "", 0);
    vmx_decoder decoder = {.arena = &arena, .max_bytes = sizeof(vmx_match)};
    ck_assert_int_eq(decode_query(&decoder, (vmx_str){(const char *)bytes.data, bytes.len}, &decoded), VMX_OK);
    ck_assert_uint_eq(decoded.match_count, 1);
    decoder.max_bytes--;
    ck_assert_int_eq(decode_query(&decoder, (vmx_str){(const char *)bytes.data, bytes.len}, &decoded),
                     VMX_ERR_TOO_LARGE);
    vmx_buffer_free(&bytes);
    vmx_arena_reset(&arena);
}
END_TEST

START_TEST(decoding_survives_any_failed_allocation)
{
    record_source source = {.arena = &arena};
    vmx_random_seed(&source.chance, 3);
    vmx_str bytes = make_query_reply(&source, 20);
    vmx_status status = VMX_ERR_NO_MEMORY;
    for (long n = 0; status != VMX_OK && n < 100; n++) {
        failing_allocator state;
        vmx_arena result = {0};
        vmx_decoded decoded;
        vmx_decoder decoder = {.arena = &result, .max_bytes = SIZE_MAX};
        failing_allocator_install(&state, n);
        status = decode_query(&decoder, bytes, &decoded);
        ck_assert(status == VMX_OK || status == VMX_ERR_NO_MEMORY);
        vmx_arena_reset(&result);
        vmx_set_allocator(NULL);
        ck_assert(n > 0 || status == VMX_ERR_NO_MEMORY);
    }
    ck_assert_int_eq(status, VMX_OK);
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        replies_are_read_as_protobuf_c_reads_them,   broken_replies_are_refused_as_the_guard_refuses_them,
        floats_in_pieces_are_put_together,           metadata_is_as_deep_as_the_guard_lets_it_be,
        the_memory_that_a_reply_may_need_is_bounded, a_guess_keeps_to_what_is_allowed,
        decoding_survives_any_failed_allocation,     NULL};
    return run_suite("reply_decoder", tests);
}
