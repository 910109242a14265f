/* Builds by index: a tally for each name, up to a bound, and names that are safe to print. */
#include <stdio.h>
#include <string.h>

#include "build/index_tally.h"
#include "core/suite.h"

static vmx_index_tallies tallies;
static vmx_index_tally found[VMX_TALLIED_INDEXES + 1];

START_TEST(test_each_name_has_its_own)
{
    vmx_index_tallies_init(&tallies);
    vmx_index_tallies_add(&tallies, VMX_STR("shoes"), VMX_BUILD_SUCCEEDED, 7, 100, 10);
    vmx_index_tallies_add(&tallies, VMX_STR(""), VMX_BUILD_FAILED, 9, 1, 2);
    vmx_index_tallies_add(&tallies, VMX_STR("shoes"), VMX_BUILD_FELL_BACK, 50, 30, 0);
    ck_assert_uint_eq(vmx_index_tallies_read(&tallies, found), 2);
    ck_assert_str_eq(found[0].name, "shoes");
    ck_assert_uint_eq(found[0].results[VMX_BUILD_SUCCEEDED], 1);
    ck_assert_uint_eq(found[0].results[VMX_BUILD_FELL_BACK], 1);
    ck_assert_uint_eq(found[0].duration_us, 7); /* of successes */
    ck_assert_uint_eq(found[0].sent_bytes, 130);
    ck_assert_uint_eq(found[0].received_bytes, 10);
    ck_assert_str_eq(found[1].name, "");
    ck_assert_uint_eq(found[1].results[VMX_BUILD_FAILED], 1);
    vmx_index_tallies_destroy(&tallies);
}
END_TEST

START_TEST(test_names_beyond_the_bound_share_one)
{
    char name[16];
    vmx_index_tallies_init(&tallies);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "index-%d", i);
        vmx_index_tallies_add(&tallies, VMX_STR(name), VMX_BUILD_SUCCEEDED, 1, 2, 3);
    }
    vmx_index_tallies_add(&tallies, VMX_STR("index-31"), VMX_BUILD_CANCELLED, 1, 2, 3);
    ck_assert_uint_eq(vmx_index_tallies_read(&tallies, found), VMX_TALLIED_INDEXES + 1);
    ck_assert_str_eq(found[VMX_TALLIED_INDEXES - 1].name, "index-31");
    ck_assert_uint_eq(found[VMX_TALLIED_INDEXES - 1].results[VMX_BUILD_CANCELLED], 1);
    ck_assert_str_eq(found[VMX_TALLIED_INDEXES].name, "(others)");
    ck_assert_uint_eq(found[VMX_TALLIED_INDEXES].results[VMX_BUILD_SUCCEEDED], 1000 - VMX_TALLIED_INDEXES);
    ck_assert_uint_eq(found[VMX_TALLIED_INDEXES].sent_bytes, 2 * (1000 - VMX_TALLIED_INDEXES));
    vmx_index_tallies_destroy(&tallies);
}
END_TEST

START_TEST(test_names_are_cut_between_characters)
{
    char name[66];
    memset(name, 'a', 63);
    memcpy(name + 63, "\xc3\xa9", 3); /* its second byte would be the 65th */
    vmx_index_tallies_init(&tallies);
    vmx_index_tallies_add(&tallies, VMX_STR(name), VMX_BUILD_SUCCEEDED, 0, 0, 0);
    vmx_index_tallies_add(&tallies, (vmx_str){"x\xff\0y", 4}, VMX_BUILD_SUCCEEDED, 0, 0, 0);
    ck_assert_uint_eq(vmx_index_tallies_read(&tallies, found), 2);
    ck_assert_uint_eq(strlen(found[0].name), 63);
    ck_assert_str_eq(found[1].name, "x??y");
    vmx_index_tallies_destroy(&tallies);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_each_name_has_its_own, test_names_beyond_the_bound_share_one,
                                  test_names_are_cut_between_characters, NULL};
    return run_suite("index_tally", tests);
}
