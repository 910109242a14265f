/*
 * core/sized.h: reading and setting up public structs that begin with `size_t size`.
 */
#ifndef VMX_CORE_SIZED_H
#define VMX_CORE_SIZED_H

#include <stddef.h>
#include <string.h>

/* Zeroes the caller's struct and notes its size. */
static inline void
vmx_sized_init(void *object, size_t size_bytes)
{
    memset(object, 0, size_bytes);
    memcpy(object, &size_bytes, sizeof size_bytes);
}

/* Copies the caller's struct, of whatever version, into ours: what it does not have yet is zero. */
static inline void
vmx_sized_read(void *ours, size_t our_size_bytes, const void *theirs)
{
    size_t their_size_bytes;
    memcpy(&their_size_bytes, theirs, sizeof their_size_bytes);
    if (their_size_bytes == our_size_bytes) { /* known to the compiler, which needs no call then */
        memcpy(ours, theirs, our_size_bytes);
        return;
    }
    size_t common = their_size_bytes < our_size_bytes ? their_size_bytes : our_size_bytes;
    memset(ours, 0, our_size_bytes);
    memcpy(ours, theirs, common);
}

/* Copies our struct into the caller's, of whatever version, and keeps its size. */
static inline void
vmx_sized_write(void *theirs, const void *ours, size_t our_size_bytes)
{
    size_t their_size_bytes;
    memcpy(&their_size_bytes, theirs, sizeof their_size_bytes);
    size_t common = their_size_bytes < our_size_bytes ? their_size_bytes : our_size_bytes;
    memcpy(theirs, ours, common);
    memcpy(theirs, &their_size_bytes, sizeof their_size_bytes);
}

#endif
