/*
 * wire/checked_reader.h: field by field through foreign protobuf bytes, by the guard's rules (wire/guard.h): what it gives
 * is whole and lies inside its message. Nothing is allocated.
 */
#ifndef VMX_WIRE_CHECKED_READER_H
#define VMX_WIRE_CHECKED_READER_H

#include "wire/field_reader.h"

#define VMX_MAX_TAG_BYTES    5 /* also of a length */
#define VMX_MAX_VARINT_BYTES 10
#define VMX_MAX_FIELD_NUMBER 536870911

typedef struct vmx_checked_reader {
    const uint8_t *at, *end;
    bool broken; /* the bytes are not well-formed; there are no further fields */
} vmx_checked_reader;

static inline vmx_checked_reader
vmx_checked_reader_on(vmx_str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (vmx_checked_reader){at, at + bytes.len, false};
}

/* Reads a varint of at most `max_bytes`; returns where it ends, NULL if it does not, or overflows. */
static inline const uint8_t *
vmx_checked_varint(const uint8_t *at, const uint8_t *end, size_t max_bytes, uint64_t *value)
{
    if (at < end && *at < 0x80) { /* most tags and lengths */
        *value = *at;
        return at + 1;
    }
    uint64_t result = 0;
    for (size_t i = 0; i < max_bytes && at + i < end; i++) {
        if (i == VMX_MAX_VARINT_BYTES - 1 && at[i] > 1)
            return NULL;
        result |= (uint64_t)(at[i] & 0x7F) << (7 * i);
        if (at[i] < 0x80) {
            *value = result;
            return at + i + 1;
        }
    }
    return NULL;
}

/* Where the value of `field` ends, whose type is set; NULL if it is broken. */
static inline const uint8_t *
vmx_checked_value(const uint8_t *at, const uint8_t *end, vmx_field *field)
{
    size_t left = (size_t)(end - at);
    uint64_t len;
    switch (field->type) {
    case VMX_WIRE_BYTES:
        at = vmx_checked_varint(at, end, VMX_MAX_TAG_BYTES, &len);
        if (at == NULL || len > (uint64_t)(end - at))
            return NULL;
        field->bytes = (vmx_str){(const char *)at, (size_t)len};
        return at + len;
    case VMX_WIRE_VARINT:
        return vmx_checked_varint(at, end, VMX_MAX_VARINT_BYTES, &field->value);
    case VMX_WIRE_32BIT:
    case VMX_WIRE_64BIT:
        len = field->type == VMX_WIRE_32BIT ? 4 : 8;
        if (left < len)
            return NULL;
        memcpy(&field->value, at, len);
        return at + len;
    default: /* groups, which proto3 does not have, and what does not exist */
        return NULL;
    }
}

/* False at the end, and where the bytes are broken. */
static inline bool
vmx_checked_next(vmx_checked_reader *reader, vmx_field *field)
{
    uint64_t tag;
    if (reader->at >= reader->end)
        return false;
    const uint8_t *at = vmx_checked_varint(reader->at, reader->end, VMX_MAX_TAG_BYTES, &tag);
    reader->broken = at == NULL || tag >> 3 == 0 || tag >> 3 > VMX_MAX_FIELD_NUMBER;
    if (reader->broken)
        return false;
    *field = (vmx_field){.number = (uint32_t)(tag >> 3), .type = (unsigned)(tag & 7), .bytes = {"", 0}};
    at = vmx_checked_value(at, reader->end, field);
    reader->broken = at == NULL;
    reader->at = at;
    return at != NULL;
}

#endif
