/* float32 to float16 for every kind of number, and normalising. */
#include <math.h>
#include <string.h>

#include "core/random.h"
#include "core/suite.h"
#include "source/convert.h"

static float
float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double
value_of_half(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double fraction = half & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -value : value;
}

START_TEST(test_every_half_comes_back)
{
    for (uint32_t half = 0; half < 0x10000; half++)
        if ((half & 0x7c00) != 0x7c00)
            ck_assert_uint_eq(vmx_half_of_float((float)value_of_half((uint16_t)half)), half);
    ck_assert_uint_eq(vmx_half_of_float(INFINITY), 0x7c00);
    ck_assert_uint_eq(vmx_half_of_float(-INFINITY), 0xfc00);
    ck_assert_uint_eq(vmx_half_of_float(65520), 0x7c00);
    ck_assert_uint_eq(vmx_half_of_float(65519), 0x7bff);
    ck_assert((vmx_half_of_float(NAN) & 0x7fff) > 0x7c00);
}
END_TEST

/* Half way between two neighbours the even one is nearest. */
START_TEST(test_ties_go_to_even)
{
    for (uint32_t half = 0; half < 0x7bff; half++) {
        float middle = (float)((value_of_half((uint16_t)half) + value_of_half((uint16_t)(half + 1))) / 2);
        ck_assert_uint_eq(vmx_half_of_float(middle), half % 2 == 0 ? half : half + 1);
        ck_assert_uint_eq(vmx_half_of_float(nextafterf(middle, 0)), half);
        ck_assert_uint_eq(vmx_half_of_float(nextafterf(middle, INFINITY)), half + 1);
    }
}
END_TEST

/* The processor's conversion and the arithmetic one agree on every bit pattern, NaN included. */
START_TEST(test_processor_and_arithmetic_agree)
{
    enum { BLOCK = 1003 };
    float from[BLOCK];
    uint16_t to[BLOCK];
    vmx_random random;
    vmx_random_seed(&random, 5);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < BLOCK; i++)
            from[i] = float_of_bits((uint32_t)vmx_random_next(&random));
        vmx_floats_to_halves(from, to, BLOCK);
        for (size_t i = 0; i < BLOCK; i++)
            ck_assert_uint_eq(to[i], vmx_half_of_float(from[i]));
    }
}
END_TEST

START_TEST(test_normalised_is_of_length_one)
{
    float vector[] = {3, 0, -4}, zero[] = {0, 0}, huge[] = {3e38f, 3e38f};
    vmx_normalise(vector, 3);
    ck_assert(vector[0] == 0.6f && vector[1] == 0 && vector[2] == -0.8f);
    vmx_normalise(zero, 2);
    ck_assert(zero[0] == 0 && zero[1] == 0);
    vmx_normalise(huge, 2);
    ck_assert_float_eq_tol(huge[0], 0.70710678f, 1e-6f);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_every_half_comes_back, test_ties_go_to_even, test_processor_and_arithmetic_agree,
                                  test_normalised_is_of_length_one, NULL};
    return run_suite("convert", tests);
}
