/*
 * input.h: all that a load reads: files of vectors one behind the other, and beside them what gives the rows ids and
 * metadata. Rows are numbered from 0 through all files.
 */
#ifndef VMX_CLI_LOAD_INPUT_H
#define VMX_CLI_LOAD_INPUT_H

#include "cli/options.h"
#include "reader.h"

/* Borrowed while the input is open. */
typedef struct load_input_options {
    cli_texts files;
    const char *format;    /* NULL: each file by its ending */
    const char *dataset;   /* of HDF5 */
    const char *id_format; /* NULL: "%d" for arrays; of JSON lines, for those without an "id" */
    const char *id_file;   /* NULL, or a column.h */
    uint64_t id_offset;    /* added to the row number */
    const char *metadata_file;
    cli_texts columns; /* NAME=FILE */
    uint64_t first_row;
    uint64_t row_count; /* LOAD_UNKNOWN: all */
} load_input_options;

typedef struct load_input load_input;

/* One file, as it was when the input was opened. */
typedef struct load_input_file {
    const char *path;
    const load_format *format;
    load_description description;
} load_input_file;

/*
 * Opens and checks every file: formats, sizes, equal dimensions, as many ids and metadata as rows. NULL after one line on
 * stderr; *code is then CLI_USAGE or CLI_FAILED.
 */
load_input *
load_input_open(const load_input_options *options, int *code);

void
load_input_close(load_input *input);

/*
 * The next vectors, with ids and metadata, at most `max`. `rows->first` counts through all files. LOAD_FAILED comes
 * after one line on stderr; LOAD_BAD_ROW has a reason, which names line, row and byte, not the file.
 */
load_result
load_input_next(load_input *input, size_t max, load_rows *rows, cli_reason *reason);

/* Goes forward to a row. False after one line on stderr. */
bool
load_input_seek(load_input *input, uint64_t row);

/* The path of the file that the last row came from. */
const char *
load_input_path(const load_input *input);

const load_input_file *
load_input_files(const load_input *input, size_t *count);

/* Behind the last row; LOAD_UNKNOWN where only reading tells. */
uint64_t
load_input_end(const load_input *input);

/* The same, read if need be; LOAD_UNKNOWN after one line on stderr. */
uint64_t
load_input_count(const load_input *input);

/* How far it has been read, 0 to 1; negative where nobody can know. */
double
load_input_fraction(const load_input *input);

#endif
