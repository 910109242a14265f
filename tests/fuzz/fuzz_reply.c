/*
 * The reply decoder: any bytes get the guard's verdict and protobuf-c's content. The first byte says which reply it is, how it
 * lies in memory and whether it may be moved; the rest is the reply.
 */
#include "wire/oracle.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t slice_bytes[] = {0, 1, 2, 3, 7, 16, 40, 100, 300, 700, 0};
    vmx_arena arena = {0};
    if (size == 0)
        return 0;
    vmx_str reply = {(const char *)data + 1, size - 1};
    oracle_reply_place place = {slice_bytes[(data[0] & 0x7f) / 12], data[0] / 3 % 4, (data[0] & 0x80) != 0};
    oracle_check_reply(&arena, (vmx_reply_kind)(data[0] % 3), reply, place);
    vmx_arena_reset(&arena);
    return 0;
}
