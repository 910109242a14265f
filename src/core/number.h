/*
 * core/number.h: numbers to text and back, whatever the host's locale is.
 */
#ifndef VMX_CORE_NUMBER_H
#define VMX_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/types.h>

#define VMX_NUMBER_SIZE 32

/* The shortest decimal text that reads back as the same double, as JSON writes it: "1", "0.1", "1e+300". Infinite and
 * NaN give "null". Returns its length; `out` ends in NUL. */
size_t
vmx_number_format(double value, char out[VMX_NUMBER_SIZE]);

/* Likewise, a short text that reads back, by way of a double, as the same float. */
size_t
vmx_float_format(float value, char out[VMX_NUMBER_SIZE]);

/* The whole of `text` as a decimal double (no hex, no inf, no nan, no blanks); false when it is none. */
bool
vmx_number_parse(vmx_str text, double *value);

/* The whole of `text` as a decimal integer, with an optional suffix k, m or g (powers of 1024) if `suffix`. */
bool
vmx_integer_parse(vmx_str text, bool suffix, int64_t *value);

/* The most digits that vmx_decimal_write writes. */
#define VMX_DECIMAL_DIGITS 20

/* Writes a whole number in decimal digits, without a NUL; returns how many. For hot ways: snprintf takes ten times as
 * long. */
size_t
vmx_decimal_write(uint64_t value, char *out);

/* Counts `len` decimal digits up in place, where there is room for one more. Returns how many there are then. */
size_t
vmx_decimal_count_up(char *digits, size_t len);

#endif
