/* the log's file: shared, full, cut off, moved away; and pipes */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <vecmux/vecmux.h>

#include "core/log_file.h"
#include "core/suite.h"

#define PROCESSES 4
#define RECORDS   10000

static void
write_as_process(int number)
{
    char text[VMX_LOG_MAX_TEXT + 1];
    vmx_log_options options = file_options();
    vmx_log *log;
    if (vmx_log_open(&options, &log, &error) != VMX_OK)
        _exit(1);
    for (int i = 0; i < RECORDS; i++) {
        size_t len = (size_t)(i * 7 + number) % VMX_LOG_MAX_TEXT;
        memset(text, 'a' + number, len);
        text[len] = '\0';
        const vmx_log_field fields[] = {vmx_log_integer("process", number), vmx_log_integer("number", i),
                                        vmx_log_text("text", text)};
        vmx_log_write(log, VMX_LOG_EVENT_RETRY, fields, COUNT(fields));
    }
    vmx_log_close(log);
    _exit(0);
}

START_TEST(processes_share_a_file_without_a_torn_line)
{
    make_path();
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0)
            write_as_process(i);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    char *text = read_file(path), *line = text;
    json_int_t next[PROCESSES] = {0};
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        json_int_t process = integer_of(line, "process");
        must(process >= 0 && process < PROCESSES && integer_of(line, "number") == next[process]++, line);
    }
    ck_assert_int_eq(*line, '\0');
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_int_eq(next[i], RECORDS);
    free(text);
    drop_path();
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_an_error_at_once)
{
    static const struct {
        const char *path, *message;
    } cases[] = {
        {"/nonexistent/log", "log.file \"/nonexistent/log\": No such file or directory; name a file that this process "
                             "may write"},
        {"/tmp", "log.file \"/tmp\": Is a directory; name a file that this process may write"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        vmx_config *config = vmx_config_new();
        vmx_client *client = (vmx_client *)config;
        vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("127.0.0.1:1"), NULL);
        ck_assert_int_eq(vmx_config_set(config, VMX_STR("log.file"), VMX_STR(cases[i].path), &error), VMX_OK);
        ck_assert_int_eq(vmx_client_open(config, &client, &error), VMX_ERR_IO);
        ck_assert_ptr_null(client);
        ck_assert_msg(strncmp(error.message, cases[i].message, strlen(cases[i].message)) == 0, "%s", error.message);
        vmx_config_free(config);
    }
    make_path(); /* a pipe that nobody reads must not stop the opening */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    vmx_log *log;
    vmx_log_options options = file_options();
    ck_assert_int_eq(vmx_log_open(&options, &log, &error), VMX_ERR_IO);
    drop_path();
}
END_TEST

START_TEST(a_full_disk_loses_records_and_counts_them)
{
    make_path();
    ck_assert_int_eq(symlink("/dev/full", path), 0);
    vmx_log_options options = file_options();
    vmx_log *log = open_log(&options);
    for (int i = 0; i < 100; i++)
        write_one(log, "lost");
    unlink(path); /* room again, in a new file */
    ck_assert_int_eq(vmx_log_reopen(log, &error), VMX_OK);
    write_one(log, "kept");
    write_one(log, "kept too");
    vmx_log_close(log);
    char *text = read_file(path);
    ck_assert_int_eq(integer_of(strtok(text, "\n"), "lost"), 100);
    ck_assert_int_eq(integer_of(strtok(NULL, "\n"), "lost"), 0);
    ck_assert_ptr_null(strtok(NULL, "\n"));
    free(text);
    drop_path();
}
END_TEST

START_TEST(a_line_that_was_cut_off_does_not_spoil_the_next)
{
    make_path();
    vmx_log_options options = file_options();
    vmx_log *log = open_log(&options);
    write_one(log, "first");
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    struct rlimit limit, old;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = (rlim_t)info.st_size + 10;
    setrlimit(RLIMIT_FSIZE, &limit); /* no assertions meanwhile: they write files too */
    write_one(log, "cut off");
    write_one(log, "not written"); /* SIGXFSZ, which must not end the process */
    setrlimit(RLIMIT_FSIZE, &old);
    write_one(log, "whole");
    vmx_log_close(log);
    char *text = read_file(path);
    ck_assert_ptr_nonnull(strstr(strtok(text, "\n"), "first"));
    ck_assert_uint_eq(strlen(strtok(NULL, "\n")), 10);
    char *last = strtok(NULL, "\n");
    ck_assert_ptr_nonnull(strstr(last, "whole"));
    ck_assert_int_eq(integer_of(last, "lost"), 2);
    free(text);
    drop_path();
}
END_TEST

START_TEST(a_pipe_without_a_reader_is_no_trouble)
{
    int ends[2], old = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[0], F_SETPIPE_SZ, 4096);
    dup2(ends[1], STDERR_FILENO);
    vmx_log_options options = {.level = VMX_LOG_DEBUG, .to_stderr = true, .path = "", .endpoint = ""};
    vmx_log *log = open_log(&options);
    for (int i = 0; i < 1000; i++)
        write_one(log, "nobody reads: it must not block");
    char line[VMX_LOG_LINE_SIZE];
    ssize_t got = read(ends[0], line, sizeof line);
    close(ends[0]);
    write_one(log, "nobody will: no SIGPIPE");
    sigset_t pending;
    sigpending(&pending);
    ck_assert(!sigismember(&pending, SIGPIPE));
    dup2(old, STDERR_FILENO);
    ck_assert_int_gt(got, 0);
    ck_assert_int_eq(strncmp(line, "time=", 5), 0);
    vmx_log_close(log);
    close(ends[1]);
    close(old);
}
END_TEST

START_TEST(reopening_follows_the_name)
{
    make_path();
    char moved[80];
    snprintf(moved, sizeof moved, "%s.1", path);
    vmx_log_options options = file_options();
    vmx_log *log = open_log(&options);
    write_one(log, "before");
    ck_assert_int_eq(rename(path, moved), 0);
    write_one(log, "still");
    ck_assert_int_eq(vmx_log_reopen(log, &error), VMX_OK);
    write_one(log, "after");
    ck_assert_int_eq(unlink(path), 0); /* and now it cannot be opened */
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(vmx_log_reopen(log, &error), VMX_ERR_IO);
    ck_assert_ptr_nonnull(strstr(error.message, "Is a directory"));
    write_one(log, "into the file without a name");
    ck_assert_int_eq(rmdir(path), 0);
    vmx_log_close(log);
    char *text = read_file(moved);
    ck_assert(strstr(text, "before") != NULL && strstr(text, "still") != NULL && strstr(text, "after") == NULL);
    free(text);
    unlink(moved);
    drop_path();
}
END_TEST

static void *
write_until(void *arg)
{
    vmx_log *log = arg;
    for (int i = 0; i < 20000; i++)
        write_one(log, "x");
    return NULL;
}

START_TEST(reopening_while_others_write_loses_nothing)
{
    make_path();
    char moved[80];
    snprintf(moved, sizeof moved, "%s.1", path);
    vmx_log_options options = file_options();
    vmx_log *log = open_log(&options);
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_until, log);
    usleep(5000);
    ck_assert_int_eq(rename(path, moved), 0);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(vmx_log_reopen(log, &error), VMX_OK);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    vmx_log_close(log);
    size_t lines = 0;
    char *texts[] = {read_file(path), read_file(moved)};
    for (size_t i = 0; i < 2; i++) {
        for (const char *at = texts[i]; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        free(texts[i]);
    }
    ck_assert_uint_eq(lines, 40000);
    unlink(moved);
    drop_path();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        processes_share_a_file_without_a_torn_line, a_file_that_cannot_be_opened_is_an_error_at_once,
        a_full_disk_loses_records_and_counts_them,  a_line_that_was_cut_off_does_not_spoil_the_next,
        a_pipe_without_a_reader_is_no_trouble,      reopening_follows_the_name,
        reopening_while_others_write_loses_nothing, NULL};
    return run_suite("core_log_file", tests);
}
