#include "id_format.h"

#include <string.h>

#define WIDTH_MAX  20 /* digits of the largest number */
#define TEXT_LIMIT (LOAD_ID_MAX - WIDTH_MAX)

static bool
refuse(cli_reason *reason, const char *pattern)
{
    return cli_refuse(reason, "\"%.100s\": write text with %%d or %%06d in it once, and %%%% for a percent sign",
                      pattern);
}

/* Reads "d" or "06d" behind the percent sign; NULL when it is something else. */
static const char *
read_number(load_id_format *format, const char *at)
{
    format->zeros = *at == '0';
    for (format->width = 0; *at >= '0' && *at <= '9'; at++) {
        format->width = format->width * 10 + (unsigned int)(*at - '0');
        if (format->width > WIDTH_MAX)
            return NULL;
    }
    return *at == 'd' ? at + 1 : NULL;
}

bool
load_id_format_parse(load_id_format *format, const char *pattern, cli_reason *reason)
{
    char *texts[2] = {format->before, format->after};
    size_t lengths[2] = {0, 0};
    size_t part = 0;
    *format = (load_id_format){0};
    for (const char *at = pattern; at && *at;) {
        if (*at != '%' || at[1] == '%') {
            if (lengths[0] + lengths[1] >= TEXT_LIMIT)
                return cli_refuse(reason, "\"%.40s...\": ids have at most %d bytes", pattern, LOAD_ID_MAX);
            texts[part][lengths[part]++] = *at;
            at += *at == '%' ? 2 : 1;
        } else {
            at = part++ == 0 ? read_number(format, at + 1) : NULL;
            if (!at)
                return refuse(reason, pattern);
        }
    }
    return part == 1 || refuse(reason, pattern);
}

/* Writes the number's digits, filled up to the width, so that they end at `end`; where they begin. */
static char *
write_digits(const load_id_format *format, uint64_t number, char *end)
{
    char *at = end;
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while ((size_t)(end - at) < format->width)
        *--at = format->zeros ? '0' : ' ';
    return at;
}

size_t
load_id_format_write(const load_id_format *format, uint64_t number, char *text)
{
    char digits[WIDTH_MAX];
    const char *first = write_digits(format, number, digits + WIDTH_MAX);
    size_t count = (size_t)(digits + WIDTH_MAX - first);
    size_t before = strlen(format->before), after = strlen(format->after);
    memcpy(text, format->before, before);
    memcpy(text + before, first, count);
    memcpy(text + before + count, format->after, after);
    return before + count + after;
}
