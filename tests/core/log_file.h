/*
 * tests/core/log_file.h: a log of JSON lines in a temporary file, and reading it back.
 */
#ifndef VMX_TESTS_LOG_FILE_H
#define VMX_TESTS_LOG_FILE_H

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char directory[32];
static char path[64];
static vmx_error error;

/* For loops: Check writes a file for every ck_assert. */
static inline void
must(bool fine, const char *what)
{
    if (!fine)
        ck_abort_msg("%s", what);
}

static inline void
make_path(void)
{
    strcpy(directory, "/tmp/vmx-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
}

static inline void
drop_path(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static inline vmx_log_options
file_options(void)
{
    return (vmx_log_options){.level = VMX_LOG_DEBUG, .format = VMX_LOG_JSON, .path = path, .endpoint = "h:1"};
}

static inline vmx_log *
open_log(const vmx_log_options *options)
{
    vmx_log *log;
    vmx_status status = vmx_log_open(options, &log, &error);
    ck_assert_msg(status == VMX_OK, "%s", error.message);
    ck_assert_ptr_nonnull(log);
    return log;
}

static inline char *
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

static inline json_int_t
integer_of(const char *line, const char *key)
{
    json_t *value = json_loads(line, 0, NULL);
    must(value != NULL, line);
    json_int_t integer = json_integer_value(json_object_get(value, key));
    json_decref(value);
    return integer;
}

static inline void
write_one(vmx_log *log, const char *text)
{
    const vmx_log_field field = vmx_log_text("text", text);
    vmx_log_write(log, VMX_LOG_EVENT_RETRY, &field, 1);
}

#endif
