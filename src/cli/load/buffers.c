#include "buffers.h"

#include "limits.h"

#include <stdalign.h>
#include <stdlib.h>

#define SHARE_OF_MEMORY 4

/* Stands before the bytes. */
typedef struct head {
    alignas(max_align_t) size_t bytes;
} head;

static size_t share = LOAD_SHARE_MAX;
static size_t held;

void
load_buffers_fit(uint64_t memory_limit_bytes)
{
    uint64_t quarter = memory_limit_bytes / SHARE_OF_MEMORY;
    share = quarter < LOAD_SHARE_MAX ? (size_t)quarter : LOAD_SHARE_MAX;
}

size_t
load_buffers_share(void)
{
    return share;
}

void *
load_buffer_new(size_t bytes)
{
    return load_buffer_grow(NULL, bytes);
}

void *
load_buffer_grow(void *buffer, size_t bytes)
{
    head *old = buffer ? (head *)buffer - 1 : NULL;
    size_t before = old ? old->bytes : 0;
    head *grown = bytes <= SIZE_MAX - sizeof *grown ? realloc(old, sizeof *grown + bytes) : NULL;
    if (!grown)
        return NULL;
    grown->bytes = bytes;
    held += bytes - before;
    return grown + 1;
}

void
load_buffer_free(void *buffer)
{
    if (!buffer)
        return;
    head *old = (head *)buffer - 1;
    held -= old->bytes;
    free(old);
}

void
load_buffers_add(size_t bytes)
{
    held += bytes;
}

void
load_buffers_remove(size_t bytes)
{
    held -= bytes;
}

size_t
load_buffers_held(void)
{
    return held;
}
