#include "engine/finite.h"

#include <stdint.h>
#include <string.h>

#define EXPONENT_BITS 0x7f800000u /* all set: NaN or infinity (IEEE 754 binary32) */
#define SIGN_BIT      0x80000000u

/* Without their signs NaN and infinity have the largest bits. Without branches, so that compilers do several values at
 * once, in two instructions. */
static inline __attribute__((always_inline)) bool
scan(const float *values, size_t len)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= ~SIGN_BIT;
        largest = bits > largest ? bits : largest;
    }
    return largest >= EXPONENT_BITS;
}

static inline __attribute__((always_inline)) bool
copy(uint8_t *restrict to, const float *restrict values, size_t len)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        memcpy(to + i * sizeof bits, &bits, sizeof bits);
        bits &= ~SIGN_BIT;
        largest = bits > largest ? bits : largest;
    }
    return largest >= EXPONENT_BITS;
}

/* gcc vectorises loops of unknown length from -O3 on only; clang does always, and knows no such attribute. */
#if defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((optimize("O3", "unroll-loops")))
#else
#define VECTORISED
#endif

#if defined(__x86_64__)
VECTORISED __attribute__((target("avx2"))) bool
vmx_any_not_finite_avx2(const float *values, size_t len)
{
    return scan(values, len);
}

VECTORISED __attribute__((target("avx2"))) bool
vmx_copy_not_finite_avx2(void *restrict to, const float *restrict values, size_t len)
{
    return copy(to, values, len);
}
#endif

VECTORISED bool
vmx_any_not_finite_portable(const float *values, size_t len)
{
    return scan(values, len);
}

VECTORISED bool
vmx_copy_not_finite_portable(void *restrict to, const float *restrict values, size_t len)
{
    return copy(to, values, len);
}

bool
vmx_copy_not_finite(void *restrict to, const float *restrict values, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return vmx_copy_not_finite_avx2(to, values, len);
#endif
    return vmx_copy_not_finite_portable(to, values, len);
}
