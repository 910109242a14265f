/*
 * core/utf8.h: the one place that knows what valid UTF-8 is (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF).
 */
#ifndef VMX_CORE_UTF8_H
#define VMX_CORE_UTF8_H

#include <stddef.h>

/* The length (1 to 4) of the valid character that begins at `bytes`, of which `len` may be read; 0 if there is none. */
size_t
vmx_utf8_character(const unsigned char *bytes, size_t len);

#endif
