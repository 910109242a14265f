#include "input_text.h"

#include "buffers.h"
#include "cli/cli.h"
#include "limits.h"

#include <stdlib.h>
#include <string.h>

#define ROW_BYTES (LOAD_METADATA_MAX + LOAD_ID_MAX)

/* Opens a column that must have a row for each of the input's. */
static bool
open_column(load_column *column, const char *option, const char *path, uint64_t rows)
{
    cli_reason reason;
    uint64_t count = LOAD_UNKNOWN;
    column->path = NULL;
    if (!load_column_count(path, &count, &reason) || !load_column_open(column, path, &reason)) {
        column->path = NULL;
        cli_error("%s \"%s\": %s", option, path, reason.text);
        return false;
    }
    if (rows == LOAD_UNKNOWN || count == LOAD_UNKNOWN || rows == count)
        return true;
    cli_error("%s \"%s\": %llu rows, but there are %llu vectors", option, path, (unsigned long long)count,
              (unsigned long long)rows);
    return false;
}

/* NAME=FILE: the name is kept as a JSON text, ready to be written. */
static bool
open_named(load_input_text *text, const char *pair, uint64_t rows, int *code)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair || text->column_count == LOAD_METADATA_COLUMNS) {
        cli_error("--column \"%s\": %s", pair, equals && equals != pair ? "too many columns" : "write NAME=FILE");
        *code = CLI_USAGE;
        return false;
    }
    json_t *name = json_stringn(pair, (size_t)(equals - pair));
    text->names[text->column_count] = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    json_decref(name);
    if (!text->names[text->column_count]) {
        cli_error("--column \"%s\": the name is no UTF-8", pair);
        *code = CLI_USAGE;
        return false;
    }
    return open_column(&text->columns[text->column_count++], "--column", equals + 1, rows);
}

static bool
check_options(const load_input_options *options, bool records)
{
    const char *wrong = NULL;
    if (options->id_format && options->id_file)
        wrong = "--id-format and --ids: give one of them";
    else if (options->metadata_file && options->columns.count > 0)
        wrong = "--metadata and --column: give one of them";
    else if (records && (options->metadata_file || options->columns.count > 0))
        wrong = "--metadata and --column: records have their metadata with them";
    if (wrong)
        cli_error("load: %s", wrong);
    return !wrong;
}

bool
load_input_text_open(load_input_text *text, const load_input_options *options, uint64_t rows, bool records, int *code)
{
    cli_reason reason;
    *text = (load_input_text){.id_offset = options->id_offset};
    *code = CLI_USAGE;
    if (!check_options(options, records))
        return false;
    const char *pattern = options->id_format ? options->id_format : records ? NULL : "%d";
    text->has_id_format = pattern && !options->id_file;
    if (text->has_id_format && !load_id_format_parse(&text->id_format, pattern, &reason)) {
        cli_error("--id-format %s", reason.text);
        return false;
    }
    *code = CLI_FAILED;
    if (options->id_file && !open_column(&text->ids, "--ids", options->id_file, rows))
        return false;
    if (options->metadata_file && !open_column(&text->metadata, "--metadata", options->metadata_file, rows))
        return false;
    for (size_t i = 0; i < options->columns.count; i++)
        if (!open_named(text, options->columns.ptr[i], rows, code))
            return false;
    if (!text->ids.path || text->ids.is_text || load_column_is_whole(&text->ids))
        return true;
    cli_error("--ids \"%s\": ids are texts or whole numbers", text->ids.path);
    return false;
}

void
load_input_text_close(load_input_text *text)
{
    if (text->ids.path)
        load_column_close(&text->ids);
    if (text->metadata.path)
        load_column_close(&text->metadata);
    for (size_t i = 0; i < text->column_count; i++) {
        if (text->columns[i].path)
            load_column_close(&text->columns[i]);
        free(text->names[i]);
    }
    load_buffer_free(text->texts);
}

static bool
report(const load_column *column, const cli_reason *reason)
{
    cli_error("%s: %s", column->path, reason->text);
    return false;
}

bool
load_input_text_seek(load_input_text *text, uint64_t row)
{
    cli_reason reason;
    if (text->ids.path && !load_column_seek(&text->ids, row, &reason))
        return report(&text->ids, &reason);
    if (text->metadata.path && !load_column_seek(&text->metadata, row, &reason))
        return report(&text->metadata, &reason);
    for (size_t i = 0; i < text->column_count; i++)
        if (!load_column_seek(&text->columns[i], row, &reason))
            return report(&text->columns[i], &reason);
    return true;
}

bool
load_input_text_reset(load_input_text *text)
{
    size_t part = load_buffers_share() / LOAD_TEXT_PART;
    text->used = 0;
    if (text->texts)
        return true;
    text->capacity = part > ROW_BYTES ? part : ROW_BYTES;
    text->texts = load_buffer_new(text->capacity);
    if (!text->texts)
        cli_error("out of memory");
    return text->texts;
}

bool
load_input_text_has_room(const load_input_text *text)
{
    return text->capacity - text->used >= ROW_BYTES;
}

/* Copies a text behind the others; the room is there. */
static bool
keep(load_input_text *text, const load_column *column, vmx_str from, size_t max, vmx_str *to)
{
    if (from.len > max) {
        cli_error("%s: row %llu: a text of %zu bytes; at most %zu were expected", column->path,
                  (unsigned long long)column->next - 1, from.len, max);
        return false;
    }
    *to = (vmx_str){text->texts + text->used, from.len};
    memcpy(text->texts + text->used, from.ptr, from.len);
    text->used += from.len;
    return true;
}

static bool
fill_id(load_input_text *text, uint64_t row, vmx_str *id)
{
    cli_reason reason;
    vmx_str line;
    if (text->has_id_format) {
        *id = (vmx_str){text->texts + text->used, 0};
        id->len = load_id_format_write(&text->id_format, row + text->id_offset, text->texts + text->used);
        text->used += id->len;
        return true;
    }
    if (!load_column_next(&text->ids, &line, &reason))
        return report(&text->ids, &reason);
    return keep(text, &text->ids, line, LOAD_ID_MAX, id);
}

/* Adds to the text that is being written; a row that grows too long is said. */
static bool
append(load_input_text *text, const load_column *column, size_t begin, vmx_str part)
{
    if (text->used - begin + part.len > LOAD_METADATA_MAX) {
        cli_error("%s: row %llu: more than %d bytes of metadata", column->path, (unsigned long long)column->next - 1,
                  LOAD_METADATA_MAX);
        return false;
    }
    memcpy(text->texts + text->used, part.ptr, part.len);
    text->used += part.len;
    return true;
}

/* The value of a column's row as JSON: a number as it is, a line as a text. */
static bool
append_value(load_input_text *text, load_column *column, size_t begin)
{
    cli_reason reason;
    vmx_str line;
    if (!load_column_next(column, &line, &reason))
        return report(column, &reason);
    if (!column->is_text)
        return append(text, column, begin, line);
    json_t *value = json_stringn(line.ptr, line.len);
    char *json = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (!json)
        cli_error("%s: row %llu: no UTF-8", column->path, (unsigned long long)column->next - 1);
    bool good = json && append(text, column, begin, vmx_str_from(json));
    free(json);
    return good;
}

static bool
fill_columns(load_input_text *text, vmx_str *metadata)
{
    size_t begin = text->used;
    for (size_t i = 0; i < text->column_count; i++) {
        load_column *column = &text->columns[i];
        if (!append(text, column, begin, VMX_STR(i == 0 ? "{" : ",")) ||
            !append(text, column, begin, vmx_str_from(text->names[i])) || !append(text, column, begin, VMX_STR(":")) ||
            !append_value(text, column, begin))
            return false;
    }
    if (!append(text, &text->columns[0], begin, VMX_STR("}")))
        return false;
    *metadata = (vmx_str){text->texts + begin, text->used - begin};
    return true;
}

static bool
fill_metadata(load_input_text *text, vmx_str *metadata)
{
    cli_reason reason;
    vmx_str line;
    if (text->column_count > 0)
        return fill_columns(text, metadata);
    if (!load_column_next(&text->metadata, &line, &reason))
        return report(&text->metadata, &reason);
    if (load_line_blank(line))
        return true;
    return keep(text, &text->metadata, line, LOAD_METADATA_MAX, metadata);
}

bool
load_input_text_fill(load_input_text *text, uint64_t row, vmx_vector *vector)
{
    vmx_str id = {0}, metadata = {0};
    if ((text->has_id_format || text->ids.path) && !fill_id(text, row, &id))
        return false;
    bool has_metadata = text->column_count > 0 || text->metadata.path;
    if (has_metadata && !fill_metadata(text, &metadata))
        return false;
    if (vector && vector->id.len == 0)
        vector->id = id;
    if (vector && has_metadata)
        vector->metadata = metadata;
    return true;
}
