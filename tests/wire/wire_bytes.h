/*
 * tests/wire/wire_bytes.h: writing protobuf wire bytes by hand, well formed or not.
 */
#ifndef VMX_TESTS_WIRE_BYTES_H
#define VMX_TESTS_WIRE_BYTES_H

#include "core/buffer.h"

static inline void
put_varint(vmx_buffer *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        vmx_buffer_append_byte(to, (uint8_t)(value | 0x80));
    vmx_buffer_append_byte(to, (uint8_t)value);
}

static inline void
put_tag(vmx_buffer *to, uint32_t number, unsigned wire_type)
{
    put_varint(to, (uint64_t)number << 3 | wire_type);
}

static inline void
put_bytes(vmx_buffer *to, uint32_t number, const void *data, size_t len)
{
    put_tag(to, number, 2);
    put_varint(to, len);
    vmx_buffer_append(to, data, len);
}

/* Puts the tag and the length of field `number` in front of what is there. */
static inline void
wrap(vmx_buffer *what, uint32_t number)
{
    vmx_buffer head = {0};
    put_tag(&head, number, 2);
    put_varint(&head, what->len);
    vmx_buffer_insert(what, 0, head.data, head.len);
    vmx_buffer_free(&head);
}

#endif
