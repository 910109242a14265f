/*
 * type.h: the number types that files hold, and what becomes of them: float32, the one type that is sent.
 */
#ifndef VMX_CLI_LOAD_TYPE_H
#define VMX_CLI_LOAD_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum load_kind { LOAD_INT, LOAD_UINT, LOAD_FLOAT } load_kind;

typedef struct load_type {
    load_kind kind;
    uint8_t bytes; /* of one number: 1, 2, 4 or 8; a float is not 1 */
    bool big_endian;
} load_type;

/* False for a combination that is none. */
bool
load_type_valid(load_type type);

/* "float32". Static. */
const char *
load_type_name(load_type type);

/*
 * Converts `count` numbers to the nearest float32 (ties to even). Whole numbers beyond 2^24 lose their last digits;
 * a float64 beyond float32's range becomes an infinity, which no index takes. Any alignment of `raw`.
 */
void
load_type_to_floats(load_type type, const uint8_t *raw, size_t count, float *floats);

/* One float as a double, exactly; `type` is a float. */
double
load_type_to_double(load_type type, const uint8_t *raw);

/* One whole number. False when the type is a float, and when the number is negative: then *number is its two's
 * complement. */
bool
load_type_to_whole(load_type type, const uint8_t *raw, uint64_t *number);

#endif
