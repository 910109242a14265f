/* The messages of WritePart: read where they lie, or unpacked, they are the same; everything else is refused. */
#include <string.h>

#include "build/chunk.h"
#include "core/suite.h"
#include "server/repository/part_message.h"

static vmx_arena arena;

static bool
read_message(const void *bytes, size_t len, vmxd_part_message *message, vmxd_status *status)
{
    vmx_arena_reset(&arena);
    status->code = GRPC_STATUS_OK;
    return vmxd_part_message_read((vmx_str){bytes, len}, &arena, message, status);
}

/* What protobuf-c makes of a chunk. */
static size_t
pack_chunk(const void *data, size_t len, bool has_crc32c, uint32_t crc32c, uint8_t *out)
{
    Repository__WritePartRequest request;
    Repository__Chunk chunk;
    repository__write_part_request__init(&request);
    repository__chunk__init(&chunk);
    chunk.data = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
    chunk._crc32c_case = has_crc32c ? REPOSITORY__CHUNK___CRC32C_CRC32C : REPOSITORY__CHUNK___CRC32C__NOT_SET;
    chunk.crc32c = crc32c;
    request.message_case = REPOSITORY__WRITE_PART_REQUEST__MESSAGE_CHUNK;
    request.chunk = &chunk;
    return repository__write_part_request__pack(&request, out);
}

static void
expect_chunk(const uint8_t *bytes, size_t len, const void *data, size_t data_len, bool has_crc32c, uint32_t crc32c)
{
    vmxd_part_message message;
    vmxd_status status;
    ck_assert_msg(read_message(bytes, len, &message, &status), "%s", status.text);
    ck_assert(!message.is_end);
    ck_assert_uint_eq(message.data.len, data_len);
    ck_assert(data_len == 0 || memcmp(message.data.ptr, data, data_len) == 0);
    ck_assert_int_eq(message.has_crc32c, has_crc32c);
    if (has_crc32c)
        ck_assert_uint_eq(message.crc32c, crc32c);
}

static void
expect_refusal(const void *bytes, size_t len, const char *why)
{
    vmxd_part_message message;
    vmxd_status status;
    ck_assert(!read_message(bytes, len, &message, &status));
    ck_assert_int_eq(status.code, GRPC_STATUS_INVALID_ARGUMENT);
    ck_assert_msg(strstr(status.text, why) != NULL, "\"%s\" does not say \"%s\"", status.text, why);
}

START_TEST(test_chunks_of_protobuf_and_of_the_client)
{
    static uint8_t data[20000], packed[20100], ours[VMX_CHUNK_HEAD + 20000];
    const size_t sizes[] = {0, 1, 100, 127, 128, 16383, 16384, 20000};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        expect_chunk(packed, pack_chunk(data, size, true, 0xdeadbeef, packed), data, size, true, 0xdeadbeef);
        expect_chunk(packed, pack_chunk(data, size, false, 0, packed), data, size, false, 0);
        size_t head = vmx_chunk_head(ours + VMX_CHUNK_HEAD, size, 0xfeedf00d);
        ck_assert_uint_le(head, VMX_CHUNK_HEAD);
        memcpy(ours + VMX_CHUNK_HEAD, data, size);
        expect_chunk(ours + VMX_CHUNK_HEAD - head, head + size, data, size, true, 0xfeedf00d);
    }
}
END_TEST

START_TEST(test_plain_chunks_are_not_copied)
{
    uint8_t packed[64];
    vmxd_part_message message;
    vmxd_status status;
    size_t len = pack_chunk("some data", 9, true, 7, packed);
    ck_assert(read_message(packed, len, &message, &status));
    ck_assert(message.data.ptr > (const char *)packed && message.data.ptr < (const char *)packed + len);
}
END_TEST

/* Fields that are repeated, unknown or in pieces: the last wins, as protobuf says. */
START_TEST(test_odd_but_sound_messages)
{
    const uint8_t twice[] = {0x12, 6, 0x0a, 1, 'a', 0x0a, 1, 'b'};
    const uint8_t unknown[] = {0x12, 5, 0x0a, 1, 'a', 0x20, 1};
    const uint8_t long_length[] = {0x12, 0x84, 0x00, 0x0a,
                                   0x82, 0x00, 'a'}; /* cut short on purpose: 2 bytes, 1 there */
    const uint8_t padded[] = {0x12, 0x85, 0x00, 0x0a, 0x82, 0x00, 'a', 'b'};
    expect_chunk(twice, sizeof twice, "b", 1, false, 0);
    expect_chunk(unknown, sizeof unknown, "a", 1, false, 0);
    expect_refusal(long_length, sizeof long_length, "Malformed");
    expect_chunk(padded, sizeof padded, "ab", 2, false, 0);
}
END_TEST

START_TEST(test_the_end_has_a_digest)
{
    const uint8_t end[] = {0x1a, 6, 0x0a, 4, 1, 2, 3, 4};
    vmxd_part_message message;
    vmxd_status status;
    ck_assert(read_message(end, sizeof end, &message, &status));
    ck_assert(message.is_end);
    ck_assert_uint_eq(message.digest.len, 4);
    ck_assert_int_eq(memcmp(message.digest.data, "\1\2\3\4", 4), 0);
}
END_TEST

START_TEST(test_everything_else_is_refused)
{
    uint8_t packed[64];
    expect_refusal("", 0, "not an empty message");
    expect_refusal("\x0a\x02\x10\x01", 4, "not another header");
    expect_refusal("\x12", 1, "Malformed");
    expect_refusal("\xff\xff\xff\xff\xff", 5, "Malformed");
    expect_refusal("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, "Malformed");
    size_t len = pack_chunk("0123456789", 10, true, 7, packed);
    for (size_t cut = 1; cut < len; cut++)
        expect_refusal(packed, cut, "Malformed");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_chunks_of_protobuf_and_of_the_client,
                                  test_plain_chunks_are_not_copied,
                                  test_odd_but_sound_messages,
                                  test_the_end_has_a_digest,
                                  test_everything_else_is_refused,
                                  NULL};
    int code = run_suite("part_message", tests);
    vmx_arena_reset(&arena);
    return code;
}
