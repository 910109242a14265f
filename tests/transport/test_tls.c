/* Certificates good and bad, and the texts that tell which. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/harness.h"
#include "transport/suites.h"

enum { MAX_PEM = 8192 };

extern char **environ;

static test_harness h;
static char directory[64];
static char ca[MAX_PEM], other_ca[MAX_PEM], certificate[MAX_PEM], key[MAX_PEM];

static size_t threads_before;

static void
open_all(test_kind kind)
{
    threads_before = count_threads();
    harness_open_bare(&h, kind);
}

/* The last instructions of a thread that has been waited for may still be under way: it frees what OpenSSL keeps for it, and
 * a leak checker must not look meanwhile. */
static void
close_all(void)
{
    harness_close(&h);
    for (uint64_t i = 0; i < 500 * test_slowness() && count_threads() > threads_before; i++)
        usleep(10000);
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

static void
run_openssl(const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int error = posix_spawnp(&pid, "openssl", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    ck_assert_int_eq(error, 0);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "openssl %s failed", arguments[1]);
    posix_spawn_file_actions_destroy(&actions);
}

static void
read_pem(const char *name, char out[MAX_PEM])
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    out[fread(out, 1, MAX_PEM - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

static void
write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void
make_ca(const char *key_path, const char *path, const char *subject)
{
    run_openssl((const char *[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                                 "-nodes", "-days", "2", "-subj", subject, "-keyout", key_path, "-out", path, NULL});
}

/* A CA, another CA, and a certificate of the first for "vectors.test", all in a directory that is gone afterwards. */
static void
make_certificates(void)
{
    snprintf(directory, sizeof directory, "/tmp/vmx-tls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    make_ca("ca.key", "ca.pem", "/CN=vecmux test CA");
    make_ca("other.key", "other.pem", "/CN=another CA");
    write_file("names", "subjectAltName=DNS:vectors.test\n");
    run_openssl((const char *[]){"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                 "-subj", "/CN=vectors.test", "-keyout", "server.key", "-out", "server.csr", NULL});
    run_openssl((const char *[]){"openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                                 "-set_serial", "7", "-days", "2", "-extfile", "names", "-out", "server.pem", NULL});
    read_pem("ca.pem", ca);
    read_pem("other.pem", other_ca);
    read_pem("server.pem", certificate);
    read_pem("server.key", key);
    const char *const rest[] = {"ca.key", "other.key", "names", "server.csr"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        unlink(rest[i]);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void
call(test_record *r, bool tls, const char *ca_pem, const char *server_name)
{
    char target[64];
    vmx_channel_options options = harness_options(target, echo_server_port(h.server));
    options.tls = tls;
    options.ca_pem = vmx_str_from(ca_pem);
    options.server_name = server_name;
    test_channel *own = harness_chan_open(&h, &options);
    vmx_message message = make_message(1000, 1);
    record_start(r, &h,
                 (vmx_stream_options){.channel = own->channel,
                                      .method = "/test/Echo",
                                      .request = &message,
                                      .deadline_us = harness_after(&h, 10000)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(r, 15000));
    if (getenv("VMX_TEST_SHOW") != NULL)
        printf("tls %d, server_name %s: code %d, reach %d, \"%s\"\n", tls, server_name, r->code, r->reach, r->text);
    record_close(r);
    harness_chan_close(own);
}

static void
expect_unavailable(const test_record *r, const char *part)
{
    ck_assert_int_eq(r->code, VMX_GRPC_UNAVAILABLE);
    ck_assert_msg(strstr(r->text, part) != NULL, "\"%s\" not in \"%s\"", part, r->text);
}

START_TEST(certificate_of_the_given_ca_is_trusted)
{
    make_certificates();
    open_all(GRPC_1);
    h.server = echo_server_start(0, certificate, key);
    test_record r = {0};
    call(&r, true, ca, "vectors.test");
    ck_assert_msg(r.code == VMX_GRPC_OK, "%d %s", r.code, r.text);
    ck_assert_uint_eq(r.len, 1000);
    close_all();
}
END_TEST

START_TEST(wrong_certificates_are_told_apart)
{
    make_certificates();
    open_all(GRPC_1);
    h.server = echo_server_start(0, certificate, key);
    test_record r = {0};
    call(&r, true, other_ca, "vectors.test");
    expect_unavailable(&r, "certificate verify failed");
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    call(&r, true, ca, "elsewhere.test");
    expect_unavailable(&r, "is not in peer certificate");
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    call(&r, true, ca, NULL);
    expect_unavailable(&r, "is not in peer certificate");
    call(&r, true, NULL, "vectors.test"); /* the system's roots do not know our CA */
    expect_unavailable(&r, "certificate verify failed");
    call(&r, false, NULL, NULL);
    ck_assert_int_eq(r.code, VMX_GRPC_UNAVAILABLE);
    close_all();
}
END_TEST

START_TEST(tls_to_a_plain_port_fails)
{
    make_certificates();
    open_all(GRPC_1);
    h.server = echo_server_start(0, NULL, NULL);
    test_record r = {0};
    call(&r, true, ca, "vectors.test");
    expect_unavailable(&r, "wrong version number");
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    close_all();
}
END_TEST

START_TEST(text_that_is_no_certificate_is_refused)
{
    open_all(GRPC_DRIVEN);
    char target[64];
    vmx_channel_options options = harness_options(target, 1);
    options.tls = true;
    options.ca_pem = VMX_STR("hello");
    options.on_state = harness_on_state;
    vmx_channel *channel = NULL;
    vmx_error error;
    ck_assert_int_eq(h.vtable->channel_open(h.transport, &options, &channel, &error), VMX_ERR_INVALID);
    ck_assert_int_eq(strncmp(error.message, "TLS: the CA text (5 bytes): ", 28), 0);
    ck_assert_ptr_null(channel);
    close_all();
}
END_TEST

TCase *
tls_cases(void)
{
    TCase *tcase = tcase_create("tls");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, certificate_of_the_given_ca_is_trusted);
    tcase_add_test(tcase, wrong_certificates_are_told_apart);
    tcase_add_test(tcase, tls_to_a_plain_port_fails);
    tcase_add_test(tcase, text_that_is_no_certificate_is_refused);
    return tcase;
}
