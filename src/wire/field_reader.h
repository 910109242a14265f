/*
 * wire/field_reader.h: field by field through protobuf bytes that have passed the guard (wire/guard.h): lengths and
 * varints are known to be whole. Nothing is allocated.
 */
#ifndef VMX_WIRE_FIELD_READER_H
#define VMX_WIRE_FIELD_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/types.h>

#include "wire/varint.h"

typedef struct vmx_field_reader {
    const uint8_t *at, *end;
} vmx_field_reader;

typedef struct vmx_field {
    uint32_t number;
    unsigned type;  /* VMX_WIRE_... */
    uint64_t value; /* of a varint or fixed field: its bits */
    vmx_str bytes;  /* of a length-delimited field: its content; else {"", 0} */
} vmx_field;

static inline vmx_field_reader
vmx_field_reader_on(vmx_str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (vmx_field_reader){at, at + bytes.len};
}

/* False at the end. */
static inline bool
vmx_field_next(vmx_field_reader *reader, vmx_field *field)
{
    if (reader->at >= reader->end)
        return false;
    uint64_t tag = vmx_varint_read(&reader->at);
    *field = (vmx_field){.number = (uint32_t)(tag >> 3), .type = (unsigned)(tag & 7), .bytes = {"", 0}};
    if (field->type == VMX_WIRE_VARINT) {
        field->value = vmx_varint_read(&reader->at);
    } else if (field->type == VMX_WIRE_BYTES) {
        field->bytes.len = (size_t)vmx_varint_read(&reader->at);
        field->bytes.ptr = (const char *)reader->at;
        reader->at += field->bytes.len;
    } else {
        size_t width = field->type == VMX_WIRE_64BIT ? 8 : 4;
        memcpy(&field->value, reader->at, width);
        reader->at += width;
    }
    return true;
}

/* The number of a fixed 32-bit or 64-bit field. */
static inline float
vmx_field_float(const vmx_field *field)
{
    float number;
    memcpy(&number, &field->value, sizeof number);
    return number;
}

static inline double
vmx_field_double(const vmx_field *field)
{
    double number;
    memcpy(&number, &field->value, sizeof number);
    return number;
}

#endif
