#include "build/chunk.h"

#include <string.h>

/* Field tags: number << 3 | wire type (protobuf.dev, Encoding). */
enum { TAG_CHUNK = 0x12, TAG_CRC = 0x15, TAG_DATA = 0x0a, TAG_RANGE_OFFSET = 0x08, TAG_RANGE_DATA = 0x12 };

static size_t
put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        out[len++] = (uint8_t)(value | 0x80);
    out[len++] = (uint8_t)value;
    return len;
}

size_t
vmx_chunk_head(uint8_t *end, size_t len, uint32_t crc32c)
{
    uint8_t inner[16], head[VMX_CHUNK_HEAD];
    size_t inner_len = 0, head_len = 0;
    inner[inner_len++] = TAG_CRC;
    for (int i = 0; i < 4; i++)
        inner[inner_len++] = (uint8_t)(crc32c >> 8 * i);
    inner[inner_len++] = TAG_DATA;
    inner_len += put_varint(inner + inner_len, len);
    head[head_len++] = TAG_CHUNK;
    head_len += put_varint(head + head_len, inner_len + len);
    memcpy(head + head_len, inner, inner_len);
    head_len += inner_len;
    memcpy(end - head_len, head, head_len);
    return head_len;
}

/* A place in a message of slices. */
typedef struct cursor {
    const vmx_message *message;
    size_t slice, inside;
} cursor;

static bool
next_byte(cursor *at, uint8_t *byte)
{
    while (at->slice < at->message->count && at->inside >= at->message->slices[at->slice].len) {
        at->slice++;
        at->inside = 0;
    }
    if (at->slice >= at->message->count)
        return false;
    *byte = at->message->slices[at->slice].data[at->inside++];
    return true;
}

/* A length of more than five bytes is none, for protobuf-c as for the guard, be its value small. */
enum { MAX_VARINT_BYTES = 10, MAX_LENGTH_BYTES = 5 };

static bool
next_varint(cursor *at, unsigned max_bytes, uint64_t *value)
{
    uint8_t byte = 0x80;
    *value = 0;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift >= 7 * max_bytes || !next_byte(at, &byte))
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return true;
}

static size_t
left_of(const cursor *at)
{
    size_t left = 0;
    for (size_t i = at->slice; i < at->message->count; i++)
        left += at->message->slices[i].len;
    return left - at->inside;
}

bool
vmx_range_parse(const vmx_message *message, vmx_range_data *data)
{
    cursor at = {.message = message};
    uint8_t tag;
    uint64_t len;
    *data = (vmx_range_data){0};
    if (!next_byte(&at, &tag))
        return false;
    if (tag == TAG_RANGE_OFFSET && (!next_varint(&at, MAX_VARINT_BYTES, &data->offset) || !next_byte(&at, &tag)))
        return false;
    if (tag != TAG_RANGE_DATA || !next_varint(&at, MAX_LENGTH_BYTES, &len) || len != left_of(&at))
        return false;
    data->slice = at.slice;
    data->inside = at.inside;
    data->len = (size_t)len;
    return true;
}

bool
vmx_range_walk(const vmx_message *message, const vmx_range_data *data,
               bool (*take)(void *user, const uint8_t *piece, size_t len), void *user)
{
    size_t inside = data->inside;
    for (size_t i = data->slice; i < message->count; i++, inside = 0) {
        const vmx_slice *slice = &message->slices[i];
        if (slice->len > inside && !take(user, slice->data + inside, slice->len - inside))
            return false;
    }
    return true;
}
