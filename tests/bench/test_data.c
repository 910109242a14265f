/* What the bench sends: the same for the same seed, and ids as popular as asked for. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/data.h"

#define DRAWS 200000
#define IDS   1000

static size_t counts[IDS];

static void
draw(bool zipfian)
{
    bench_popularity popularity;
    bench_random random = 3;
    memset(counts, 0, sizeof counts);
    bench_popularity_init(&popularity, IDS, zipfian);
    for (size_t i = 0; i < DRAWS; i++) {
        size_t id = bench_popularity_next(&popularity, &random);
        ck_assert_uint_lt(id, IDS);
        counts[id]++;
    }
}

START_TEST(zipfian_ids_follow_their_law)
{
    double zeta = 0;
    for (size_t i = 1; i <= IDS; i++)
        zeta += pow((double)i, -0.99);
    draw(true);
    for (size_t i = 0; i < 2; i++) { /* the first two are exact, the others approximate */
        double expected = DRAWS * pow((double)i + 1, -0.99) / zeta;
        ck_assert_double_eq_tol((double)counts[i], expected, 0.03 * expected);
    }
    ck_assert_uint_gt(counts[2], counts[20]);
    ck_assert_uint_gt(counts[20], counts[500]);
}
END_TEST

START_TEST(uniform_ids_are_all_as_frequent)
{
    draw(false);
    for (size_t i = 0; i < IDS; i++)
        ck_assert_double_eq_tol((double)counts[i], (double)DRAWS / IDS, 100);
}
END_TEST

START_TEST(the_seed_decides)
{
    bench_random one = 1, again = 1, two = 2;
    float *a = bench_random_floats(&one, 100), *b = bench_random_floats(&again, 100),
          *c = bench_random_floats(&two, 100);
    ck_assert_mem_eq(a, b, 100 * sizeof *a);
    ck_assert_mem_ne(a, c, 100 * sizeof *a);
    for (size_t i = 0; i < 100; i++)
        ck_assert(a[i] >= -1 && a[i] < 1);
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(ids_have_one_length)
{
    char id[BENCH_ID_BYTES + 1];
    bench_id_write(id, 42);
    ck_assert_str_eq(id, "item-000000000042");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bench data");
    TCase *tests = tcase_create("data");
    tcase_add_test(tests, zipfian_ids_follow_their_law);
    tcase_add_test(tests, uniform_ids_are_all_as_frequent);
    tcase_add_test(tests, the_seed_decides);
    tcase_add_test(tests, ids_have_one_length);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
