/* the property table, config_set and its messages, the library's accessors */
#include <stdio.h>
#include <string.h>

#include "core/certificate.h"
#include "core/comma_locale.h"
#include "core/config.h"
#include "core/failing_allocator.h"
#include "core/suite.h"

static vmx_config *config;
static vmx_error error;

static vmx_status
set(const char *name, const char *value)
{
    return vmx_config_set(config, vmx_str_from(name), vmx_str_from(value), &error);
}

static void
check_refused(const char *name, const char *value, const char *message)
{
    ck_assert_msg(set(name, value) == VMX_ERR_INVALID, "%s = %s was accepted", name, value);
    ck_assert_str_eq(error.message, message);
}

START_TEST(test_table)
{
    config = vmx_config_new();
    vmx_property row;
    vmx_property_init(&row, sizeof row);
    for (size_t i = 0; vmx_property_at(i, &row); i++) {
        ck_assert_uint_eq(row.size, sizeof row);
        ck_assert_msg(strlen(row.help) > 20, "%s has no help", row.name);
        ck_assert_msg(row.help[strlen(row.help) - 1] == '.', "%s: the help is no sentence", row.name);
        ck_assert_str_eq(vmx_config_get(config, vmx_str_from(row.name)).ptr, row.default_value);
        ck_assert(!vmx_config_is_set(config, row.name));
        ck_assert_msg(set(row.name, row.default_value) == VMX_OK, "the default of %s: %s", row.name, error.message);
        ck_assert(vmx_config_is_set(config, row.name));
        for (size_t j = 0; j < i; j++) {
            vmx_property other;
            vmx_property_init(&other, sizeof other);
            ck_assert(vmx_property_at(j, &other));
            ck_assert_str_ne(row.name, other.name);
        }
    }
    ck_assert(!vmx_property_at(vmx_property_count(), &row));
    vmx_config_free(config);
}
END_TEST

START_TEST(test_older_struct_is_not_overrun)
{
    struct {
        vmx_property row;
        char behind;
    } old;
    size_t size = offsetof(vmx_property, range);
    memset(&old, 0x55, sizeof old);
    vmx_property_init(&old.row, size);
    ck_assert(vmx_property_at(0, &old.row));
    ck_assert_str_eq(old.row.name, "engine");
    ck_assert_uint_eq(old.row.size, size);
    ck_assert_uint_eq(((unsigned char *)&old.row)[size], 0x55);
}
END_TEST

/* The printed range is the range: both ends are accepted, what is beyond is not. */
START_TEST(test_ranges)
{
    config = vmx_config_new();
    vmx_property row;
    vmx_property_init(&row, sizeof row);
    for (size_t i = 0; vmx_property_at(i, &row); i++) {
        long low, high;
        char text[64], message[256];
        if (sscanf(row.range, "%ld to %ld", &low, &high) != 2)
            continue;
        const long ends[] = {low, high}, beyond[] = {low - 1, high + 1};
        for (int j = 0; j < 2; j++) {
            snprintf(text, sizeof text, "%ld", ends[j]);
            ck_assert_msg(set(row.name, text) == VMX_OK, "%s", error.message);
            snprintf(text, sizeof text, "%ld", beyond[j]);
            snprintf(message, sizeof message, "%s \"%s\": out of range; write %s", row.name, text, row.range);
            check_refused(row.name, text, message);
        }
    }
    vmx_config_free(config);
}
END_TEST

START_TEST(test_messages)
{
    config = vmx_config_new();
    check_refused("chanel.count", "4", "unknown property \"chanel.count\"; did you mean channel.count?");
    check_refused("Channel.Count", "4", "unknown property \"Channel.Count\"; did you mean channel.count?");
    check_refused("qwertz", "4", "unknown property \"qwertz\"; docs/CONFIGURATION.md lists the properties");
    check_refused("", "4", "unknown property \"\"; docs/CONFIGURATION.md lists the properties");
    check_refused("channel.count", "four", "channel.count \"four\": not an integer; write one from 1 to 64");
    check_refused("channel.count", "4k", "channel.count \"4k\": not an integer; write one from 1 to 64");
    check_refused("channel.count", "", "channel.count \"\": not an integer; write one from 1 to 64");
    check_refused("receive.limit.bytes", "2x",
                  "receive.limit.bytes \"2x\": not a size; write a number, or one with k, "
                  "m or g, from 1024 to 2147483647");
    check_refused("retry.multiplier", "2,5", "retry.multiplier \"2,5\": not a number; write one from 1 to 100");
    check_refused("wait.for.ready", "yes", "wait.for.ready \"yes\": write true or false");
    check_refused("tls", "maybe", "tls \"maybe\": write one of: auto, on, off");
    check_refused("tls", "", "tls \"\": write one of: auto, on, off");
    check_refused("tls", "aut", "tls \"aut\": write one of: auto, on, off");
    check_refused("engine", "weaviate", "engine \"weaviate\": write one of: pinecone, milvus, qdrant");
    check_refused("endpoint", "localhost", "endpoint \"localhost\": no port; write host:port");
    check_refused("proxy", "px", "proxy \"px\": no port; write host:port");
    check_refused("user.agent", "a\nb", "user.agent \"a?b\": only printable ASCII characters are allowed");
    check_refused("tls.ca.pem", "x", "tls.ca.pem: no certificate in it; write certificates in PEM");
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("api.key"), (vmx_str){"se\0cret", 7}, &error), VMX_ERR_INVALID);
    ck_assert_str_eq(error.message, "api.key: a NUL byte is not allowed");
    vmx_config_free(config);
}
END_TEST

START_TEST(test_secret_is_never_shown)
{
    config = vmx_config_new();
    ck_assert_int_eq(set("api.key", "hunter2\n"), VMX_ERR_INVALID);
    ck_assert_ptr_null(strstr(error.message, "hunter2"));
    ck_assert_int_eq(set("api.key", "hunter2"), VMX_OK);
    ck_assert_str_eq(vmx_config_text(config, "api.key"), "hunter2");
    vmx_config_free(config);
}
END_TEST

START_TEST(test_refused_value_leaves_the_old_one)
{
    config = vmx_config_new();
    ck_assert_int_eq(set("channel.count", "7"), VMX_OK);
    ck_assert_int_eq(set("channel.count", "700"), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_config_int(config, "channel.count"), 7);
    ck_assert_str_eq(vmx_config_get(config, VMX_STR("channel.count")).ptr, "7");
    ck_assert_int_eq(vmx_config_set(config, VMX_STR("channel.count"), VMX_STR("x"), NULL), VMX_ERR_INVALID);
    ck_assert_ptr_null(vmx_config_get(config, VMX_STR("no.such")).ptr);
    vmx_config_free(config);
}
END_TEST

static void
check_values(void)
{
    config = vmx_config_new();
    ck_assert_int_eq(vmx_config_int(config, "receive.limit.bytes"), 16 << 20);
    ck_assert_int_eq(vmx_config_int(config, "call.timeout.ms"), 30000);
    ck_assert(!vmx_config_bool(config, "wait.for.ready"));
    ck_assert(vmx_config_float(config, "retry.multiplier") == 2);
    ck_assert_int_eq(set("receive.limit.bytes", "1g"), VMX_OK);
    ck_assert_int_eq(set("wait.for.ready", "true"), VMX_OK);
    ck_assert_int_eq(set("retry.multiplier", "1.5"), VMX_OK);

    vmx_config *copy = vmx_config_copy(config);
    vmx_config_free(config);
    ck_assert_int_eq(vmx_config_int(copy, "receive.limit.bytes"), 1 << 30);
    ck_assert(vmx_config_bool(copy, "wait.for.ready"));
    ck_assert(vmx_config_float(copy, "retry.multiplier") == 1.5);
    ck_assert_str_eq(vmx_config_text(copy, "engine"), "pinecone");
    ck_assert(vmx_config_is_set(copy, "wait.for.ready"));
    ck_assert(!vmx_config_is_set(copy, "tls"));
    ck_assert_uint_eq(vmx_config_file(copy, "tls.ca.file").len, 0);
    vmx_config_free(copy);
}

START_TEST(test_values)
{
    check_values();
}
END_TEST

START_TEST(test_values_under_a_comma_locale)
{
    if (comma_locale_set())
        check_values();
}
END_TEST

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(test_certificates)
{
    char directory[] = "/tmp/vmx-config-XXXXXX", path[64], pem[CERTIFICATE_SIZE], two[2 * CERTIFICATE_SIZE + 64];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/ca.pem", directory);
    certificate_make(pem);
    config = vmx_config_new();

    ck_assert_int_eq(set("tls.ca.file", path), VMX_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "No such file"));
    ck_assert_int_eq(set("tls.ca.file", directory), VMX_ERR_IO);
    write_file(path, "no PEM\n");
    ck_assert_int_eq(set("tls.ca.file", path), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "no certificate in it; the file must hold certificates in PEM"));

    snprintf(two, sizeof two, "text before\n%stext between\n%s", pem, pem);
    write_file(path, two);
    ck_assert_msg(set("tls.ca.file", path) == VMX_OK, "%s", error.message);
    ck_assert_int_eq(set("tls.ca.pem", pem), VMX_OK);
    write_file(path, "");
    ck_assert_str_eq(vmx_config_file(config, "tls.ca.file").ptr, two); /* as it was when it was set */
    vmx_config *copy = vmx_config_copy(config);
    ck_assert_str_eq(vmx_config_file(copy, "tls.ca.file").ptr, two);
    vmx_config_free(copy);

    char *middle = strstr(two + strlen(two) / 2, "MII");
    ck_assert_ptr_nonnull(middle);
    memcpy(middle, "AAAAAAAA", 8);
    write_file(path, two);
    ck_assert_int_eq(set("tls.ca.file", path), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "certificate 2 is damaged"));
    ck_assert_int_eq(set("tls.ca.file", ""), VMX_OK);
    ck_assert_uint_eq(vmx_config_file(config, "tls.ca.file").len, 0);
    vmx_config_free(config);
    remove(path);
    remove(directory);
}
END_TEST

/* One walk through everything that allocates; true when nothing failed. */
static bool
use_config(const char *pem, const char *path)
{
    vmx_config *copy = NULL;
    config = vmx_config_new();
    vmx_status status = config ? VMX_OK : VMX_ERR_NO_MEMORY;
    if (status == VMX_OK)
        status = set("tls.ca.pem", pem);
    if (status == VMX_OK)
        status = set("tls.ca.file", path);
    if (status == VMX_OK)
        status = set("channel.count", "5");
    if (status == VMX_OK && !(copy = vmx_config_copy(config)))
        status = VMX_ERR_NO_MEMORY;
    if (status == VMX_OK)
        status = vmx_config_load_env(config, &error);
    ck_assert_msg(status == VMX_OK || status == VMX_ERR_NO_MEMORY, "%s", error.message);
    vmx_config_free(copy);
    vmx_config_free(config);
    return status == VMX_OK;
}

START_TEST(test_every_allocation_may_fail)
{
    char pem[CERTIFICATE_SIZE], directory[] = "/tmp/vmx-config-XXXXXX", path[64];
    certificate_make(pem);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/ca.pem", directory);
    write_file(path, pem);
    failing_allocator state;
    long failures = 0;
    for (bool done = false; !done; failures++) {
        ck_assert_int_lt(failures, 1000);
        failing_allocator_install(&state, failures);
        done = use_config(pem, path);
        ck_assert_int_eq(state.alive, 0);
    }
    ck_assert_int_gt(failures, 10);
    vmx_set_allocator(NULL);
    remove(path);
    remove(directory);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_table,
                                  test_older_struct_is_not_overrun,
                                  test_ranges,
                                  test_messages,
                                  test_secret_is_never_shown,
                                  test_refused_value_leaves_the_old_one,
                                  test_values,
                                  test_values_under_a_comma_locale,
                                  test_certificates,
                                  test_every_allocation_may_fail,
                                  NULL};
    return run_suite("core config", tests);
}
