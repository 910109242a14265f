/*
 * The reply decoder: any bytes get the guard's verdict and protobuf-c's content. The first byte says which reply it is, where
 * it lies and whether it may be moved; the rest is the reply.
 */
#include "wire/oracle.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vmx_arena arena = {0};
    if (size == 0)
        return 0;
    vmx_str reply = {(const char *)data + 1, size - 1};
    oracle_check_reply(&arena, (vmx_reply_kind)(data[0] % 3), reply, data[0] / 3 % 4, (data[0] & 0x80) != 0);
    vmx_arena_reset(&arena);
    return 0;
}
