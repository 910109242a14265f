#include "wire/checked_reader.h"

vmx_checked_number
vmx_checked_varint_slowly(const uint8_t *at, const uint8_t *end, size_t max_bytes)
{
    static const vmx_checked_number none = {NULL, 0};
    uint64_t value = 0;
    for (size_t i = 0; i < max_bytes && at + i < end; i++) {
        if (i == VMX_MAX_VARINT_BYTES - 1 && at[i] > 1)
            return none;
        value |= (uint64_t)(at[i] & 0x7F) << (7 * i);
        if (at[i] < 0x80)
            return (vmx_checked_number){at + i + 1, value};
    }
    return none;
}
