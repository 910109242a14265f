/*
 * The messages that carry blobs, read where they lie: WritePartRequest by the server, ReadRangeResponse by the client. The
 * first is held to what protobuf-c unpacks; the second, whose bytes come in pieces, to the same when it is accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "build/chunk.h"
#include "server/repository/part_message.h"
#include "wire/guard.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                                                                    \
    do {                                                                                                               \
        if (!(holds))                                                                                                  \
            abort();                                                                                                   \
    } while (0)

static void
check_same(const vmxd_part_message *message, const Repository__WritePartRequest *request)
{
    MUST(message->is_end == (request->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_END));
    if (message->is_end) {
        MUST(message->digest.len == request->end->digest.len);
        return;
    }
    const Repository__Chunk *chunk = request->chunk;
    MUST(message->data.len == chunk->data.len);
    MUST(chunk->data.len == 0 || memcmp(message->data.ptr, chunk->data.data, chunk->data.len) == 0);
    MUST(message->has_crc32c == (chunk->_crc32c_case == REPOSITORY__CHUNK___CRC32C_CRC32C));
    MUST(!message->has_crc32c || message->crc32c == chunk->crc32c);
}

static void
check_part(const uint8_t *data, size_t size)
{
    vmx_arena arena = {0};
    vmxd_part_message message;
    vmxd_status status = {.code = GRPC_STATUS_OK};
    vmx_error error;
    bool sound = vmx_guard_check(&repository__write_part_request__descriptor, data, size, NULL, &error) == VMX_OK;
    bool taken = vmxd_part_message_read((vmx_str){(const char *)data, size}, &arena, &message, &status);
    Repository__WritePartRequest *request = sound ? repository__write_part_request__unpack(NULL, size, data) : NULL;
    bool expected = request != NULL && (request->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_CHUNK ||
                                        request->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_END);
    MUST(taken == expected);
    if (taken)
        check_same(&message, request);
    if (request != NULL)
        repository__write_part_request__free_unpacked(request, NULL);
    vmx_arena_reset(&arena);
}

typedef struct gathered {
    const uint8_t *expected;
    size_t left;
} gathered;

static bool
gather(void *user, const uint8_t *piece, size_t len)
{
    gathered *all = user;
    MUST(len <= all->left && memcmp(piece, all->expected, len) == 0);
    all->expected += len;
    all->left -= len;
    return true;
}

/* In slices of `step` bytes. */
static void
check_range(const uint8_t *data, size_t size, size_t step)
{
    vmx_slice slices[64];
    vmx_message message = {.slices = slices, .size_bytes = size};
    vmx_range_data range;
    for (size_t at = 0; at < size && message.count < 64; at += step) {
        bool last = message.count == 63 || size - at <= step;
        slices[message.count++] = (vmx_slice){data + at, last ? size - at : step, NULL};
    }
    if (!vmx_range_parse(&message, &range))
        return;
    Repository__ReadRangeResponse *reply = repository__read_range_response__unpack(NULL, size, data);
    MUST(reply != NULL && reply->offset == range.offset && reply->data.len == range.len);
    gathered all = {reply->data.data, range.len};
    MUST(vmx_range_walk(&message, &range, gather, &all) && all.left == 0);
    repository__read_range_response__free_unpacked(reply, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_part(data, size);
    if (size > 1)
        check_range(data + 1, size - 1, 1 + data[0] % 32);
    return 0;
}
