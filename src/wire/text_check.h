/*
 * wire/text_check.h: the strings of foreign protobuf bytes. Nearly all of them are short and ASCII, so those take a few
 * instructions, eight bytes at a time; others go the long way.
 */
#ifndef VMX_WIRE_TEXT_CHECK_H
#define VMX_WIRE_TEXT_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <vecmux/types.h>

/* True if `text` is valid UTF-8 (no surrogates, no overlong forms). */
bool
vmx_utf8_valid(vmx_str text);

/* UTF-8 without a NUL byte, whatever its length. */
bool
vmx_text_valid_slowly(vmx_str text);

/* True if none of the eight bytes is NUL or over 0x7F. A borrow can only claim a byte behind a NUL: never too little. */
static inline bool
vmx_eight_are_ascii(uint64_t eight)
{
    return (((eight - UINT64_C(0x0101010101010101)) | eight) & UINT64_C(0x8080808080808080)) == 0;
}

/* The first and the last four bytes of four or more. */
static inline uint64_t
vmx_text_ends(vmx_str text)
{
    uint32_t first, last;
    memcpy(&first, text.ptr, sizeof first);
    memcpy(&last, text.ptr + text.len - sizeof last, sizeof last);
    return (uint64_t)last << 32 | first;
}

/* True if `text` is valid UTF-8 without a NUL byte. */
static inline bool
vmx_text_valid(vmx_str text)
{
    uint64_t eight;
    bool ascii = text.len >= sizeof eight / 2;
    for (size_t i = 0; ascii && i + sizeof eight <= text.len; i += sizeof eight) {
        memcpy(&eight, text.ptr + i, sizeof eight);
        ascii = vmx_eight_are_ascii(eight);
    }
    if (ascii) { /* what is behind, or all of a short one; it may overlap what has been looked at */
        bool is_short = text.len < sizeof eight;
        if (!is_short)
            memcpy(&eight, text.ptr + text.len - sizeof eight, sizeof eight);
        ascii = vmx_eight_are_ascii(is_short ? vmx_text_ends(text) : eight);
    }
    return ascii || vmx_text_valid_slowly(text);
}

#endif
