#include <string.h>

#include "core/log.h"
#include "core/number.h"
#include "core/utf8.h"

/* A line that grows up to a limit; what does not fit is not begun. */
typedef struct line {
    char *at, *limit;
    bool full;
    bool json;
} line;

static void
put(line *to, const char *bytes, size_t len)
{
    if (to->full || len > (size_t)(to->limit - to->at)) {
        to->full = true;
        return;
    }
    memcpy(to->at, bytes, len);
    to->at += len;
}

static void
put_text(line *to, const char *text)
{
    put(to, text, strlen(text));
}

/* --- numbers ------------------------------------------------------------------------------------------------------- */

/* Our own, as printf and gmtime take locks, and read the locale and the environment. */
static void
put_digits(line *to, uint64_t value, size_t width)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0 || sizeof digits - i < width);
    put(to, digits + i, sizeof digits - i);
}

static void
put_integer(line *to, int64_t value)
{
    if (value < 0)
        put(to, "-", 1);
    put_digits(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

typedef struct date {
    uint64_t year, month, day;
} date;

/* Of a day after 1970-01-01 in the Gregorian calendar. Years are counted from March on: a leap day is a year's last. */
static date
date_of_day(uint64_t days)
{
    uint64_t day = days + 719468; /* since 0000-03-01 */
    uint64_t era = day / 146097;  /* 400 years */
    uint64_t day_of_era = day % 146097;
    uint64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
    return (date){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
}

/* 2026-01-31T12:00:00.000Z */
static void
put_time(line *to, int64_t time_ms)
{
    uint64_t ms = time_ms > 0 ? (uint64_t)time_ms : 0;
    uint64_t seconds = ms / 1000;
    date day = date_of_day(seconds / 86400);
    put_digits(to, day.year, 4);
    put(to, "-", 1);
    put_digits(to, day.month, 2);
    put(to, "-", 1);
    put_digits(to, day.day, 2);
    put(to, "T", 1);
    put_digits(to, seconds % 86400 / 3600, 2);
    put(to, ":", 1);
    put_digits(to, seconds % 3600 / 60, 2);
    put(to, ":", 1);
    put_digits(to, seconds % 60, 2);
    put(to, ".", 1);
    put_digits(to, ms % 1000, 3);
    put(to, "Z", 1);
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

#define ESCAPED_SIZE 6

static size_t
escape_code(unsigned code, char out[ESCAPED_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(out, "\\u", 2);
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = hex[code >> (12 - 4 * i) & 15];
    return ESCAPED_SIZE;
}

static size_t
escape_ascii(unsigned char byte, char out[ESCAPED_SIZE])
{
    static const char special[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
    const char *found = byte != 0 ? strchr(special, byte) : NULL;
    if (found != NULL) {
        out[0] = '\\';
        out[1] = letter[found - special];
        return 2;
    }
    if (byte < 0x20 || byte == 0x7F)
        return escape_code(byte, out);
    out[0] = (char)byte;
    return 1;
}

/* Characters that some programs take for a control character or for the end of a line: U+0080 to 9F, U+2028 and 2029. */
static unsigned
breaking_code(const unsigned char *bytes, size_t len)
{
    if (len == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0)
        return bytes[1];
    if (len == 3 && bytes[0] == 0xE2 && bytes[1] == 0x80 && (bytes[2] == 0xA8 || bytes[2] == 0xA9))
        return 0x2000u + (bytes[2] & 0x3Fu);
    return 0;
}

/* The first character of `text` as both formats write it between quotes; *taken is its length in `text`. */
static size_t
escape_first(vmx_str text, size_t *taken, char out[ESCAPED_SIZE])
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    *taken = 1;
    if (bytes[0] < 0x80)
        return escape_ascii(bytes[0], out);
    size_t len = vmx_utf8_character(bytes, text.len);
    if (len == 0) {
        out[0] = '?';
        return 1;
    }
    *taken = len;
    unsigned code = breaking_code(bytes, len);
    if (code != 0)
        return escape_code(code, out);
    memcpy(out, bytes, len);
    return len;
}

static void
put_quoted(line *to, vmx_str text)
{
    size_t used = 0, taken;
    put(to, "\"", 1);
    for (size_t i = 0; i < text.len; i += taken) {
        char escaped[ESCAPED_SIZE];
        size_t len = escape_first((vmx_str){text.ptr + i, text.len - i}, &taken, escaped);
        used += len;
        if (used > VMX_LOG_MAX_TEXT) {
            put(to, "...", 3);
            break;
        }
        put(to, escaped, len);
    }
    put(to, "\"", 1);
}

/* logfmt needs no quotes around a simple word. */
static bool
is_word(vmx_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || strchr("\"=\\", text.ptr[i]) != NULL)
            return false;
    return text.len > 0 && text.len <= VMX_LOG_MAX_TEXT;
}

static void
put_value(line *to, vmx_str text)
{
    if (!to->json && is_word(text))
        put(to, text.ptr, text.len);
    else
        put_quoted(to, text);
}

/* --- a record ------------------------------------------------------------------------------------------------------ */

static void
put_key(line *to, const char *key, bool first)
{
    if (to->json) {
        put_text(to, first ? "{\"" : ",\"");
        put_text(to, key);
        put_text(to, "\":");
    } else {
        put_text(to, first ? "" : " ");
        put_text(to, key);
        put_text(to, "=");
    }
}

static void
put_field(line *to, const vmx_log_field *field)
{
    char number[VMX_NUMBER_SIZE];
    put_key(to, field->key, false);
    switch (field->kind) {
    case VMX_LOG_TEXT:
        put_value(to, field->text);
        break;
    case VMX_LOG_INTEGER:
        put_integer(to, field->integer);
        break;
    case VMX_LOG_NUMBER:
        put(to, number, vmx_number_format(field->number, number));
        break;
    case VMX_LOG_BOOL:
        put_text(to, field->integer != 0 ? "true" : "false");
        break;
    }
}

static void
put_head(line *to, const vmx_log_record *record)
{
    put_key(to, "time", true);
    put_text(to, to->json ? "\"" : "");
    put_time(to, record->time_ms);
    put_text(to, to->json ? "\"" : "");
    put_key(to, "level", false);
    put_value(to, vmx_str_from(vmx_log_level_name(record->level)));
    put_key(to, "room", false);
    put_value(to, vmx_str_from(record->room));
    put_key(to, "event", false);
    put_value(to, vmx_str_from(record->event));
    put_key(to, "msg", false);
    put_value(to, vmx_str_from(record->message));
}

size_t
vmx_log_record_format(const vmx_log_record *record, vmx_log_format format, char *text, size_t size)
{
    static const char tail[] = "}\n"; /* the room for it is kept free */
    if (size < sizeof tail)
        return 0;
    line to = {.at = text, .limit = text + size - sizeof tail, .json = format == VMX_LOG_JSON};
    put_head(&to, record);
    if (to.full) {
        text[0] = '\0';
        return 0;
    }
    for (size_t i = 0; i < record->field_count; i++) {
        char *begin = to.at;
        put_field(&to, &record->fields[i]);
        if (to.full) {
            to.at = begin;
            break;
        }
    }
    const char *end = to.json ? tail : tail + 1;
    memcpy(to.at, end, strlen(end) + 1);
    return (size_t)(to.at - text) + strlen(end);
}
