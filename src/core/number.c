#include "core/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The decimal point is the only part of a number that a locale changes. So the C library never gets to see one here:
 * it reads and writes digits and a power of ten, "15e-1", and the point is placed by us.
 */

/* 767 digits decide any double; what follows them only matters by being zero or not */
#define MAX_DIGITS 800

/* A decimal number, digits * 10^exponent. */
typedef struct decimal {
    uint64_t digits; /* at most 17 of them */
    int exponent;
} decimal;

static double
decimal_value(decimal number)
{
    char text[40];
    snprintf(text, sizeof text, "%" PRIu64 "e%d", number.digits, number.exponent);
    return strtod(text, NULL);
}

/* `value` (positive, finite) rounded to `precision` digits. */
static decimal
decimal_round(double value, int precision)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", precision - 1, value);
    decimal number = {0};
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') /* whatever else stands there is the locale's point */
            number.digits = number.digits * 10 + (uint64_t)(*at - '0');
    number.exponent = atoi(at + 1) - (precision - 1);
    return number;
}

/* The shortest decimal that reads back as `value` (positive, finite). */
static decimal
decimal_shortest(double value)
{
    int fraction_exponent;
    bool power_of_two = frexp(value, &fraction_exponent) == 0.5;
    /* Up to 15 digits survive the way through a normal double, so nothing shorter needs a look of its own. */
    for (int precision = isnormal(value) ? 15 : 1; precision < 17; precision++) {
        decimal number = decimal_round(value, precision);
        if (decimal_value(number) == value)
            return number;
        /* Above a power of two doubles are twice as far apart: there the farther neighbour may do. */
        number.digits++;
        if (power_of_two && decimal_value(number) == value)
            return number;
    }
    return decimal_round(value, 17);
}

/* Writes digits * 10^exponent: plain from 1e-6 to below 1e21, else with an exponent. */
static size_t
decimal_write(decimal number, char *out, size_t size)
{
    while (number.digits % 10 == 0) {
        number.digits /= 10;
        number.exponent++;
    }
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number.digits);
    int point = count + number.exponent; /* the decimal point stands after this many digits */
    int len;
    if (point > 21 || point < -5)
        len = snprintf(out, size, "%c%s%se%+d", digits[0], count > 1 ? "." : "", digits + 1, point - 1);
    else if (point <= 0)
        len = snprintf(out, size, "0.%.*s%s", -point, "00000", digits);
    else if (point >= count)
        len = snprintf(out, size, "%s%.*s", digits, point - count, "000000000000000000000");
    else
        len = snprintf(out, size, "%.*s.%s", point, digits, digits + point);
    return (size_t)len;
}

size_t
vmx_number_format(double value, char out[VMX_NUMBER_SIZE])
{
    if (!isfinite(value))
        return (size_t)sprintf(out, "null");
    if (value == 0) /* "-0" would be read as an integer, which has no sign at zero */
        return (size_t)sprintf(out, signbit(value) ? "-0.0" : "0");
    if (fabs(value) <= 0x1p53 && value == (double)(int64_t)value)
        return (size_t)sprintf(out, "%" PRId64, (int64_t)value);
    size_t sign = value < 0;
    if (sign)
        out[0] = '-';
    return sign + decimal_write(decimal_shortest(fabs(value)), out + sign, VMX_NUMBER_SIZE - sign);
}

size_t
vmx_float_format(float value, char out[VMX_NUMBER_SIZE])
{
    double wide = (double)value;
    if (!isfinite(value) || value == 0 || wide == (double)(int64_t)wide)
        return vmx_number_format(wide, out);
    size_t sign = value < 0;
    if (sign)
        out[0] = '-';
    decimal number = {0};
    for (int precision = 6; precision <= 9; precision++) {
        number = decimal_round(fabs(wide), precision);
        if ((float)decimal_value(number) == fabsf(value))
            break;
    }
    return sign + decimal_write(number, out + sign, VMX_NUMBER_SIZE - sign);
}

static bool
is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* The significant digits of a number that is being read, without its point. */
typedef struct reader {
    char text[MAX_DIGITS + 32];
    size_t len;
    int64_t exponent; /* of ten, behind the last digit kept */
} reader;

/* Reads a run of digits; `fraction` says that they stand behind the point. Returns where it ends. */
static const char *
read_digits(reader *number, const char *at, const char *end, bool fraction)
{
    for (; is_digit(at, end); at++) {
        if (number->len < MAX_DIGITS) {
            if (number->len || *at != '0')
                number->text[number->len++] = *at;
            number->exponent -= fraction;
        } else {
            if (*at != '0')
                number->text[MAX_DIGITS - 1] = '1'; /* not zero: enough to know which way to round */
            number->exponent += !fraction;
        }
    }
    return at;
}

/* Reads "e+12" if it is there; returns where it ends, NULL if it is malformed. */
static const char *
read_exponent(reader *number, const char *at, const char *end)
{
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    bool minus = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (!is_digit(at, end))
        return NULL;
    int64_t exponent = 0;
    for (; is_digit(at, end); at++)
        if (exponent < 100000000)
            exponent = exponent * 10 + (*at - '0');
    number->exponent += minus ? -exponent : exponent;
    return at;
}

bool
vmx_number_parse(vmx_str text, double *value)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    reader number;
    number.len = 0;
    number.exponent = 0;
    bool minus = at < end && *at == '-';
    at += minus;
    if (!is_digit(at, end))
        return false;
    at = read_digits(&number, at, end, false);
    if (at < end && *at == '.') {
        if (!is_digit(at + 1, end))
            return false;
        at = read_digits(&number, at + 1, end, true);
    }
    at = read_exponent(&number, at, end);
    if (at != end)
        return false;
    double magnitude = 0;
    if (number.len) {
        snprintf(number.text + number.len, sizeof number.text - number.len, "e%" PRId64, number.exponent);
        magnitude = strtod(number.text, NULL);
    }
    if (!isfinite(magnitude))
        return false;
    *value = minus ? -magnitude : magnitude;
    return true;
}

static int64_t
suffix_factor(char suffix)
{
    switch (suffix) {
    case 'k':
    case 'K':
        return 1 << 10;
    case 'm':
    case 'M':
        return 1 << 20;
    case 'g':
    case 'G':
        return 1 << 30;
    default:
        return 1;
    }
}

bool
vmx_integer_parse(vmx_str text, bool suffix, int64_t *value)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    bool minus = at < end && *at == '-';
    at += minus;
    if (!is_digit(at, end))
        return false;
    int64_t result = 0;
    for (; is_digit(at, end); at++) {
        int64_t digit = minus ? -(*at - '0') : *at - '0';
        if (__builtin_mul_overflow(result, 10, &result) || __builtin_add_overflow(result, digit, &result))
            return false;
    }
    int64_t factor = suffix && at < end ? suffix_factor(*at) : 1;
    at += factor > 1;
    if (at != end || __builtin_mul_overflow(result, factor, &result))
        return false;
    *value = result;
    return true;
}

size_t
vmx_decimal_write(uint64_t value, char *out)
{
    char digits[VMX_DECIMAL_DIGITS];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

size_t
vmx_decimal_count_up(char *digits, size_t len)
{
    size_t i = len;
    while (i > 0 && digits[i - 1] == '9')
        digits[--i] = '0';
    if (i > 0) {
        digits[i - 1]++;
        return len;
    }
    digits[0] = '1';
    digits[len] = '0';
    return len + 1;
}
