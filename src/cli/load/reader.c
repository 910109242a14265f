#include "reader.h"

#include "layout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MATRIX(layout_function)                                                                                        \
    load_matrix_reader_open, load_matrix_reader_next, load_matrix_reader_seek, load_matrix_reader_consumed,            \
        load_matrix_reader_close, layout_function

const load_format load_formats[] = {
    {"npy", "NumPy array", ".npy", MATRIX(load_npy_layout)},
    {"fvecs", "fvecs", ".fvecs", MATRIX(load_fvecs_layout)},
    {"bvecs", "bvecs", ".bvecs", MATRIX(load_bvecs_layout)},
    {"ivecs", "ivecs", ".ivecs", MATRIX(load_ivecs_layout)},
    {"fbin", "fbin", ".fbin", MATRIX(load_fbin_layout)},
    {"u8bin", "u8bin", ".u8bin", MATRIX(load_u8bin_layout)},
    {"i8bin", "i8bin", ".i8bin", MATRIX(load_i8bin_layout)},
    {"idx", "IDX", "-ubyte .ubyte .idx", MATRIX(load_idx_layout)},
    {"hdf5", "HDF5", ".hdf5 .h5", load_hdf5_open, load_hdf5_next, load_hdf5_seek, load_hdf5_consumed, load_hdf5_close,
     NULL},
    {"jsonl", "JSON lines", ".jsonl .ndjson .json", load_json_open, load_json_next, load_json_seek, load_json_consumed,
     load_json_close, NULL},
};

const size_t load_format_count = sizeof load_formats / sizeof *load_formats;

const char *
load_format_names(void)
{
    return "npy, fvecs, bvecs, ivecs, fbin, u8bin, i8bin, idx, hdf5, jsonl";
}

/* Does the path, without .gz, end in one of the endings? */
static bool
ends_in(const char *path, const char *endings)
{
    size_t length = strlen(path);
    if (length > 3 && strcasecmp(path + length - 3, ".gz") == 0)
        length -= 3;
    for (const char *ending = endings; *ending; ending += strspn(ending, " ")) {
        size_t size = strcspn(ending, " ");
        if (size < length && strncasecmp(path + length - size, ending, size) == 0)
            return true;
        ending += size;
    }
    return false;
}

const load_format *
load_format_find(const char *name, const char *path)
{
    if (!name && strcmp(path, "-") == 0)
        name = "jsonl";
    for (size_t i = 0; i < load_format_count; i++)
        if (name ? strcmp(name, load_formats[i].name) == 0 : ends_in(path, load_formats[i].endings))
            return &load_formats[i];
    return NULL;
}

load_reader *
load_reader_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason)
{
    return format->open(format, path, dataset, reason);
}

void
load_reader_close(load_reader *reader)
{
    if (reader)
        reader->format->close(reader);
}

load_result
load_reader_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason)
{
    *rows = (load_rows){0};
    return reader->format->next(reader, max, rows, reason);
}

bool
load_reader_seek(load_reader *reader, uint64_t row, cli_reason *reason)
{
    return reader->format->seek(reader, row, reason);
}

uint64_t
load_reader_consumed(const load_reader *reader)
{
    return reader->format->consumed(reader);
}
