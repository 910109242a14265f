#include "wire/text_check.h"

#include "core/utf8.h"

bool
vmx_utf8_valid(vmx_str text)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    for (size_t left = text.len; left;) {
        uint64_t eight;
        size_t width = 8;
        if (left >= 8)
            memcpy(&eight, at, 8);
        if (left < 8 || (eight & UINT64_C(0x8080808080808080)))
            width = vmx_utf8_character(at, left);
        if (width == 0)
            return false;
        at += width;
        left -= width;
    }
    return true;
}

bool
vmx_text_valid_slowly(vmx_str text)
{
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    while (at < end && *at != 0 && *at < 0x80) /* short ASCII ends here */
        at++;
    vmx_str rest = {(const char *)at, (size_t)(end - at)};
    return at == end || (memchr(at, '\0', rest.len) == NULL && vmx_utf8_valid(rest));
}
