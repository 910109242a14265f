/*
 * wire/slice_reader.h: field by field through a foreign protobuf message that came in slices, by the guard's rules
 * (wire/guard.h). Only the message's own fields are looked at, not what is in them.
 */
#ifndef VMX_WIRE_SLICE_READER_H
#define VMX_WIRE_SLICE_READER_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/slice.h"
#include "wire/field_reader.h"

typedef struct vmx_slice_reader {
    const uint8_t *at, *end; /* what is left of the slice that has been begun */
    const vmx_slice *slices; /* those behind it */
    size_t slice_count;
    size_t left_bytes; /* of all of them */
    bool broken;       /* the bytes are not well-formed; there are no further fields */
} vmx_slice_reader;

vmx_slice_reader
vmx_slice_reader_on(const vmx_slice *slices, size_t count);

/*
 * The head of the next field. Of a length-delimited one field->bytes.len is known, and its content must be taken or skipped
 * before the next field. False at the end, and where the bytes are broken.
 */
bool
vmx_slice_reader_next(vmx_slice_reader *reader, vmx_field *field);

/*
 * The content of a length-delimited field into field->bytes: where it lies, if that is within one slice, else as a copy in
 * `arena`, and *copied is true. False when memory is out.
 */
bool
vmx_slice_reader_take(vmx_slice_reader *reader, vmx_arena *arena, vmx_field *field, bool *copied);

/* Steps over the content of a length-delimited field. */
void
vmx_slice_reader_skip(vmx_slice_reader *reader, const vmx_field *field);

#endif
