/*
 * column.h: a file that gives one thing for each row: a line of text, or a number of an array with one number in a row
 * (labels, keys).
 */
#ifndef VMX_CLI_LOAD_COLUMN_H
#define VMX_CLI_LOAD_COLUMN_H

#include "matrix.h"
#include "text_lines.h"

typedef struct load_column {
    const char *path;
    bool is_text;
    load_text_lines lines;
    load_matrix matrix;
    uint64_t next; /* row */
    char number[32];
} load_column;

/*
 * Opens a column. A file with an ending of .npy, .ivecs, IDX and their like is numbers, any other is text. False with a
 * reason; close it only after true.
 */
bool
load_column_open(load_column *column, const char *path, cli_reason *reason);

void
load_column_close(load_column *column);

/* How many rows there are; a text is read through for it, from a stream it is LOAD_UNKNOWN. */
bool
load_column_count(const char *path, uint64_t *rows, cli_reason *reason);

/* Skips rows up to `row`. */
bool
load_column_seek(load_column *column, uint64_t row, cli_reason *reason);

/* The next row as text, borrowed until the next call; numbers in a form that JSON takes (null for what it cannot say).
 * False with a reason, at the end too. */
bool
load_column_next(load_column *column, vmx_str *text, cli_reason *reason);

/* Is it numbers, and whole ones? */
bool
load_column_is_whole(const load_column *column);

#endif
