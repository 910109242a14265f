/* the log: which records, how many, the sink, memory */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/config.h"
#include "core/failing_allocator.h"
#include "core/log_file.h"
#include "core/suite.h"
#include "core/sync.h"

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
        opening_without_memory_fails_and_leaks_nothing,
        the_manual_lists_every_event,
        NULL};
    return run_suite("core_log", tests);
}
