#include "thousands.h"

#include <inttypes.h>
#include <stdio.h>

load_thousands
load_thousands_of(uint64_t number)
{
    char digits[24];
    load_thousands out;
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *at = out.text;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}
