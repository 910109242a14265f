#include "wire/slice_reader.h"

/* Of a field up to its content: a tag, and a length or a number. */
#define MAX_HEAD_BYTES (VMX_MAX_TAG_BYTES + VMX_MAX_VARINT_BYTES)

/* Begins slices until there is a byte in one, or none left. */
static void
begin_slice(vmx_slice_reader *reader)
{
    for (; reader->at == reader->end && reader->slice_count > 0; reader->slice_count--) {
        reader->at = reader->slices->data;
        reader->end = reader->at + reader->slices->len;
        reader->bytes_behind -= reader->slices->len;
        reader->slices++;
    }
}

vmx_slice_reader
vmx_slice_reader_on(const vmx_slice *slices, size_t count)
{
    static const uint8_t nothing[1];
    vmx_slice_reader reader = {.at = nothing, .end = nothing, .slices = slices, .slice_count = count};
    for (size_t i = 0; i < count; i++)
        reader.bytes_behind += slices[i].len;
    begin_slice(&reader);
    return reader;
}

/* Steps over `count` bytes, which there are; copies them to `out` unless that is NULL. */
static void
step(vmx_slice_reader *reader, uint8_t *out, size_t count)
{
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

/* Reads tag, and length or number. */
static void
read_head(vmx_checked_reader *head, vmx_field *field)
{
    uint32_t tag;
    uint64_t len;
    if (!vmx_checked_tag(head, &tag))
        return;
    *field = (vmx_field){.number = vmx_tag_number(tag), .type = tag & 7, .bytes = {"", 0}};
    if (field->type != VMX_WIRE_BYTES) {
        vmx_checked_skip(head, tag);
        return;
    }
    const uint8_t *content = vmx_checked_varint(head->at, head->end, VMX_MAX_TAG_BYTES, &len);
    if (content == NULL) {
        vmx_checked_refuse(head);
        return;
    }
    head->at = content;
    field->bytes.len = (size_t)len;
}

/* Reads the head of a field, wherever it lies; there is one. */
static void
next_head(vmx_slice_reader *reader, vmx_field *field)
{
    size_t left = vmx_slice_reader_left(reader), window = left < MAX_HEAD_BYTES ? left : MAX_HEAD_BYTES;
    uint8_t pieced[MAX_HEAD_BYTES]; /* a head that may lie in two slices, or more */
    const uint8_t *bytes = reader->at;
    if ((size_t)(reader->end - reader->at) < window) {
        vmx_slice_reader ahead = *reader;
        step(&ahead, pieced, window);
        bytes = pieced;
    }
    vmx_checked_reader head = vmx_checked_reader_on((vmx_str){(const char *)bytes, window});
    read_head(&head, field);
    if (!head.broken)
        step(reader, NULL, (size_t)(head.at - bytes));
    reader->broken = head.broken || field->bytes.len > vmx_slice_reader_left(reader);
}

/* The content of a length-delimited field. */
static void
take_content(vmx_slice_reader *reader, vmx_arena *arena, vmx_str *content)
{
    if (content->len > 0)
        begin_slice(reader);
    reader->copied = content->len > (size_t)(reader->end - reader->at);
    uint8_t *copy = reader->copied && arena != NULL ? vmx_arena_alloc(arena, content->len) : NULL;
    reader->no_memory = reader->copied && arena != NULL && copy == NULL;
    content->ptr = (const char *)(reader->copied ? copy : reader->at);
    step(reader, copy, content->len);
}

bool
vmx_slice_reader_next_slowly(vmx_slice_reader *reader, vmx_arena *arena, vmx_field *field)
{
    if (reader->broken || reader->no_memory)
        return false;
    begin_slice(reader);
    if (reader->at == reader->end)
        return false;
    next_head(reader, field);
    if (!reader->broken)
        take_content(reader, arena, &field->bytes);
    return !reader->broken && !reader->no_memory;
}
