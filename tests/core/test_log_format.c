/* how records look as lines, in both formats */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/comma_locale.h"
#include "core/log.h"
#include "core/random.h"
#include "core/suite.h"
#include "core/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* For loops: Check writes a file for every ck_assert. */
static void
must(bool fine, const char *what)
{
    if (!fine)
        ck_abort_msg("%s", what);
}

static vmx_log_record
record_of(const vmx_log_field *fields, size_t count)
{
    return (vmx_log_record){.size = sizeof(vmx_log_record),
                            .time_ms = 1772323199999, /* 2026-02-28 */
                            .level = VMX_LOG_WARN,
                            .room = "rpc",
                            .event = "retry",
                            .message = "a word",
                            .fields = fields,
                            .field_count = count};
}

START_TEST(lines_look_as_documented)
{
    const vmx_log_field fields[] = {
        vmx_log_text("op", "upsert"),
        vmx_log_integer("low", INT64_MIN),
        vmx_log_number("limit", 7.2),
        vmx_log_bool("tls", true),
        vmx_log_text("none", ""),
        vmx_log_text("said", "a=\"b\" \\\n\x01"),
        vmx_log_text("word", "caf\xC3\xA9"),
    };
    char line[VMX_LOG_LINE_SIZE];
    vmx_log_record record = record_of(fields, COUNT(fields));
    const char *logfmt = "time=2026-02-28T23:59:59.999Z level=warn room=rpc event=retry msg=\"a word\" op=upsert "
                         "low=-9223372036854775808 limit=7.2 tls=true none=\"\" said=\"a=\\\"b\\\" \\\\\\n\\u0001\" "
                         "word=\"caf\xC3\xA9\"\n";
    const char *json = "{\"time\":\"2026-02-28T23:59:59.999Z\",\"level\":\"warn\",\"room\":\"rpc\",\"event\":\"retry\","
                       "\"msg\":\"a word\",\"op\":\"upsert\",\"low\":-9223372036854775808,\"limit\":7.2,\"tls\":true,"
                       "\"none\":\"\",\"said\":\"a=\\\"b\\\" \\\\\\n\\u0001\",\"word\":\"caf\xC3\xA9\"}\n";
    ck_assert_uint_eq(vmx_log_record_format(&record, VMX_LOG_LOGFMT, line, sizeof line), strlen(logfmt));
    ck_assert_str_eq(line, logfmt);
    ck_assert_uint_eq(vmx_log_record_format(&record, VMX_LOG_JSON, line, sizeof line), strlen(json));
    ck_assert_str_eq(line, json);
}
END_TEST

START_TEST(times_are_those_of_the_c_library)
{
    vmx_random random;
    vmx_random_seed(&random, 1);
    for (int i = 0; i < 20000; i++) {
        vmx_log_record record = record_of(NULL, 0);
        record.time_ms = (int64_t)vmx_random_up_to(&random, 7258118400000); /* until 2200 */
        time_t seconds = (time_t)(record.time_ms / 1000);
        struct tm parts;
        char expected[64], line[VMX_LOG_LINE_SIZE];
        gmtime_r(&seconds, &parts);
        strftime(expected, sizeof expected, "time=%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(expected + strlen(expected), 8, ".%03dZ ", (int)(record.time_ms % 1000));
        vmx_log_record_format(&record, VMX_LOG_LOGFMT, line, sizeof line);
        must(strncmp(line, expected, strlen(expected)) == 0, line);
    }
}
END_TEST

/* Random bytes with a taste for what is special. */
static size_t
random_text(vmx_random *random, char *out, size_t max)
{
    static const char *const pieces[] = {"\"",           "\\",       "=",   " ",        "\n",   "\r",
                                         "\t",           "a",        "~",   "\xC2\x85", "\x7F", "\x1B",
                                         "\xE2\x80\xA8", "\xC3\xA9", "{",   "}",        ",",    "\xF0\x9F\x98\x80",
                                         "\xFF",         "\xC3",     "\\n", "0",        "'",    "\v"};
    size_t len = 0, wanted = vmx_random_up_to(random, max - 4);
    while (len < wanted) {
        uint64_t which = vmx_random_up_to(random, COUNT(pieces));
        if (which == COUNT(pieces)) {
            out[len++] = (char)vmx_random_up_to(random, 255);
        } else {
            memcpy(out + len, pieces[which], strlen(pieces[which]));
            len += strlen(pieces[which]);
        }
    }
    return len;
}

/* What must be read back: bytes that are not UTF-8 as "?". */
static size_t
cleaned(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        size_t step = vmx_utf8_character((const unsigned char *)text + i, len - i);
        if (step == 0) {
            out[n++] = '?';
            i++;
            continue;
        }
        memcpy(out + n, text + i, step);
        n += step;
        i += step;
    }
    out[n] = '\0';
    return n;
}

/* Equal, or cut off with "..." */
static void
check_value(const char *got, size_t got_len, const char *text, size_t len)
{
    char expected[1024];
    size_t expected_len = cleaned(text, len, expected);
    bool same = got_len == expected_len && memcmp(got, expected, got_len) == 0;
    bool cut = got_len >= 3 && memcmp(got + got_len - 3, "...", 3) == 0 && got_len - 3 < expected_len &&
               memcmp(got, expected, got_len - 3) == 0;
    if (!same && !cut)
        ck_abort_msg("\"%.*s\" became \"%.*s\"", (int)expected_len, expected, (int)got_len, got);
    must(same || len > 30, "a short value was cut off");
}

static void
check_one_line(const char *line, size_t len)
{
    must(len > 0 && len < VMX_LOG_LINE_SIZE && strlen(line) == len, line);
    must(strchr(line, '\n') == line + len - 1, line);
    for (size_t i = 0; i + 1 < len; i++)
        must((unsigned char)line[i] >= 0x20 && line[i] != 0x7F, line);
    must(strstr(line, "\xE2\x80\xA8") == NULL && strstr(line, "\xC2\x85") == NULL, line);
}

/* A value of logfmt at `at`; moves `at` behind it. Quoted values are JSON's strings. */
static json_t *
read_logfmt_value(const char **at)
{
    size_t len;
    if (**at != '"') {
        len = strcspn(*at, " \n");
        must(len > 0, "an empty value");
        json_t *word = json_stringn(*at, len);
        *at += len;
        return word;
    }
    for (len = 1; (*at)[len] != '"'; len += (*at)[len] == '\\' ? 2 : 1)
        must((*at)[len] != '\0', "no end quote");
    json_t *value = json_loadb(*at, len + 1, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    *at += len + 1;
    return value;
}

static json_t *
read_logfmt(const char *line)
{
    json_t *object = json_object();
    while (*line != '\n') {
        char key[32] = "";
        size_t len = strcspn(line, "= \n");
        must(len > 0 && len < sizeof key && line[len] == '=', line);
        memcpy(key, line, len);
        line += len + 1;
        json_t *value = read_logfmt_value(&line);
        must(value != NULL, line);
        must(json_object_get(object, key) == NULL, line);
        json_object_set_new(object, key, value);
        line += *line == ' ';
    }
    return object;
}

START_TEST(any_bytes_make_one_line_that_is_read_back)
{
    vmx_random random;
    vmx_random_seed(&random, 7);
    for (int i = 0; i < 20000; i++) {
        char text[400], line[VMX_LOG_LINE_SIZE];
        size_t len = random_text(&random, text, i % 2 == 0 ? 30 : sizeof text);
        const vmx_log_field fields[] = {{.key = "value", .kind = VMX_LOG_TEXT, .text = {text, len}},
                                        vmx_log_integer("after", i)};
        vmx_log_record record = record_of(fields, COUNT(fields));
        check_one_line(line, vmx_log_record_format(&record, VMX_LOG_JSON, line, sizeof line));
        json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
        must(json != NULL, line);
        const json_t *value = json_object_get(json, "value");
        check_value(json_string_value(value), json_string_length(value), text, len);
        must(json_integer_value(json_object_get(json, "after")) == i, line);
        json_decref(json);

        check_one_line(line, vmx_log_record_format(&record, VMX_LOG_LOGFMT, line, sizeof line));
        json = read_logfmt(line);
        value = json_object_get(json, "value");
        check_value(json_string_value(value), json_string_length(value), text, len);
        must(strcmp(json_string_value(json_object_get(json, "msg")), "a word") == 0, line);
        must(strtol(json_string_value(json_object_get(json, "after")), NULL, 10) == i, line);
        json_decref(json);
    }
}
END_TEST

START_TEST(every_size_gives_a_whole_line_or_none)
{
    const vmx_log_field fields[] = {vmx_log_text("one", "value one"), vmx_log_text("two", "\"\"\"\""),
                                    vmx_log_number("three", 0.25)};
    vmx_log_record record = record_of(fields, COUNT(fields));
    for (int format = VMX_LOG_LOGFMT; format <= VMX_LOG_JSON; format++) {
        size_t longest = 0;
        for (size_t size = 0; size < 300; size++) {
            char *line = malloc(size + 1); /* of this very size, for the address sanitizer */
            line[0] = '\0';
            size_t len = vmx_log_record_format(&record, (vmx_log_format)format, line, size);
            ck_assert_uint_ge(len, longest);
            longest = len;
            if (len > 0) {
                ck_assert_uint_lt(len, size);
                check_one_line(line, len);
                json_t *json = format == VMX_LOG_JSON ? json_loads(line, 0, NULL) : read_logfmt(line);
                ck_assert_msg(json != NULL, "%s", line);
                json_decref(json);
            }
            free(line);
        }
        ck_assert_uint_gt(longest, 100);
    }
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    char line[VMX_LOG_LINE_SIZE];
    const vmx_log_field field = vmx_log_number("limit", 0.5);
    vmx_log_record record = record_of(&field, 1);
    if (!comma_locale_set())
        return;
    vmx_log_record_format(&record, VMX_LOG_JSON, line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line, "\"limit\":0.5}"));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {lines_look_as_documented,
                                  times_are_those_of_the_c_library,
                                  any_bytes_make_one_line_that_is_read_back,
                                  every_size_gives_a_whole_line_or_none,
                                  the_locale_does_not_matter,
                                  NULL};
    return run_suite("core_log_format", tests);
}
