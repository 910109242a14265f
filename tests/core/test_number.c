#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/comma_locale.h"
#include "core/number.h"
#include "core/random.h"
#include "core/suite.h"

static const char *
text_of(double value)
{
    static char text[VMX_NUMBER_SIZE];
    size_t len = vmx_number_format(value, text);
    ck_assert_uint_eq(len, strlen(text));
    return text;
}

static void
check_examples(void)
{
    ck_assert_str_eq(text_of(0), "0");
    ck_assert_str_eq(text_of(-0.0), "-0.0");
    ck_assert_str_eq(text_of(1), "1");
    ck_assert_str_eq(text_of(-42), "-42");
    ck_assert_str_eq(text_of(0.1), "0.1");
    ck_assert_str_eq(text_of(-2.5), "-2.5");
    ck_assert_str_eq(text_of(1.0 / 3), "0.3333333333333333");
    ck_assert_str_eq(text_of(0.1 + 0.2), "0.30000000000000004");
    ck_assert_str_eq(text_of((double)0.1f), "0.10000000149011612");
    ck_assert_str_eq(text_of(1e20), "100000000000000000000");
    ck_assert_str_eq(text_of(1e21), "1e+21");
    ck_assert_str_eq(text_of(1e300), "1e+300");
    ck_assert_str_eq(text_of(0.000001), "0.000001");
    ck_assert_str_eq(text_of(1.5e-7), "1.5e-7");
    ck_assert_str_eq(text_of(DBL_MAX), "1.7976931348623157e+308");
    ck_assert_str_eq(text_of(0x1p-1074), "5e-324");
    ck_assert_str_eq(text_of(0x1p-44), "5.684341886080802e-14"); /* only the farther neighbour has 16 digits */
    ck_assert_str_eq(text_of(9007199254740992.0), "9007199254740992");
    ck_assert_str_eq(text_of(INFINITY), "null");
    ck_assert_str_eq(text_of(-INFINITY), "null");
    ck_assert_str_eq(text_of(NAN), "null");
}

START_TEST(test_format_examples)
{
    check_examples();
}
END_TEST

static void
check_random(int rounds)
{
    vmx_random random;
    vmx_random_seed(&random, 7);
    for (int i = 0; i < rounds; i++) {
        uint64_t bits = vmx_random_next(&random);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        const char *text = text_of(value);
        ck_assert_msg(vmx_number_parse(vmx_str_from(text), &back) && memcmp(&back, &value, sizeof value) == 0,
                      "%a became \"%s\" became %a", value, text, back);
    }
}

START_TEST(test_every_double_reads_back)
{
    check_random(100000);
}
END_TEST

START_TEST(test_parse_accepts_decimals)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"-1", -1},
                {"1.5", 1.5},
                {"1e3", 1000},
                {"1E-2", 0.01},
                {"00012", 12},
                {"1e-400", 0},
                {"0e99999999999999999999", 0},
                {"1.7976931348623157e308", DBL_MAX},
                {"2.5e+0", 2.5}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double value = 99;
        ck_assert_msg(vmx_number_parse(vmx_str_from(good[i].text), &value) && value == good[i].value, "%s gave %a",
                      good[i].text, value);
    }
}
END_TEST

START_TEST(test_parse_refuses_the_rest)
{
    const char *const bad[] = {"",
                               " 1",
                               "1 ",
                               "+1",
                               "1.",
                               ".5",
                               "1,5",
                               "0x1p3",
                               "inf",
                               "nan",
                               "1e",
                               "1e+",
                               "--1",
                               "-",
                               "1.2.3",
                               "1e400",
                               "1e99999999999999999999",
                               "1_0",
                               "\xd9\xa1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value;
        ck_assert_msg(!vmx_number_parse(vmx_str_from(bad[i]), &value), "accepted \"%s\"", bad[i]);
    }
}
END_TEST

START_TEST(test_parse_of_very_long_numbers_is_exact)
{
    /* half way between 1 and the next double, and a little more: one digit behind 5,000 zeros decides */
    static char text[6000];
    snprintf(text, sizeof text, "1.00000000000000011102230246251565404236316680908203125");
    double value;
    ck_assert(vmx_number_parse(vmx_str_from(text), &value));
    ck_assert(value == 1);
    size_t len = strlen(text);
    memset(text + len, '0', 5000);
    text[len + 5000] = '1';
    ck_assert(vmx_number_parse(vmx_str_from(text), &value));
    ck_assert(value == 1 + DBL_EPSILON);

    text[0] = '1';
    memset(text + 1, '0', 5000);
    strcpy(text + 5001, "e-5000");
    ck_assert(vmx_number_parse(vmx_str_from(text), &value));
    ck_assert(value == 1);
}
END_TEST

START_TEST(test_integers)
{
    int64_t value;
    ck_assert(vmx_integer_parse(VMX_STR("9223372036854775807"), false, &value) && value == INT64_MAX);
    ck_assert(vmx_integer_parse(VMX_STR("-9223372036854775808"), false, &value) && value == INT64_MIN);
    ck_assert(vmx_integer_parse(VMX_STR("16m"), true, &value) && value == 16 << 20);
    ck_assert(vmx_integer_parse(VMX_STR("3K"), true, &value) && value == 3072);
    ck_assert(vmx_integer_parse(VMX_STR("2g"), true, &value) && value == INT64_C(2) << 30);
    const char *const bad[] = {"", "-", "9223372036854775808", "-9223372036854775809", "1.0", "1 ", "+1", "0x1", "1t"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!vmx_integer_parse(vmx_str_from(bad[i]), true, &value), "accepted \"%s\"", bad[i]);
    ck_assert(!vmx_integer_parse(VMX_STR("1k"), false, &value));
    ck_assert(!vmx_integer_parse(VMX_STR("k"), true, &value));
    ck_assert(!vmx_integer_parse(VMX_STR("1kk"), true, &value));
    ck_assert(!vmx_integer_parse(VMX_STR("9223372036854775807k"), true, &value));
}
END_TEST

START_TEST(test_comma_locale_changes_nothing)
{
    if (!comma_locale_set())
        return;
    char text[16];
    snprintf(text, sizeof text, "%.1f", 1.5);
    ck_assert_str_eq(text, "1,5"); /* the locale is really there */
    check_examples();
    check_random(2000);
    double value;
    ck_assert(vmx_number_parse(VMX_STR("1.5"), &value) && value == 1.5);
    ck_assert(!vmx_number_parse(VMX_STR("1,5"), &value));
}
END_TEST

/* Counting up in place gives what writing the next number gives. */
START_TEST(test_decimals_count_up)
{
    static const uint64_t begins[] = {0, 8, 95, 1998, 99990, 999999995, 9999999999999999990u};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        char digits[VMX_DECIMAL_DIGITS], wanted[VMX_DECIMAL_DIGITS];
        size_t len = vmx_decimal_write(begins[i], digits);
        for (uint64_t value = begins[i] + 1; value < begins[i] + 30; value++) {
            len = vmx_decimal_count_up(digits, len);
            ck_assert_uint_eq(len, vmx_decimal_write(value, wanted));
            ck_assert_mem_eq(digits, wanted, len);
        }
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_format_examples,
                                  test_decimals_count_up,
                                  test_every_double_reads_back,
                                  test_parse_accepts_decimals,
                                  test_parse_refuses_the_rest,
                                  test_parse_of_very_long_numbers_is_exact,
                                  test_integers,
                                  test_comma_locale_changes_nothing,
                                  NULL};
    return run_suite("core number", tests);
}
