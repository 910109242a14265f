/*
 * core/copy.h: copies of a few bytes whose number is known late, without a call: a call of memcpy costs more than they do.
 */
#ifndef VMX_CORE_COPY_H
#define VMX_CORE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies `len` bytes, most often 2 to 32; returns the place behind. Some in the middle may be copied twice. */
static inline uint8_t *
vmx_copy_few(uint8_t *to, const void *from, size_t len)
{
    const uint8_t *first = from, *last = first + len;
    if (len > 32 || len < 2) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, first, 16);
        memcpy(to + len - 16, last - 16, 16);
    } else if (len >= 8) {
        memcpy(to, first, 8);
        memcpy(to + len - 8, last - 8, 8);
    } else if (len >= 4) {
        memcpy(to, first, 4);
        memcpy(to + len - 4, last - 4, 4);
    } else {
        memcpy(to, first, 2);
        memcpy(to + len - 2, last - 2, 2);
    }
    return to + len;
}

#endif
