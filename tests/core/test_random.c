#include "core/random.h"
#include "core/suite.h"

START_TEST(test_same_seed_same_numbers)
{
    vmx_random random, twin, other;
    vmx_random_seed(&random, 1);
    vmx_random_seed(&twin, 1);
    vmx_random_seed(&other, 2);
    int equal = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t number = vmx_random_next(&random);
        ck_assert_uint_eq(number, vmx_random_next(&twin));
        equal += number == vmx_random_next(&other);
    }
    ck_assert_int_eq(equal, 0);
}
END_TEST

/* The published generator (xoshiro256** 1.0, seeded by splitmix64) with seed 0. */
START_TEST(test_numbers_are_those_of_the_generator)
{
    vmx_random random;
    vmx_random_seed(&random, 0);
    ck_assert_uint_eq(random.state[0], 0xE220A8397B1DCDAFu);
    ck_assert_uint_eq(random.state[1], 0x6E789E6AA1B965F4u);
    random = (vmx_random){{1, 2, 3, 4}};
    const uint64_t first[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(vmx_random_next(&random), first[i]);
}
END_TEST

START_TEST(test_up_to_includes_both_ends_evenly)
{
    vmx_random random;
    vmx_random_seed(&random, 3);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[vmx_random_up_to(&random, 6)]++;
    for (int i = 0; i < 7; i++)
        ck_assert_msg(counts[i] > 9500 && counts[i] < 10500, "%d came %d times", i, counts[i]);
    ck_assert_uint_eq(vmx_random_up_to(&random, 0), 0);
    vmx_random_up_to(&random, UINT64_MAX);
    ck_assert_uint_le(vmx_random_up_to(&random, UINT64_MAX - 1), UINT64_MAX - 1);
}
END_TEST

START_TEST(test_unit_is_below_one)
{
    vmx_random random;
    vmx_random_seed(&random, 4);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        double number = vmx_random_unit(&random);
        ck_assert(number >= 0 && number < 1);
        sum += number;
    }
    ck_assert(sum > 49500 && sum < 50500);
}
END_TEST

START_TEST(test_system_seeds_differ)
{
    vmx_random one, two;
    vmx_random_seed_system(&one);
    vmx_random_seed_system(&two);
    ck_assert_uint_ne(vmx_random_next(&one), vmx_random_next(&two));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_same_seed_same_numbers,
                                  test_numbers_are_those_of_the_generator,
                                  test_up_to_includes_both_ends_evenly,
                                  test_unit_is_below_one,
                                  test_system_seeds_differ,
                                  NULL};
    return run_suite("core random", tests);
}
