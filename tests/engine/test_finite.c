/* NaN and infinity are found at every place, by each way of looking; nothing else is taken for them. */
#include <float.h>
#include <stdint.h>
#include <string.h>

#include "core/suite.h"
#include "engine/finite.h"

#define MAX_LEN 150
#define SHIFTS  9 /* floats off the alignment of vectors */

typedef bool (*scan)(const float *values, size_t len);

static const uint32_t not_finite[] = {
    0x7f800000,             /* infinity */
    0xff800000,             /* its negative */
    0x7fc00000,             /* quiet NaN */
    0xffc00000, 0x7f800001, /* signalling NaN, the smallest payload */
    0xff800001, 0x7fffffff, 0xffffffff,
};

static const uint32_t numbers[] = {
    0x00000000, 0x80000000,                                     /* both zeros */
    0x00000001, 0x80000001, 0x007fffff, 0x807fffff,             /* subnormal */
    0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff, 0xff7fffff, /* to the largest */
};

static float
of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* By bits: a signalling NaN must not become a quiet one on its way. */
static void
put(float *at, uint32_t bits)
{
    memcpy(at, &bits, sizeof bits);
}

static void
fill(float *values, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put(&values[i], numbers[i % (sizeof numbers / sizeof numbers[0])]);
}

static void
check_scan(scan look)
{
    static _Alignas(64) float memory[SHIFTS + MAX_LEN + 1];
    for (size_t shift = 0; shift < SHIFTS; shift++)
        for (size_t len = 0; len <= MAX_LEN; len += len < 70 ? 1 : 11) {
            float *values = memory + shift;
            fill(values, len);
            put(&values[len], not_finite[len % 8]); /* behind the end: not looked at */
            ck_assert_msg(!look(values, len), "%zu finite values, %zu off", len, shift);
            for (size_t at = 0; at < len; at++) {
                float before = values[at];
                put(&values[at], not_finite[(at + shift) % 8]);
                ck_assert_msg(look(values, len), "value %zu of %zu, %zu off", at, len, shift);
                values[at] = before;
            }
        }
}

static void
check_values(scan look)
{
    for (size_t i = 0; i < sizeof not_finite / sizeof not_finite[0]; i++)
        for (size_t at = 0; at < 64; at++) {
            float values[64] = {0};
            put(&values[at], not_finite[i]);
            ck_assert(look(values, 64));
            ck_assert(look(&values[at], 1));
        }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        float one = of_bits(numbers[i]);
        ck_assert(!look(&one, 1));
    }
}

/* The ways that copy. */
typedef bool (*copying)(void *restrict to, const float *restrict values, size_t len);

static copying way; /* the one that copy_and_look goes */

/* Looks as a scan does, and sees that what was copied is what was there, and nothing around it was written. */
static bool
copy_and_look(const float *values, size_t len)
{
    static uint8_t memory[4 * MAX_LEN + 80], around[32];
    memset(memory, 0x5a, sizeof memory);
    memset(around, 0x5a, sizeof around);
    uint8_t *to = memory + 32 + len % 3;
    bool found = way(to, values, len);
    ck_assert_int_eq(memcmp(to, values, 4 * len), 0);
    ck_assert_int_eq(memcmp(to - 32, around, 32), 0);
    ck_assert_int_eq(memcmp(to + 4 * len, around, 32), 0);
    return found;
}

START_TEST(each_way_of_copying_finds_them_and_copies_all)
{
    copying ways[3] = {vmx_copy_not_finite, vmx_copy_not_finite_portable};
    size_t count = 2;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        ways[count++] = vmx_copy_not_finite_avx2;
#endif
    for (size_t i = 0; i < count; i++) {
        way = ways[i];
        check_scan(copy_and_look);
        check_values(copy_and_look);
    }
}
END_TEST

START_TEST(each_way_finds_them_everywhere)
{
    scan ways[3] = {vmx_any_not_finite, vmx_any_not_finite_portable};
    size_t count = 2;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        ways[count++] = vmx_any_not_finite_avx2;
#endif
    for (size_t i = 0; i < count; i++) {
        check_scan(ways[i]);
        check_values(ways[i]);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {each_way_finds_them_everywhere, each_way_of_copying_finds_them_and_copies_all, NULL};
    return run_suite("finite", tests);
}
