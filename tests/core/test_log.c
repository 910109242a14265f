/* the log: where records go, which, how many */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/config.h"
#include "core/failing_allocator.h"
#include "core/suite.h"
#include "core/sync.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char directory[32];
static char path[64];
static vmx_error error;

/* For loops: Check writes a file for every ck_assert. */
static void
must(bool fine, const char *what)
{
    if (!fine)
        ck_abort_msg("%s", what);
}

static void
make_path(void)
{
    strcpy(directory, "/tmp/vmx-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
}

static void
drop_path(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static vmx_log_options
file_options(void)
{
    return (vmx_log_options){.level = VMX_LOG_DEBUG, .format = VMX_LOG_JSON, .path = path, .endpoint = "h:1"};
}

static vmx_log *
open_log(const vmx_log_options *options)
{
    vmx_log *log;
    vmx_status status = vmx_log_open(options, &log, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    ck_assert_ptr_nonnull(log);
    return log;
}

static char *
read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    size_t len = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(len + 1);
    ck_assert_uint_eq(fread(text, 1, len, file), len);
    text[len] = '\0';
    fclose(file);
    return text;
}

static json_int_t
integer_of(const char *line, const char *key)
{
    json_t *value = json_loads(line, 0, NULL);
    must(value != NULL, line);
    json_int_t integer = json_integer_value(json_object_get(value, key));
    json_decref(value);
    return integer;
}

static void
write_one(vmx_log *log, const char *text)
{
    const vmx_log_field field = vmx_log_text("text", text);
    vmx_log_write(log, VMX_LOG_EVENT_RETRY, &field, 1);
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

START_TEST(the_longest_record_fits)
{
    char longest[600];
    memset(longest, '\x01', sizeof longest);
    vmx_log_field fields[VMX_LOG_MAX_FIELDS];
    static const char *const keys[VMX_LOG_MAX_FIELDS] = {
        "a_key_of_23_letters_000", "a_key_of_23_letters_001", "a_key_of_23_letters_002", "a_key_of_23_letters_003",
        "a_key_of_23_letters_004", "a_key_of_23_letters_005", "a_key_of_23_letters_006", "a_key_of_23_letters_007",
        "a_key_of_23_letters_008", "a_key_of_23_letters_009", "a_key_of_23_letters_010", "a_key_of_23_letters_011"};
    for (size_t i = 0; i < VMX_LOG_MAX_FIELDS; i++)
        fields[i] = vmx_log_str(keys[i], (vmx_str){longest, sizeof longest});
    make_path();
    vmx_log_options options = file_options();
    char endpoint[600];
    memset(endpoint, '"', sizeof endpoint);
    endpoint[sizeof endpoint - 1] = '\0';
    options.endpoint = endpoint;
    vmx_log *log = open_log(&options);
    vmx_log_write(log, VMX_LOG_EVENT_RETRY, fields, COUNT(fields));
    vmx_log_close(log);
    char *text = read_file(path);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_msg(json != NULL, "%s", text);
    ck_assert_uint_eq(json_object_size(json), 7 + VMX_LOG_MAX_FIELDS);
    json_decref(json);
    free(text);
    drop_path();
}
END_TEST

/* --- levels and rate ----------------------------------------------------------------------------------------------- */

START_TEST(nothing_to_log_is_no_log)
{
    vmx_log *log = (vmx_log *)&error;
    vmx_log_options options = {.level = VMX_LOG_DEBUG, .path = "", .endpoint = ""};
    ck_assert_int_eq(vmx_log_open(&options, &log, &error), VMX_OK);
    ck_assert_ptr_null(log);
    options.to_stderr = true;
    options.level = VMX_LOG_OFF;
    ck_assert_int_eq(vmx_log_open(&options, &log, &error), VMX_OK);
    ck_assert_ptr_null(log);
    ck_assert(!vmx_log_wants(NULL, VMX_LOG_EVENT_RETRY));
    vmx_log_close(NULL);
    ck_assert_int_eq(vmx_log_reopen(NULL, &error), VMX_OK);
    vmx_config *config = vmx_config_new();
    ck_assert_int_eq(vmx_log_open_config(config, &log, &error), VMX_OK);
    ck_assert_ptr_null(log);
    vmx_config_free(config);
}
END_TEST

static void
count_levels(const vmx_log_record *record, void *user)
{
    int *counts = user;
    ck_assert_uint_eq(record->size, sizeof *record);
    counts[record->level]++;
}

START_TEST(levels_hold_back_what_is_less_important)
{
    int in_table[5] = {0};
    for (int i = 0; i < VMX_LOG_EVENT_COUNT; i++)
        in_table[vmx_log_event_at((vmx_log_event)i)->level]++;
    for (int level = VMX_LOG_ERROR; level <= VMX_LOG_DEBUG; level++) {
        int counts[5] = {0};
        vmx_config *config = vmx_config_new(), *copy;
        vmx_log *log;
        ck_assert_int_eq(vmx_config_set(config, VMX_STR("log.level"),
                                        vmx_str_from(vmx_log_level_name((vmx_log_level)level)), &error),
                         VMX_OK);
        vmx_config_set_log_sink(config, count_levels, counts);
        copy = vmx_config_copy(config);
        ck_assert_int_eq(vmx_log_open_config(copy, &log, &error), VMX_OK);
        for (int i = 0; i < VMX_LOG_EVENT_COUNT; i++)
            vmx_log_write(log, (vmx_log_event)i, NULL, 0);
        for (int i = VMX_LOG_ERROR; i <= VMX_LOG_DEBUG; i++)
            ck_assert_int_eq(counts[i], i <= level ? in_table[i] : 0);
        vmx_log_close(log);
        vmx_config_free(copy);
        vmx_config_free(config);
    }
}
END_TEST

START_TEST(a_rate_is_kept_in_every_second)
{
    _Atomic uint64_t window = 0;
    uint64_t now_us = 5000000;
    for (int second = 0; second < 5; second++, now_us += 1000000)
        for (int i = 0; i < 30; i++)
            ck_assert_int_eq(vmx_log_rate_take(&window, 10, now_us + (uint64_t)i * 33000), i < 10);
    ck_assert(vmx_log_rate_take(&window, 10, now_us + 86400000000));
}
END_TEST

typedef struct seen {
    _Atomic int records[VMX_LOG_EVENT_COUNT];
    _Atomic int64_t suppressed;
} seen;

static void
see(const vmx_log_record *record, void *user)
{
    seen *s = user;
    for (int i = 0; i < VMX_LOG_EVENT_COUNT; i++)
        s->records[i] += strcmp(vmx_log_event_at((vmx_log_event)i)->name, record->event) == 0;
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].key, "suppressed") == 0)
            s->suppressed += record->fields[i].integer;
}

static void *
write_many(void *log)
{
    for (int i = 0; i < 5000; i++)
        write_one(log, "again");
    return NULL;
}

START_TEST(what_is_too_much_is_counted_on_the_next_record)
{
    static seen s;
    vmx_log_options options = {
        .level = VMX_LOG_INFO, .sink = see, .user = &s, .path = "", .endpoint = "", .per_second = 5};
    vmx_log *log = open_log(&options);
    pthread_t threads[4];
    uint64_t begin_us = vmx_monotonic_us();
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, log);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    uint64_t seconds = (vmx_monotonic_us() - begin_us) / 1000000 + 2;
    int written = s.records[VMX_LOG_EVENT_RETRY];
    ck_assert_int_ge(written, 5);
    ck_assert_int_le(written, (int)(5 * seconds));
    ck_assert_int_eq(written + s.suppressed + (int64_t)vmx_log_suppressed(log), 20000);
    vmx_log_write(log, VMX_LOG_EVENT_CHANNEL_EJECTED, NULL, 0); /* another event has its own share */
    ck_assert_int_eq(s.records[VMX_LOG_EVENT_CHANNEL_EJECTED], 1);
    usleep(1100000);
    write_one(log, "later");
    ck_assert_int_eq(s.records[VMX_LOG_EVENT_RETRY], written + 1);
    ck_assert_int_eq(written + s.suppressed, 20000);
    ck_assert_uint_eq(vmx_log_suppressed(log), 0);
    vmx_log_close(log);
}
END_TEST

/* --- the sink ------------------------------------------------------------------------------------------------------ */

static vmx_log *reentered;
static int sink_calls;

static void
log_again(const vmx_log_record *record, void *user)
{
    (void)user;
    sink_calls++;
    ck_assert(vmx_callback_inside());
    ck_assert_str_eq(record->event, "retry");
    vmx_log_write(reentered, VMX_LOG_EVENT_CHANNEL_LOST, NULL, 0);
    errno = EDOM;
}

START_TEST(a_sink_may_log)
{
    make_path();
    vmx_log_options options = file_options();
    options.sink = log_again;
    reentered = open_log(&options);
    errno = ERANGE;
    write_one(reentered, "x");
    ck_assert_int_eq(errno, ERANGE);
    ck_assert(!vmx_callback_inside());
    write_one(reentered, "y");
    vmx_log_close(reentered);
    ck_assert_int_eq(sink_calls, 2);
    char *text = read_file(path);
    ck_assert_ptr_nonnull(strstr(text, "channel_lost")); /* the file got what the sink did not */
    free(text);
    drop_path();
}
END_TEST

/* --- the file ------------------------------------------------------------------------------------------------------ */

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

/* --- memory, manual ------------------------------------------------------------------------------------------------ */

START_TEST(opening_without_memory_fails_and_leaks_nothing)
{
    make_path();
    vmx_log_options options = file_options();
    for (long n = 0;; n++) {
        failing_allocator allocator;
        failing_allocator_install(&allocator, n);
        vmx_log *log;
        vmx_status status = vmx_log_open(&options, &log, &error);
        if (status == VMX_OK) {
            long calls = allocator.calls;
            write_one(log, "no allocation");
            ck_assert_int_eq(allocator.calls, calls);
        }
        vmx_log_close(log);
        ck_assert_int_eq(allocator.alive, 0);
        vmx_set_allocator(NULL);
        if (status == VMX_OK) {
            ck_assert_int_gt(n, 1);
            break;
        }
        ck_assert_int_eq(status, VMX_ERR_NO_MEMORY);
    }
    drop_path();
}
END_TEST

START_TEST(the_manual_lists_every_event)
{
    char *manual = read_file(VMX_LOGGING_MD);
    for (int i = 0; i < VMX_LOG_EVENT_COUNT; i++) {
        const vmx_log_event_row *row = vmx_log_event_at((vmx_log_event)i);
        char begin[128];
        snprintf(begin, sizeof begin, "\n| `%s` | %s | %s |", row->name, vmx_log_level_name(row->level), row->room);
        ck_assert_msg(strstr(manual, begin) != NULL, "docs/logging.md has no row%s", begin);
    }
    free(manual);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {

        the_longest_record_fits,
        nothing_to_log_is_no_log,
        levels_hold_back_what_is_less_important,
        a_rate_is_kept_in_every_second,
        what_is_too_much_is_counted_on_the_next_record,
        a_sink_may_log,
        processes_share_a_file_without_a_torn_line,
        a_file_that_cannot_be_opened_is_an_error_at_once,
        a_full_disk_loses_records_and_counts_them,
        a_line_that_was_cut_off_does_not_spoil_the_next,
        a_pipe_without_a_reader_is_no_trouble,
        reopening_follows_the_name,
        reopening_while_others_write_loses_nothing,
        opening_without_memory_fails_and_leaks_nothing,
        the_manual_lists_every_event,
        NULL};
    return run_suite("core_log", tests);
}
