#include "server/repository/part_message.h"

#include "server/journal_frame.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"

enum {
    TAG_CHUNK = 2 << 3 | 2,
    TAG_DATA = 1 << 3 | 2,
    TAG_CRC32C = 2 << 3 | 5,
    CRC32C_BYTES = 5 /* with its tag */
};

/* A tag and the length behind it; the length is below 2^28. */
static bool
take_length(vmx_str *bytes, uint8_t tag, size_t *len)
{
    if (bytes->len == 0 || (uint8_t)bytes->ptr[0] != tag)
        return false;
    *len = 0;
    for (size_t i = 1; i < bytes->len && i <= 4; i++) {
        uint8_t byte = (uint8_t)bytes->ptr[i];
        *len |= (size_t)(byte & 0x7f) << (7 * (i - 1));
        if (byte < 0x80) {
            *bytes = (vmx_str){bytes->ptr + i + 1, bytes->len - i - 1};
            return *len <= bytes->len;
        }
    }
    return false;
}

static bool
take_crc32c(vmx_str *bytes, vmxd_part_message *message)
{
    if (bytes->len < CRC32C_BYTES || (uint8_t)bytes->ptr[0] != TAG_CRC32C)
        return false;
    message->crc32c = vmxd_get_u32(bytes->ptr + 1);
    *bytes = (vmx_str){bytes->ptr + CRC32C_BYTES, bytes->len - CRC32C_BYTES};
    return message->has_crc32c = true;
}

/* A chunk as encoders write it: its data, then its crc32c; or, as who knows the crc32c before writes it (vecmux), the
 * other way round. Unpacking would copy the data. */
static bool
read_plain_chunk(vmx_str bytes, vmxd_part_message *message)
{
    size_t len;
    if (!take_length(&bytes, TAG_CHUNK, &len) || len != bytes.len)
        return false;
    bool crc_first = take_crc32c(&bytes, message);
    if (!take_length(&bytes, TAG_DATA, &len))
        return false;
    message->data = (vmx_str){bytes.ptr, len};
    bytes = (vmx_str){bytes.ptr + len, bytes.len - len};
    if (!crc_first)
        take_crc32c(&bytes, message);
    return bytes.len == 0;
}

/* Anything else that is well-formed. */
static bool
read_any(vmx_str bytes, vmx_arena *arena, vmxd_part_message *message, vmxd_status *status)
{
    vmx_error error;
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    if (vmx_guard_check(&repository__write_part_request__descriptor, (const uint8_t *)bytes.ptr, bytes.len, NULL,
                        &error) != VMX_OK)
        return vmxd_invalid(status, "Malformed message: %.400s", error.message);
    Repository__WritePartRequest *request =
        repository__write_part_request__unpack(&allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (!request)
        return vmxd_no_memory(status);
    if (request->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_END) {
        message->is_end = true;
        message->digest = request->end->digest;
        return true;
    }
    if (request->message_case != REPOSITORY__WRITE_PART_REQUEST__MESSAGE_CHUNK)
        return vmxd_invalid(status, "WritePart: a chunk or an end was expected, not %s",
                            request->message_case == REPOSITORY__WRITE_PART_REQUEST__MESSAGE_HEADER
                                ? "another header"
                                : "an empty message");
    const Repository__Chunk *chunk = request->chunk;
    message->data = (vmx_str){(const char *)chunk->data.data, chunk->data.len};
    message->has_crc32c = chunk->_crc32c_case == REPOSITORY__CHUNK___CRC32C_CRC32C;
    message->crc32c = message->has_crc32c ? chunk->crc32c : 0;
    return true;
}

bool
vmxd_part_message_read(vmx_str bytes, vmx_arena *arena, vmxd_part_message *message, vmxd_status *status)
{
    *message = (vmxd_part_message){0};
    if (read_plain_chunk(bytes, message))
        return true;
    *message = (vmxd_part_message){0};
    return read_any(bytes, arena, message, status);
}
