#include "column.h"

#include "reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool
load_column_open(load_column *column, const char *path, cli_reason *reason)
{
    const load_format *format = load_format_find(NULL, path);
    *column = (load_column){.path = path, .is_text = !format || !format->layout};
    if (column->is_text)
        return load_text_lines_open(&column->lines, path, reason);
    if (!load_matrix_open(&column->matrix, path, format->layout, reason))
        return false;
    if (column->matrix.layout.dimension == 1)
        return true;
    cli_refuse(reason, "%zu numbers in a row; a column has one", column->matrix.layout.dimension);
    load_matrix_close(&column->matrix);
    return false;
}

void
load_column_close(load_column *column)
{
    if (column->is_text)
        load_text_lines_close(&column->lines);
    else
        load_matrix_close(&column->matrix);
}

static bool
count_lines(load_column *column, uint64_t *rows, cli_reason *reason)
{
    vmx_str line;
    load_line kind;
    do
        kind = load_text_lines_next(&column->lines, &line, reason);
    while (kind == LOAD_LINE || kind == LOAD_LINE_TOO_LONG);
    *rows = column->lines.number - 1;
    return kind == LOAD_LINE_END;
}

bool
load_column_count(const char *path, uint64_t *rows, cli_reason *reason)
{
    load_column column;
    if (!load_column_open(&column, path, reason))
        return false;
    bool good = true;
    if (!column.is_text)
        *rows = column.matrix.layout.rows;
    else if (!column.lines.bytes.seekable)
        *rows = LOAD_UNKNOWN;
    else
        good = count_lines(&column, rows, reason);
    load_column_close(&column);
    return good;
}

static bool
next_line(load_column *column, vmx_str *text, cli_reason *reason)
{
    cli_reason inner;
    switch (load_text_lines_next(&column->lines, text, &inner)) {
    case LOAD_LINE:
        return true;
    case LOAD_LINE_END:
        return cli_refuse(reason, "only %llu lines; there are more rows", (unsigned long long)column->next);
    case LOAD_LINE_TOO_LONG:
    case LOAD_LINE_FAILED:
        break;
    }
    return cli_refuse(reason, "line %llu: %.200s", (unsigned long long)column->lines.number, inner.text);
}

bool
load_column_seek(load_column *column, uint64_t row, cli_reason *reason)
{
    column->matrix.next = row;
    vmx_str line;
    for (; column->next < row; column->next++)
        if (column->is_text && !next_line(column, &line, reason))
            return false;
    return true;
}

static void
write_number(load_column *column)
{
    load_type type = column->matrix.layout.type;
    const uint8_t *raw = load_matrix_row(&column->matrix, 0);
    uint64_t whole;
    if (load_type_to_whole(type, raw, &whole)) {
        snprintf(column->number, sizeof column->number, "%" PRIu64, whole);
    } else if (type.kind == LOAD_INT) {
        snprintf(column->number, sizeof column->number, "%" PRId64, (int64_t)whole);
    } else {
        double value = load_type_to_double(type, raw);
        snprintf(column->number, sizeof column->number, isfinite(value) ? "%.17g" : "null", value);
    }
}

bool
load_column_next(load_column *column, vmx_str *text, cli_reason *reason)
{
    size_t count = 0;
    if (column->is_text) {
        if (!next_line(column, text, reason))
            return false;
    } else {
        if (!load_matrix_read(&column->matrix, 1, &count, reason))
            return false;
        if (count == 0)
            return cli_refuse(reason, "only %llu rows; there are more vectors", (unsigned long long)column->next);
        write_number(column);
        *text = vmx_str_from(column->number);
    }
    column->next++;
    return true;
}

bool
load_column_is_whole(const load_column *column)
{
    return !column->is_text && column->matrix.layout.type.kind != LOAD_FLOAT;
}
