/*
 * wire/varint.h: the smallest pieces of protobuf's wire format (protobuf.dev, "Encoding").
 */
#ifndef VMX_WIRE_VARINT_H
#define VMX_WIRE_VARINT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Wire types; a tag is field number * 8 + type. */
enum { VMX_WIRE_VARINT = 0, VMX_WIRE_64BIT = 1, VMX_WIRE_BYTES = 2, VMX_WIRE_32BIT = 5 };

/* Bytes that `value` takes as a varint, 1 to 10. */
static inline size_t
vmx_varint_size(uint64_t value)
{
    return (size_t)(64 - __builtin_clzll(value | 1) + 6) / 7;
}

/* Writes `value`; returns the place behind it. */
static inline uint8_t *
vmx_varint_write(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Reads a varint that is known to be whole; advances *at. */
static inline uint64_t
vmx_varint_read(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

/* Size of a length-delimited field with a one-byte tag: tag, length, content. */
static inline size_t
vmx_field_size(size_t content_bytes)
{
    return 1 + vmx_varint_size(content_bytes) + content_bytes;
}

/* Writes tag and length of such a field. */
static inline uint8_t *
vmx_field_begin(uint8_t *at, unsigned field, size_t content_bytes)
{
    *at++ = (uint8_t)(field << 3 | VMX_WIRE_BYTES);
    return vmx_varint_write(at, content_bytes);
}

/* Writes such a field whole. */
static inline uint8_t *
vmx_field_write(uint8_t *at, unsigned field, const void *content, size_t content_bytes)
{
    at = vmx_field_begin(at, field, content_bytes);
    if (content_bytes > 0)
        memcpy(at, content, content_bytes);
    return at + content_bytes;
}

#endif
