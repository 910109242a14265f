/*
 * wire/checked_reader.h: field by field through foreign protobuf bytes, by the guard's rules (wire/guard.h): what it gives
 * is whole and lies inside its message. Nothing is allocated.
 *
 * A reader is at the beginning of a field, or behind its tag. vmx_checked_tag reads the tag; then the value must be read, by
 * what the tag says that it is, or skipped. Where the bytes are not well-formed, or their reader refuses them, there is
 * nothing more to read, and `broken` says so: it need be looked at only once, at the end.
 */
#ifndef VMX_WIRE_CHECKED_READER_H
#define VMX_WIRE_CHECKED_READER_H

#include "wire/field_reader.h"

#define VMX_MAX_TAG_BYTES    5 /* also of a length */
#define VMX_MAX_VARINT_BYTES 10
#define VMX_MAX_FIELD_NUMBER 536870911

typedef struct vmx_checked_reader {
    const uint8_t *at, *end;
    bool broken;
} vmx_checked_reader;

/* A varint, and the place behind it: NULL if there is none. */
typedef struct vmx_checked_number {
    const uint8_t *end;
    uint64_t value;
} vmx_checked_number;

static inline vmx_checked_reader
vmx_checked_reader_on(vmx_str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (vmx_checked_reader){at, at + bytes.len, false};
}

static inline void
vmx_checked_refuse(vmx_checked_reader *reader)
{
    reader->at = reader->end;
    reader->broken = true;
}

/* A varint of any length up to `max_bytes`. */
vmx_checked_number
vmx_checked_varint_slowly(const uint8_t *at, const uint8_t *end, size_t max_bytes);

/* Reads a varint of at most `max_bytes`; returns where it ends, NULL if it does not, or overflows. */
static inline const uint8_t *
vmx_checked_varint(const uint8_t *at, const uint8_t *end, size_t max_bytes, uint64_t *value)
{
    if (at < end && at[0] < 0x80) { /* most tags and lengths */
        *value = at[0];
        return at + 1;
    }
    if (end - at >= 2 && at[1] < 0x80) { /* the length of what is longer */
        *value = (at[0] & 0x7Fu) | (uint64_t)at[1] << 7;
        return at + 2;
    }
    vmx_checked_number number = vmx_checked_varint_slowly(at, end, max_bytes);
    *value = number.value;
    return number.end;
}

/* --- a reader at the beginning of a field -------------------------------------------------------------------------- */

static inline uint32_t
vmx_tag(uint32_t number, unsigned type)
{
    return number << 3 | type;
}

static inline uint32_t
vmx_tag_number(uint32_t tag)
{
    return tag >> 3;
}

/* False at the end. */
static inline bool
vmx_checked_tag(vmx_checked_reader *reader, uint32_t *tag)
{
    uint64_t value;
    if (reader->at >= reader->end)
        return false;
    const uint8_t *behind = vmx_checked_varint(reader->at, reader->end, VMX_MAX_TAG_BYTES, &value);
    if (behind == NULL || value >> 3 == 0 || value >> 3 > VMX_MAX_FIELD_NUMBER) {
        vmx_checked_refuse(reader);
        return false;
    }
    reader->at = behind;
    *tag = (uint32_t)value;
    return true;
}

/* --- a reader behind a tag ----------------------------------------------------------------------------------------- */

/* The content of a length-delimited field; {"", 0} where it is broken. */
static inline vmx_str
vmx_checked_bytes(vmx_checked_reader *reader)
{
    uint64_t len;
    const uint8_t *at = vmx_checked_varint(reader->at, reader->end, VMX_MAX_TAG_BYTES, &len);
    if (at == NULL || len > (uint64_t)(reader->end - at)) {
        vmx_checked_refuse(reader);
        return (vmx_str){"", 0};
    }
    reader->at = at + len;
    return (vmx_str){(const char *)at, (size_t)len};
}

/* The value of a varint; 0 where it is broken. */
static inline uint64_t
vmx_checked_integer(vmx_checked_reader *reader)
{
    uint64_t value;
    const uint8_t *at = vmx_checked_varint(reader->at, reader->end, VMX_MAX_VARINT_BYTES, &value);
    if (at == NULL) {
        vmx_checked_refuse(reader);
        return 0;
    }
    reader->at = at;
    return value;
}

/* Steps over `width` bytes, and copies them to `number` unless that is NULL. */
static inline void
vmx_checked_fixed(vmx_checked_reader *reader, void *number, size_t width)
{
    if ((size_t)(reader->end - reader->at) < width) {
        vmx_checked_refuse(reader);
        return;
    }
    if (number != NULL)
        memcpy(number, reader->at, width);
    reader->at += width;
}

/* Steps over the value of any field. Groups, which proto3 does not have, and types that do not exist are refused. */
static inline void
vmx_checked_skip(vmx_checked_reader *reader, uint32_t tag)
{
    switch (tag & 7) {
    case VMX_WIRE_BYTES:
        vmx_checked_bytes(reader);
        break;
    case VMX_WIRE_VARINT:
        vmx_checked_integer(reader);
        break;
    case VMX_WIRE_32BIT:
        vmx_checked_fixed(reader, NULL, 4);
        break;
    case VMX_WIRE_64BIT:
        vmx_checked_fixed(reader, NULL, 8);
        break;
    default:
        vmx_checked_refuse(reader);
    }
}

/* For what is not one of the known fields, whose numbers are up to `last_known`: those have come with a wrong type. */
static inline void
vmx_checked_unknown(vmx_checked_reader *reader, uint32_t tag, uint32_t last_known)
{
    if (vmx_tag_number(tag) <= last_known)
        vmx_checked_refuse(reader);
    else
        vmx_checked_skip(reader, tag);
}

#endif
