/*
 * JSON lines: a record on each line, as `vecmux upsert` takes them. A dead letter has an "error" too, which is skipped,
 * and one that was no JSON has its line in "text".
 */
#include "buffers.h"
#include "cli/record.h"
#include "limits.h"
#include "reader.h"
#include "text_lines.h"

#include <string.h>

typedef struct json_reader {
    load_reader base;
    load_text_lines lines;
    uint64_t next; /* row: lines that are blank are none */
    cli_record records[LOAD_BLOCK_RECORDS];
    vmx_vector vectors[LOAD_BLOCK_RECORDS];
    size_t count;        /* records that are owned */
    size_t record_bytes; /* of them */
    bool bad;            /* a row that is no record waits to be told */
    vmx_str bad_text;    /* of it; in the lines' buffer */
    cli_reason reason;   /* of it */
} json_reader;

load_reader *
load_json_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason)
{
    (void)dataset;
    json_reader *reader = load_buffer_new(sizeof *reader);
    if (!reader) {
        cli_refuse(reason, "out of memory");
        return NULL;
    }
    memset(reader, 0, sizeof *reader);
    if (!load_text_lines_open(&reader->lines, path, reason)) {
        load_buffer_free(reader);
        return NULL;
    }
    reader->base.format = format;
    reader->base.description = (load_description){
        .format = format->title,
        .type = "JSON numbers",
        .rows = LOAD_UNKNOWN,
        .packed = reader->lines.bytes.gz != NULL,
        .file_bytes = reader->lines.bytes.packed,
        .has_records = true,
    };
    return &reader->base;
}

static void
free_records(json_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++)
        cli_record_free(&reader->records[i]);
    load_buffers_remove(reader->record_bytes);
    reader->count = 0;
    reader->record_bytes = 0;
}

void
load_json_close(load_reader *base)
{
    json_reader *reader = (json_reader *)base;
    free_records(reader);
    load_text_lines_close(&reader->lines);
    load_buffer_free(reader);
}

/* What a dead letter holds besides the record is dropped; a line kept as a text becomes the line. */
static json_t *
strip_dead_letter(json_t *value, cli_reason *reason)
{
    if (!json_is_object(value) || !json_object_get(value, "error"))
        return value;
    json_t *text = json_object_get(value, "text");
    json_t *inner = NULL;
    if (json_is_string(text)) {
        inner = cli_json_parse(json_string_value(text), json_string_length(text), reason);
        json_decref(value);
        return inner;
    }
    json_object_del(value, "error");
    return value;
}

static bool
parse(vmx_str line, cli_record *record, cli_reason *reason)
{
    json_t *value = cli_json_parse(line.ptr, line.len, reason);
    if (value)
        value = strip_dead_letter(value, reason);
    bool good = value && json_is_object(value);
    if (value && !good)
        cli_refuse(reason, "not a JSON object");
    if (good && !json_object_get(value, "id"))
        json_object_set_new(value, "id", json_string(""));
    good = good && cli_record_parse(value, record, reason);
    json_decref(value);
    return good;
}

static load_result
tell_bad(json_reader *reader, load_rows *rows, cli_reason *reason)
{
    reader->bad = false;
    rows->first = reader->next++;
    rows->count = 1;
    rows->text = reader->bad_text;
    rows->line = reader->lines.number;
    /* a reason may show a name from the line, whatever it is made of */
    for (char *c = reader->reason.text; *c; c++)
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
    cli_refuse(reason, "line %llu, row %llu, byte %llu: %s", (unsigned long long)rows->line,
               (unsigned long long)rows->first, (unsigned long long)reader->lines.offset, reader->reason.text);
    return LOAD_BAD_ROW;
}

/* The next line that is not blank. */
static load_line
next_line(json_reader *reader, vmx_str *line, cli_reason *reason)
{
    load_line kind;
    do
        kind = load_text_lines_next(&reader->lines, line, reason);
    while (kind == LOAD_LINE && load_line_blank(*line));
    return kind;
}

/* Reads records until the block is full, the file ends, or a row is bad. False when the file cannot be read. */
static bool
read_records(json_reader *reader, size_t max, bool *ended, cli_reason *reason)
{
    size_t most = load_buffers_share() / LOAD_RECORD_PART;
    while (reader->count < max && reader->record_bytes < most && !reader->bad && !*ended) {
        vmx_str line;
        load_line kind = next_line(reader, &line, &reader->reason);
        cli_record *record = &reader->records[reader->count];
        if (kind == LOAD_LINE_FAILED) {
            *reason = reader->reason;
            return false;
        }
        if (kind == LOAD_LINE_END) {
            *ended = true;
        } else if (kind == LOAD_LINE_TOO_LONG || !parse(line, record, &reader->reason)) {
            reader->bad = true;
            reader->bad_text = line;
        } else {
            cli_record_borrow(record, &reader->vectors[reader->count++]);
            reader->record_bytes += cli_record_size(record);
            load_buffers_add(cli_record_size(record));
        }
    }
    return true;
}

load_result
load_json_next(load_reader *base, size_t max, load_rows *rows, cli_reason *reason)
{
    json_reader *reader = (json_reader *)base;
    bool ended = false;
    free_records(reader);
    if (reader->bad)
        return tell_bad(reader, rows, reason);
    if (!read_records(reader, max < LOAD_BLOCK_RECORDS ? max : LOAD_BLOCK_RECORDS, &ended, reason))
        return LOAD_FAILED;
    rows->first = reader->next;
    if (reader->count == 0)
        return reader->bad ? tell_bad(reader, rows, reason) : LOAD_END;
    rows->count = reader->count;
    rows->vectors = reader->vectors;
    reader->next += reader->count;
    return LOAD_ROWS;
}

bool
load_json_seek(load_reader *base, uint64_t row, cli_reason *reason)
{
    json_reader *reader = (json_reader *)base;
    if (row < reader->next + reader->bad)
        return row == reader->next ||
               cli_refuse(reason, "row %llu: JSON lines are read forwards only", (unsigned long long)row);
    reader->next += reader->bad;
    reader->bad = false;
    for (; reader->next < row; reader->next++) {
        vmx_str line;
        load_line kind = next_line(reader, &line, reason);
        if (kind == LOAD_LINE_FAILED)
            return false;
        if (kind == LOAD_LINE_END)
            break;
    }
    return true;
}

uint64_t
load_json_consumed(const load_reader *base)
{
    return load_bytes_consumed(&((const json_reader *)base)->lines.bytes);
}
