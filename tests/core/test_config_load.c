/* configuration files and the environment */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/failing_allocator.h"
#include "core/suite.h"

static vmx_config *config;
static vmx_error error;
static char directory[32];
static char path[64];

static void
write_and_load(const char *text, size_t len, vmx_status expected)
{
    strcpy(directory, "/tmp/vmx-load-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/vecmux.conf", directory);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fwrite(text, 1, len, file);
    fclose(file);
    vmx_status status = vmx_config_load_file(config, vmx_str_from(path), &error);
    remove(path);
    remove(directory);
    ck_assert_msg(status == expected, "%s: %s", vmx_status_name(status), error.message);
}

static void
check_file_refused(const char *text, const char *message)
{
    char expected[256];
    write_and_load(text, strlen(text), VMX_ERR_INVALID);
    snprintf(expected, sizeof expected, "%s:%s", path, message);
    ck_assert_str_eq(error.message, expected);
}

START_TEST(test_file)
{
    static const char text[] =
        "# a comment\n\n  channel.count =  9 \r\n\tuser.agent=a = b\nendpoint = \nio.threads = 0";
    config = vmx_config_new();
    write_and_load(text, sizeof text - 1, VMX_OK);
    ck_assert_int_eq(vmx_config_int(config, "channel.count"), 9);
    ck_assert_str_eq(vmx_config_text(config, "user.agent"), "a = b");
    ck_assert_str_eq(vmx_config_text(config, "endpoint"), "");
    ck_assert_int_eq(vmx_config_int(config, "io.threads"), 0);
    write_and_load("", 0, VMX_OK);
    vmx_config_free(config);
}
END_TEST

START_TEST(test_file_is_all_or_nothing)
{
    config = vmx_config_new();
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("channel.count"), VMX_STR("2"), NULL), VMX_OK);
    check_file_refused("channel.count = 9\nio.threads = 2\n\nchannel.count = 99\n",
                       "4: channel.count \"99\": out of range; write 1 to 64");
    ck_assert_int_eq(vmx_config_int(config, "channel.count"), 2);
    ck_assert(!vmx_config_is_set(config, "io.threads"));
    vmx_config_free(config);
}
END_TEST

START_TEST(test_file_errors)
{
    config = vmx_config_new();
    check_file_refused("chanel.count = 1\n", "1: unknown property \"chanel.count\"; did you mean channel.count?");
    check_file_refused("\napi.key hunter2\n", "2: no \"=\" in the line; write name = value");
    check_file_refused("= 5\n", "1: unknown property \"\"; docs/CONFIGURATION.md lists the properties");
    write_and_load("user.agent = a\0b\n", 17, VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_config_load_file(config, VMX_STR("/nonexistent/vecmux.conf"), &error), VMX_ERR_IO);
    ck_assert_str_eq(error.message, "/nonexistent/vecmux.conf: No such file or directory");
    ck_assert_int_eq(vmx_config_load_file(config, VMX_STR(""), &error), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_config_load_file(config, VMX_STR("/dev/zero"), &error), VMX_ERR_TOO_LARGE);
    vmx_config_free(config);
}
END_TEST

START_TEST(test_environment)
{
    config = vmx_config_new();
    setenv("VECMUX_CHANNEL_COUNT", "3", 1);
    setenv("VECMUX_TLS_CA_PEM", "", 1);
    setenv("VECMUX_TEST_ANYTHING", "x", 1);
    setenv("VECMUXER", "x", 1);
    ck_assert_msg(vmx_config_load_env(config, &error) == VMX_OK, "%s", error.message);
    ck_assert_int_eq(vmx_config_int(config, "channel.count"), 3);
    ck_assert(vmx_config_is_set(config, "tls.ca.pem"));
    vmx_config_free(config);
}
END_TEST

static void
check_variable_refused(const char *variable, const char *value, const char *message)
{
    setenv(variable, value, 1);
    ck_assert_int_eq(vmx_config_load_env(config, &error), VMX_ERR_INVALID);
    ck_assert_str_eq(error.message, message);
    unsetenv(variable);
}

START_TEST(test_environment_errors)
{
    config = vmx_config_new();
    check_variable_refused("VECMUX_CHANEL_COUNT", "1",
                           "environment: VECMUX_CHANEL_COUNT matches no property; did you mean VECMUX_CHANNEL_COUNT?");
    check_variable_refused("VECMUX_channel_count", "1",
                           "environment: VECMUX_channel_count matches no property; did you mean VECMUX_CHANNEL_COUNT?");
    check_variable_refused("VECMUX_CHANNEL.COUNT", "1",
                           "environment: VECMUX_CHANNEL.COUNT matches no property; did you mean VECMUX_CHANNEL_COUNT?");
    check_variable_refused(
        "VECMUX_QWERTZ", "1",
        "environment: VECMUX_QWERTZ matches no property; docs/CONFIGURATION.md lists the properties");
    check_variable_refused("VECMUX_", "1",
                           "environment: VECMUX_ matches no property; docs/CONFIGURATION.md lists the properties");
    check_variable_refused("VECMUX_CHANNEL_COUNT", "99",
                           "environment: VECMUX_CHANNEL_COUNT: channel.count \"99\": out of range; write 1 to 64");
    check_variable_refused("VECMUX_API_KEY", "hunter2\n",
                           "environment: VECMUX_API_KEY: api.key: only printable ASCII characters are allowed");
    ck_assert_int_eq(vmx_config_int(config, "channel.count"), 4);
    vmx_config_free(config);
}
END_TEST

START_TEST(test_every_allocation_of_a_file_may_fail)
{
    static const char text[] = "channel.count = 9\nuser.agent = x\n";
    failing_allocator state;
    char name[] = "/tmp/vmx-load-XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    vmx_status status = VMX_ERR_NO_MEMORY;
    for (long n = 0; status != VMX_OK; n++) {
        ck_assert_int_lt(n, 1000);
        failing_allocator_install(&state, LONG_MAX);
        config = vmx_config_new();
        state.fail_at = state.calls + n;
        status = vmx_config_load_file(config, vmx_str_from(name), &error);
        ck_assert_int_eq(vmx_config_int(config, "channel.count"), status == VMX_OK ? 9 : 4);
        ck_assert(status == VMX_OK || status == VMX_ERR_NO_MEMORY);
        vmx_config_free(config);
        ck_assert_int_eq(state.alive, 0);
    }
    vmx_set_allocator(NULL);
    remove(name);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_file,
                                  test_file_is_all_or_nothing,
                                  test_file_errors,
                                  test_environment,
                                  test_environment_errors,
                                  test_every_allocation_of_a_file_may_fail,
                                  NULL};
    return run_suite("core config_load", tests);
}
