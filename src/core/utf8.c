#include "core/utf8.h"

#include <stdbool.h>

static bool
continues(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return false;
    return true;
}

size_t
vmx_utf8_character(const unsigned char *bytes, size_t len)
{
    if (len == 0)
        return 0;
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t need = first >= 0xC2 && first <= 0xDF   ? 2
                  : (first & 0xF0) == 0xE0         ? 3
                  : first >= 0xF0 && first <= 0xF4 ? 4
                                                   : 0;
    if (need == 0 || need > len || !continues(bytes + 1, need - 1))
        return 0;
    unsigned char second = bytes[1];
    bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool surrogate = first == 0xED && second > 0x9F;
    bool too_high = first == 0xF4 && second > 0x8F;
    return overlong || surrogate || too_high ? 0 : need;
}
