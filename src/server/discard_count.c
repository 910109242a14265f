#include "server/discard_count.h"

#include <stdbool.h>

#include "wire/varint.h"

/* Bytes in several slices. */
typedef struct cursor {
    const grpc_slice_buffer *slices;
    size_t slice; /* the one that `at` lies in */
    uint64_t at;  /* from that slice's beginning; may be beyond its end until it is normalised */
} cursor;

static bool
find_byte(cursor *c)
{
    while (c->slice < c->slices->count && c->at >= GRPC_SLICE_LENGTH(c->slices->slices[c->slice])) {
        c->at -= GRPC_SLICE_LENGTH(c->slices->slices[c->slice]);
        c->slice++;
    }
    return c->slice < c->slices->count;
}

static bool
read_varint(cursor *c, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && find_byte(c); shift += 7) {
        uint8_t byte = GRPC_SLICE_START_PTR(c->slices->slices[c->slice])[c->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

uint64_t
vmxd_discard_count(const grpc_byte_buffer *request)
{
    uint64_t count = 0, tag, len;
    if (request == NULL)
        return 0;
    cursor c = {.slices = &request->data.raw.slice_buffer};
    while (read_varint(&c, &tag) && (tag & 7) == VMX_WIRE_BYTES && read_varint(&c, &len)) {
        count += tag >> 3 == 1;
        c.at += len;
    }
    return count;
}

grpc_slice
vmxd_discard_upserted(uint64_t count)
{
    uint8_t reply[16];
    reply[0] = 1 << 3 | VMX_WIRE_VARINT;
    uint8_t *end = vmx_varint_write(reply + 1, count);
    return grpc_slice_from_copied_buffer((const char *)reply, count > 0 ? (size_t)(end - reply) : 0);
}
