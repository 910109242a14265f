/* error, status, version, utf8 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/suite.h"
#include "core/utf8.h"

START_TEST(test_set_fills_the_whole_record)
{
    vmx_error error;
    memset(&error, 0x55, sizeof error);
    ck_assert_int_eq(vmx_error_set(&error, VMX_ERR_IO, "%s: %d", "a", 7), VMX_ERR_IO);
    ck_assert_int_eq(error.code, VMX_ERR_IO);
    ck_assert_int_eq(error.grpc_code, -1);
    ck_assert_int_eq(error.outcome, VMX_OUTCOME_NOT_SENT);
    ck_assert(!error.retriable);
    ck_assert_uint_eq(error.attempts, 0);
    ck_assert_int_eq(error.retry_after_ms, -1);
    ck_assert_str_eq(error.peer, "");
    ck_assert_str_eq(error.message, "a: 7");
    ck_assert_int_eq(vmx_error_set(NULL, VMX_ERR_IO, "%s", "a"), VMX_ERR_IO);
    ck_assert_int_eq(vmx_error_no_memory(&error), VMX_ERR_NO_MEMORY);
    ck_assert_str_eq(error.message, "out of memory");
    vmx_error_clear(&error);
    ck_assert_int_eq(error.code, VMX_OK);
}
END_TEST

START_TEST(test_message_may_quote_the_old_one)
{
    vmx_error error;
    vmx_error_set(&error, VMX_ERR_IO, "reason");
    vmx_error_set(&error, VMX_ERR_IO, "line 3: %s", error.message);
    ck_assert_str_eq(error.message, "line 3: reason");
}
END_TEST

START_TEST(test_message_is_one_line_of_utf8)
{
    vmx_error error;
    vmx_error_set(&error, VMX_ERR_IO, "%s",
                  "a\nb\tc\x7f\x1b[0m \xc2\x9b \xff \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82");
    ck_assert_str_eq(error.message, "a?b?c??[0m ? ? \xc3\xa9 ??? \xf0\x9f\x98\x80 ??");
}
END_TEST

START_TEST(test_long_message_ends_in_dots)
{
    char text[2000];
    vmx_error error;
    for (size_t shift = 0; shift < 4; shift++) { /* wherever the cut meets the characters */
        memset(text, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xa9", 3);
        vmx_error_set(&error, VMX_ERR_IO, "%s", text);
        size_t len = strlen(error.message);
        ck_assert_uint_le(len, VMX_ERROR_MESSAGE_SIZE - 1);
        ck_assert_uint_ge(len, VMX_ERROR_MESSAGE_SIZE - 4);
        ck_assert_str_eq(error.message + len - 3, "...");
        ck_assert_ptr_null(strchr(error.message, '?'));
    }
    memset(text, 'x', sizeof text);
    vmx_error_set(&error, VMX_ERR_IO, "%.511s", text);
    ck_assert_uint_eq(strspn(error.message, "x"), 511);
    vmx_error_set(&error, VMX_ERR_IO, "%.512s", text);
    ck_assert_uint_eq(strspn(error.message, "x"), 508);
}
END_TEST

START_TEST(test_clip)
{
    char text[200];
    memset(text, 'a', sizeof text);
    ck_assert_int_eq(vmx_error_clip((vmx_str){text, 64}), 64);
    ck_assert_int_eq(vmx_error_clip((vmx_str){text, 200}), 64);
    memcpy(text + 62, "\xe2\x82\xac", 3);
    ck_assert_int_eq(vmx_error_clip((vmx_str){text, 200}), 62);
    ck_assert_int_eq(vmx_error_clip((vmx_str){NULL, 0}), 0);
}
END_TEST

START_TEST(test_status_names)
{
    ck_assert_str_eq(vmx_status_name(VMX_OK), "VMX_OK");
    ck_assert_str_eq(vmx_status_name(VMX_ERR_NOT_DONE), "VMX_ERR_NOT_DONE");
    ck_assert_str_eq(vmx_status_name(VMX_ERR_PROTOCOL), "VMX_ERR_PROTOCOL");
    ck_assert_str_eq(vmx_status_name((vmx_status)12), "VMX_ERR_?");
    int named = 0;
    for (int code = 0; code < 1000; code++)
        named += strcmp(vmx_status_name((vmx_status)code), "VMX_ERR_?") != 0;
    ck_assert_int_eq(named, 24);
}
END_TEST

START_TEST(test_version)
{
    unsigned major, minor, patch;
    ck_assert_int_eq(sscanf(vmx_version(), "%u.%u.%u", &major, &minor, &patch), 3);
    ck_assert_uint_eq(vmx_version_number(), major * 10000 + minor * 100 + patch);
    const char *const parts[] = {"grpc-core ", "protobuf-c ", "jansson ", "OpenSSL "};
    for (size_t i = 0; i < 4; i++) {
        const char *part = strstr(vmx_version_details(), parts[i]);
        ck_assert_ptr_nonnull(part);
        char first = part[strlen(parts[i])];
        ck_assert_msg(first >= '0' && first <= '9', "no version in \"%s\"", vmx_version_details());
    }
}
END_TEST

static size_t
character(const char *bytes)
{
    return vmx_utf8_character((const unsigned char *)bytes, strlen(bytes));
}

START_TEST(test_utf8)
{
    ck_assert_uint_eq(character(""), 0);
    ck_assert_uint_eq(character("a"), 1);
    ck_assert_uint_eq(character("\xc3\xa9x"), 2);
    ck_assert_uint_eq(character("\xe2\x82\xac"), 3);
    ck_assert_uint_eq(character("\xf4\x8f\xbf\xbf"), 4);
    const char *const bad[] = {"\x80",     "\xc0\xaf",         "\xc1\x81",     "\xc3",
                               "\xc3x",    "\xe0\x9f\xbf",     "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                               "\xe2\x82", "\xf4\x90\x80\x80", "\xf5\x80",     "\xf8\x88\x80\x80",
                               "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(character(bad[i]) == 0, "accepted number %zu", i);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_set_fills_the_whole_record,
                                  test_message_may_quote_the_old_one,
                                  test_message_is_one_line_of_utf8,
                                  test_long_message_ends_in_dots,
                                  test_clip,
                                  test_status_names,
                                  test_version,
                                  test_utf8,
                                  NULL};
    return run_suite("core error", tests);
}
