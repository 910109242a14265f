#include "source/convert.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#endif

void
vmx_normalise(float *vector, size_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < dimension; i++)
        sum += (double)vector[i] * (double)vector[i];
    if (!(sum > 0))
        return;
    double scale = 1 / sqrt(sum);
    for (size_t i = 0; i < dimension; i++)
        vector[i] = (float)((double)vector[i] * scale);
}

/* Shifts a 24-bit significand right and rounds it to nearest, ties to even. */
static uint32_t
shift_and_round(uint32_t significand, unsigned shift)
{
    uint32_t kept = significand >> shift, dropped = significand & ((1u << shift) - 1), half = 1u << (shift - 1);
    return kept + (dropped > half || (dropped == half && (kept & 1) != 0));
}

uint16_t
vmx_half_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) /* NaN: quiet, with what fits of its payload, as the processor does */
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    int exponent = (int)(magnitude >> 23) - 127;
    if (exponent > 15)
        return (uint16_t)(sign | 0x7c00);
    uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
    if (exponent >= -14) /* the carry of a round-up goes into the exponent, as it should, up to infinity */
        return (uint16_t)(sign | (((uint32_t)(exponent + 14) << 10) + shift_and_round(significand, 13)));
    if (exponent < -25)
        return sign;
    return (uint16_t)(sign | shift_and_round(significand, (unsigned)(-1 - exponent)));
}

static void
halves_by_arithmetic(const float *from, uint16_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = vmx_half_of_float(from[i]);
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) static void
halves_by_f16c(const float *from, uint16_t *to, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i eight = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(to + i), eight);
    }
    halves_by_arithmetic(from + i, to + i, count - i);
}

/* Asked of the processor once, as asking may trap to a hypervisor; by bit, as clang 14 does not know "f16c" by name. */
static bool
has_f16c(void)
{
    static atomic_int known; /* 0: not yet asked, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        unsigned a, b, c = 0, d;
        bool found = __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
        answer = found ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
#endif

void
vmx_floats_to_halves(const float *from, uint16_t *to, size_t count)
{
#if defined(__x86_64__)
    if (has_f16c()) {
        halves_by_f16c(from, to, count);
        return;
    }
#endif
    halves_by_arithmetic(from, to, count);
}
