/*
 * wire/slice_reader.h: field by field through a foreign protobuf message that came in slices, by the guard's rules
 * (wire/guard.h). Only the message's own fields are looked at, not what is in them.
 *
 * Nearly all fields lie within one slice and are length-delimited: these take a few instructions, here; others are put
 * together from pieces, in slice_reader.c.
 */
#ifndef VMX_WIRE_SLICE_READER_H
#define VMX_WIRE_SLICE_READER_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/slice.h"
#include "wire/checked_reader.h"

typedef struct vmx_slice_reader {
    const uint8_t *at, *end; /* what is left of the slice that has been begun */
    const vmx_slice *slices; /* those behind it */
    size_t slice_count;
    size_t bytes_behind; /* in those */
    bool copied;         /* the last field lay in pieces */
    bool broken;         /* the bytes are not well-formed; there are no further fields */
    bool no_memory;      /* for a field in pieces; likewise */
} vmx_slice_reader;

vmx_slice_reader
vmx_slice_reader_on(const vmx_slice *slices, size_t count);

/* Bytes that have not been read. */
static inline size_t
vmx_slice_reader_left(const vmx_slice_reader *reader)
{
    return (size_t)(reader->end - reader->at) + reader->bytes_behind;
}

/* As vmx_slice_reader_next, for any field. */
bool
vmx_slice_reader_next_slowly(vmx_slice_reader *reader, vmx_arena *arena, vmx_field *field);

/*
 * The next field. The content of a length-delimited one is given where it lies, if that is within one slice, else as a copy
 * in `arena`; where that is NULL, only its length. False at the end, where the bytes are broken, and when memory is out.
 */
static inline bool
vmx_slice_reader_next(vmx_slice_reader *reader, vmx_arena *arena, vmx_field *field)
{
    const uint8_t *at = reader->at, *content = NULL;
    uint64_t len = 0;
    if (at < reader->end && at[0] >= vmx_tag(1, 0) && at[0] < 0x80 && (at[0] & 7) == VMX_WIRE_BYTES)
        content = vmx_checked_varint(at + 1, reader->end, VMX_MAX_TAG_BYTES, &len);
    if (content == NULL || len > (uint64_t)(reader->end - content))
        return vmx_slice_reader_next_slowly(reader, arena, field);
    reader->at = content + len;
    reader->copied = false;
    field->number = vmx_tag_number(at[0]);
    field->type = VMX_WIRE_BYTES;
    field->bytes = (vmx_str){(const char *)content, (size_t)len};
    return true;
}

#endif
