/*
 * build/chunk.h: the messages that carry bytes, without copying them: WritePartRequest with a chunk
 * (vecmux/repository.proto: message 2 {crc32c 2, data 1}), ReadRangeResponse (offset 1, data 2). Pure.
 */
#ifndef VMX_BUILD_CHUNK_H
#define VMX_BUILD_CHUNK_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/slice.h"

/* Room that the head of a chunk needs before its data. */
#define VMX_CHUNK_HEAD 32

/* Writes what stands before `len` bytes of data so that it ends at `end`; returns how many bytes it is. */
size_t
vmx_chunk_head(uint8_t *end, size_t len, uint32_t crc32c);

/* A received range: where its data begins in the message, and how much of it there is. */
typedef struct vmx_range_data {
    uint64_t offset;
    size_t slice, inside; /* the first byte: in which slice, and where in it */
    size_t len;
} vmx_range_data;

/* False if the message is no sound ReadRangeResponse, or its data is not its last field. */
bool
vmx_range_parse(const vmx_message *message, vmx_range_data *data);

/* Calls `take` with the data, piece after piece, until one is refused. */
bool
vmx_range_walk(const vmx_message *message, const vmx_range_data *data,
               bool (*take)(void *user, const uint8_t *piece, size_t len), void *user);

#endif
