/* Replies as nobody should send them: each gets the guard's verdict, protobuf-c's content, and no more memory than it is due. */
#include <string.h>

#include "core/suite.h"
#include "wire/oracle.h"
#include "wire/records.h"
#include "wire/wire_bytes.h"

#define TINY_RECORDS 100000

static vmx_arena arena;

/* Wire types that proto3 does not have. */
enum { GROUP_BEGINS = 3, GROUP_ENDS = 4 };

typedef struct hostile {
    const char *what;
    vmx_reply_kind kind;
    const char *bytes;
    size_t len;
    bool good;
} hostile;

#define REPLY(what, kind, bytes, good)                                                                                 \
    {                                                                                                                  \
        what, VMX_REPLY_##kind, bytes, sizeof(bytes) - 1, good                                                         \
    }

static const hostile replies[] = {
    REPLY("nothing at all", QUERY, "", true),
    REPLY("a usage alone", QUERY, "\x22\x02\x08\x05", true),
    REPLY("no record and a name", FETCH, "\x12\x01n", true),
    REPLY("an empty record", QUERY, "\x12\x00", true),
    REPLY("an empty entry", FETCH, "\x0a\x00", true),

    REPLY("a tag cut off", QUERY, "\x12\x00\x92", false),
    REPLY("a tag of six bytes", QUERY, "\x92\x80\x80\x80\x80\x00\x00", false),
    REPLY("a tag of two bytes that one would do for", QUERY, "\x92\x00\x00", true),
    REPLY("a length cut off", QUERY, "\x12\x80", false),
    REPLY("a length that is missing", QUERY, "\x12", false),
    REPLY("a length of two bytes that one would do for", QUERY, "\x12\x83\x00\x0a\x01x", true),
    REPLY("a length of six bytes", QUERY, "\x12\x80\x80\x80\x80\x80\x00", false),
    REPLY("the largest length", QUERY, "\x12\xff\xff\xff\xff\x0f", false),
    REPLY("field number 0", QUERY, "\x02\x00", false),
    REPLY("the largest field number", QUERY, "\xfa\xff\xff\xff\x0f\x00", true),
    REPLY("a field number beyond it", QUERY, "\xfa\xff\xff\xff\x1f\x00", false),

    REPLY("a record beyond the end", QUERY, "\x12\x04\x0a\x01x", false),
    REPLY("an id beyond the record", QUERY, "\x12\x03\x0a\x02x\x12\x00", false),
    REPLY("an id, as short records have it, beyond the record", QUERY, "\x12\x08\x0a\x02x\x15\x00\x00\x80\x3f", false),
    REPLY("an id, as short records have it, that ends too early", QUERY, "\x12\x09\x0a\x01xy\x15\x00\x00\x80\x3f",
          false),
    REPLY("a score cut off", QUERY, "\x12\x06\x0a\x01x\x15\x00\x00", false),
    REPLY("a score without an id", QUERY, "\x12\x05\x15\x00\x00\x80\x3f", true),
    REPLY("a score that is a varint", QUERY, "\x12\x02\x10\x01", false),
    REPLY("an id that is a number", QUERY, "\x12\x02\x08\x01", false),
    REPLY("an id with a NUL byte", QUERY, "\x12\x09\x0a\x02x\x00\x15\x00\x00\x80\x3f", false),
    REPLY("an id that is not UTF-8", QUERY, "\x12\x09\x0a\x02x\xff\x15\x00\x00\x80\x3f", false),
    REPLY("values cut off", QUERY, "\x12\x05\x1a\x03\x00\x00\x80", false),
    REPLY("values beyond the record", QUERY, "\x12\x04\x1a\x04\x00\x00\x80\x3f", false),
    REPLY("metadata beyond the record", QUERY, "\x12\x02\x22\x05\x0a\x00\x0a\x00\x0a", false),
    REPLY("a metadata's key beyond its entry", QUERY, "\x12\x06\x22\x04\x0a\x02\x0a\x05", false),
    REPLY("sparse indices cut off", QUERY, "\x12\x05\x2a\x03\x0a\x01\x80", false),
    REPLY("a vector beyond its entry", FETCH, "\x0a\x03\x12\x04\x0a", false),
    REPLY("a usage beyond the end", QUERY, "\x22\x03\x08\x05", false),
    REPLY("a usage's number cut off", QUERY, "\x22\x02\x08\x85", false),
    REPLY("a number of eleven bytes", QUERY, "\x22\x0c\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", false),
    REPLY("a page's token beyond its message", FETCH_BY_METADATA, "\x22\x02\x0a\x01", false),
    REPLY("records that are a number", QUERY, "\x10\x01", false),

    REPLY("unknown fields of all types", QUERY,
          "\x98\x06\x05\x99\x06"
          "12345678"
          "\x9a\x06\x01x\x9d\x06"
          "1234\x12\x00",
          true),
    REPLY("unknown fields in a record", QUERY,
          "\x12\x0d\x9a\x06\x01x\x98\x06\x05\x9d\x06"
          "1234",
          true),
    REPLY("an unknown field in a metadata", QUERY, "\x12\x06\x22\x04\x9a\x06\x01x", true),
    REPLY("an unknown field cut off", QUERY,
          "\x99\x06"
          "1234567",
          false),
    REPLY("a group", QUERY, "\x9b\x06\x9c\x06", false),
    REPLY("a group in a record", QUERY, "\x12\x04\x9b\x06\x9c\x06", false),
    REPLY("a group that is the records", QUERY, "\x13\x14", false),
    REPLY("a type that does not exist", QUERY, "\x9e\x06", false),

    REPLY("ids and scores that stand twice", QUERY,
          "\x12\x10\x0a\x01x\x15\x00\x00\x80\x3f\x0a\x01y\x15\x00\x00\x00\x40", true),
    REPLY("a key that stands twice", FETCH, "\x0a\x06\x0a\x01x\x0a\x01y", true),
    REPLY("a bad id before a good one", QUERY, "\x12\x06\x0a\x01\xff\x0a\x01y", false),
};

START_TEST(each_gets_the_guards_verdict)
{
    static const size_t slice_bytes[] = {0, 1, 2, 3, 5};
    for (const hostile *reply = replies; reply < replies + sizeof replies / sizeof *replies; reply++)
        for (size_t i = 0; i < sizeof slice_bytes / sizeof *slice_bytes; i++) {
            oracle_reply_place place = {slice_bytes[i], 0, i % 2 == 0};
            vmx_status verdict = oracle_check_reply(&arena, reply->kind, (vmx_str){reply->bytes, reply->len}, place);
            ck_assert_msg(verdict == (reply->good ? VMX_OK : VMX_ERR_PROTOCOL), "%s, in slices of %zu: %d", reply->what,
                          slice_bytes[i], (int)verdict);
        }
    vmx_arena_reset(&arena);
}
END_TEST

/* Cut off anywhere, with lengths and numbers of one and more bytes. */
START_TEST(replies_are_cut_off_at_every_byte)
{
    record_source source = {.arena = &arena};
    vmx_random_seed(&source.chance, 12);
    for (int round = 0; round < 4; round++) {
        vmx_reply_kind kind = round % 2 == 0 ? VMX_REPLY_QUERY : VMX_REPLY_FETCH;
        vmx_str whole = kind == VMX_REPLY_QUERY ? make_query_reply(&source, 3) : make_fetch_reply(&source, 3);
        for (size_t len = 0; len <= whole.len; len++) {
            vmx_arena scratch = {0};
            oracle_check_reply(&scratch, kind, (vmx_str){whole.ptr, len}, (oracle_reply_place){len % 3 * 7, 0, true});
            vmx_arena_reset(&scratch);
        }
    }
    vmx_arena_reset(&arena);
}
END_TEST

/* Ids are looked at several bytes at a time: one bad byte is found in each place of each length. */
START_TEST(a_bad_byte_is_found_anywhere_in_an_id)
{
    enum { LONGEST = 26 };
    static const char bad[] = {'\0', '\xff'};
    for (size_t len = 1; len <= LONGEST; len++) {
        for (size_t at = 0; at < 2 * len; at++) {
            char id[LONGEST];
            vmx_buffer bytes = {0};
            memset(id, 'x', sizeof id);
            id[at / 2] = bad[at % 2];
            put_bytes(&bytes, 1, id, len);
            put_tag(&bytes, 2, 5);
            vmx_buffer_append(&bytes, "\0\0\x80\x3f", 4);
            wrap(&bytes, 2);
            vmx_str reply = {(const char *)bytes.data, bytes.len};
            ck_assert_int_eq(oracle_check_reply(&arena, VMX_REPLY_QUERY, reply, (oracle_reply_place){0}),
                             VMX_ERR_PROTOCOL);
            vmx_buffer_free(&bytes);
        }
    }
    vmx_arena_reset(&arena);
}
END_TEST

static vmx_status
decode(vmx_decoder *decoder, const vmx_buffer *bytes, vmx_decoded *decoded)
{
    vmx_slice slice = {bytes->data, bytes->len, NULL};
    return vmx_reply_decode(decoder, VMX_REPLY_QUERY, &slice, 1, decoded);
}

START_TEST(of_what_stands_twice_the_last_counts)
{
    static const char record[] = "\x0a\x01x\x15\x00\x00\x80\x3f\x0a\x01y\x15\x00\x00\x00\x40";
    vmx_buffer bytes = {0};
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX};
    vmx_decoded decoded;
    put_bytes(&bytes, 2, record, sizeof record - 1);
    put_bytes(&bytes, 4, "\x08\x05", 2);
    put_bytes(&bytes, 4, "\x08\x07", 2);
    ck_assert_int_eq(decode(&decoder, &bytes, &decoded), VMX_OK);
    ck_assert_uint_eq(decoded.match_count, 1);
    ck_assert_uint_eq(decoded.matches[0].id.len, 1);
    ck_assert_int_eq(decoded.matches[0].id.ptr[0], 'y');
    ck_assert(decoded.matches[0].score == 2);
    ck_assert_uint_eq(decoded.read_units, 7);
    vmx_buffer_free(&bytes);
    vmx_arena_reset(&arena);
}
END_TEST

/* Ids of one to three letters, so that none is as long as the next, and a guess is wrong. */
static void
put_tiny(vmx_buffer *bytes, size_t i)
{
    static const char letters[] = "\x0a\x00xyz";
    char record[sizeof letters];
    size_t id_len = i * 7 % 4;
    memcpy(record, letters, sizeof letters);
    record[1] = (char)id_len;
    put_bytes(bytes, 2, record, 2 + id_len);
}

/* As many as they are, they take the memory of as many structs, and of the first guess. */
START_TEST(many_tiny_records_take_no_more_than_their_number)
{
    enum { GUESSED = 128 };
    vmx_buffer bytes = {0};
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX};
    vmx_decoded decoded;
    for (size_t i = 0; i < TINY_RECORDS; i++)
        put_tiny(&bytes, i + 3);
    ck_assert_int_eq(decode(&decoder, &bytes, &decoded), VMX_OK);
    ck_assert_uint_eq(decoded.match_count, TINY_RECORDS);
    for (size_t i = 0; i < TINY_RECORDS; i++)
        ck_assert_uint_eq(decoded.matches[i].id.len, (i + 3) * 7 % 4);
    ck_assert_uint_le(arena.used_bytes, (TINY_RECORDS + GUESSED) * sizeof(vmx_match));
    vmx_buffer_free(&bytes);
    vmx_arena_reset(&arena);
}
END_TEST

/* A small record in front of what is none: room for as many as might follow is not made. */
START_TEST(a_short_record_in_a_long_reply_takes_little)
{
    enum { BYTES = 4 << 20, MOST = 16 << 10 };
    static uint8_t nothing[BYTES];
    vmx_buffer bytes = {0};
    vmx_decoder decoder = {.arena = &arena, .max_bytes = SIZE_MAX};
    vmx_decoded decoded;
    put_bytes(&bytes, 2, "", 0);
    put_bytes(&bytes, 99, nothing, sizeof nothing);
    ck_assert_int_eq(decode(&decoder, &bytes, &decoded), VMX_OK);
    ck_assert_uint_eq(decoded.match_count, 1);
    ck_assert_uint_le(arena.used_bytes, MOST);
    vmx_buffer_free(&bytes);
    vmx_arena_reset(&arena);
}
END_TEST

/* At the top, in a usage, in a record's metadata. */
START_TEST(groups_are_refused_wherever_they_stand)
{
    static const unsigned types[] = {GROUP_BEGINS, GROUP_ENDS};
    for (uint32_t number = 1; number < 20; number++) {
        for (size_t i = 0; i < 2; i++) {
            vmx_buffer bytes = {0};
            put_tag(&bytes, number, types[i]);
            for (int depth = 0; depth < 3; depth++) {
                vmx_str reply = {(const char *)bytes.data, bytes.len};
                ck_assert_int_eq(oracle_check_reply(&arena, VMX_REPLY_QUERY, reply, (oracle_reply_place){0}),
                                 VMX_ERR_PROTOCOL);
                wrap(&bytes, depth == 0 ? 4 : 2);
            }
            vmx_buffer_free(&bytes);
        }
    }
    vmx_arena_reset(&arena);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {each_gets_the_guards_verdict,
                                  replies_are_cut_off_at_every_byte,
                                  groups_are_refused_wherever_they_stand,
                                  a_bad_byte_is_found_anywhere_in_an_id,
                                  of_what_stands_twice_the_last_counts,
                                  many_tiny_records_take_no_more_than_their_number,
                                  a_short_record_in_a_long_reply_takes_little,
                                  NULL};
    return run_suite("hostile_replies", tests);
}
