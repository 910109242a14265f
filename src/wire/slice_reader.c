#include "wire/slice_reader.h"

#include "wire/checked_reader.h"

/* Of a field up to its content: a tag, and a length or a number. */
#define MAX_HEAD_BYTES (VMX_MAX_TAG_BYTES + VMX_MAX_VARINT_BYTES)

/* Begins slices until there is a byte in one, or none left. */
static void
begin_slice(vmx_slice_reader *reader)
{
    for (; reader->at == reader->end && reader->slice_count > 0; reader->slice_count--) {
        reader->at = reader->slices->data;
        reader->end = reader->at + reader->slices->len;
        reader->slices++;
    }
}

vmx_slice_reader
vmx_slice_reader_on(const vmx_slice *slices, size_t count)
{
    static const uint8_t nothing[1];
    vmx_slice_reader reader = {.at = nothing, .end = nothing, .slices = slices, .slice_count = count};
    for (size_t i = 0; i < count; i++)
        reader.left_bytes += slices[i].len;
    return reader;
}

/* Steps over `count` bytes, which there are; copies them to `out` unless that is NULL. */
static void
step_across(vmx_slice_reader *reader, uint8_t *out, size_t count)
{
    reader->left_bytes -= count;
    while (count > 0) {
        begin_slice(reader);
        size_t here = (size_t)(reader->end - reader->at), part = here < count ? here : count;
        if (out != NULL) {
            memcpy(out, reader->at, part);
            out += part;
        }
        reader->at += part;
        count -= part;
    }
}

/* Steps over `count` bytes, which there are. */
static void
step(vmx_slice_reader *reader, size_t count)
{
    if (count > (size_t)(reader->end - reader->at)) {
        step_across(reader, NULL, count);
        return;
    }
    reader->at += count;
    reader->left_bytes -= count;
}

/* Reads tag, and length or number; returns where they end, NULL if they are broken. */
static const uint8_t *
read_head(const uint8_t *at, const uint8_t *end, vmx_field *field)
{
    uint64_t tag, len;
    at = vmx_checked_varint(at, end, VMX_MAX_TAG_BYTES, &tag);
    if (at == NULL || tag >> 3 == 0 || tag >> 3 > VMX_MAX_FIELD_NUMBER)
        return NULL;
    *field = (vmx_field){.number = (uint32_t)(tag >> 3), .type = (unsigned)(tag & 7), .bytes = {"", 0}};
    if (field->type != VMX_WIRE_BYTES)
        return vmx_checked_value(at, end, field);
    at = vmx_checked_varint(at, end, VMX_MAX_TAG_BYTES, &len);
    field->bytes.len = at != NULL ? (size_t)len : 0;
    return at;
}

bool
vmx_slice_reader_next(vmx_slice_reader *reader, vmx_field *field)
{
    if (reader->broken || reader->left_bytes == 0)
        return false;
    begin_slice(reader);
    size_t here = (size_t)(reader->end - reader->at);
    size_t window = reader->left_bytes < MAX_HEAD_BYTES ? reader->left_bytes : MAX_HEAD_BYTES;
    uint8_t pieced[MAX_HEAD_BYTES]; /* a head that may lie in two slices, or more */
    const uint8_t *head = reader->at;
    if (here < window) {
        vmx_slice_reader ahead = *reader;
        step_across(&ahead, pieced, window);
        head = pieced;
    }
    const uint8_t *behind = read_head(head, head + window, field);
    reader->broken = behind == NULL;
    if (behind != NULL) {
        step(reader, (size_t)(behind - head));
        reader->broken = field->bytes.len > reader->left_bytes;
    }
    return !reader->broken;
}

bool
vmx_slice_reader_take(vmx_slice_reader *reader, vmx_arena *arena, vmx_field *field, bool *copied)
{
    size_t len = field->bytes.len;
    if (len > 0)
        begin_slice(reader);
    *copied = len > (size_t)(reader->end - reader->at);
    uint8_t *copy = *copied ? vmx_arena_alloc(arena, len) : NULL;
    if (*copied && copy == NULL)
        return false;
    field->bytes.ptr = (const char *)(*copied ? copy : reader->at);
    if (copy != NULL)
        step_across(reader, copy, len);
    else
        step(reader, len);
    return true;
}

void
vmx_slice_reader_skip(vmx_slice_reader *reader, const vmx_field *field)
{
    step(reader, field->bytes.len);
}
