/*
 * reader.h: one file of vectors, whatever its format: what it holds, and its rows in blocks of bounded memory (4 MiB at
 * most, but for HDF5's chunks). One thread. Reasons name row and byte offset, but not the file.
 */
#ifndef VMX_CLI_LOAD_READER_H
#define VMX_CLI_LOAD_READER_H

#include "layout.h"

#include <vecmux/index.h>

typedef struct load_reader load_reader;

/* What a file says of itself. */
typedef struct load_description {
    const char *format; /* "NumPy array"; static */
    const char *type;   /* "float32"; static */
    uint64_t rows;      /* LOAD_UNKNOWN: only reading tells */
    size_t dimension;   /* 0: every record has its own */
    size_t rank;        /* axes of the array in the file; 0 for records */
    bool big_endian;
    bool packed;         /* by gzip */
    uint64_t file_bytes; /* as it lies on the disk; LOAD_UNKNOWN for a stream */
    bool has_records;    /* ids, sparse values and metadata stand in the file */
} load_description;

/* A block of rows, borrowed until the reader's next call. */
typedef struct load_rows {
    uint64_t first; /* row number in the file, from 0; at the end of JSON lines their number */
    size_t count;
    vmx_vector *vectors; /* ids are empty where the file has none; the caller may fill them in */
    vmx_str text;        /* of a row that is no vector, as it stands in the file */
    uint64_t line;       /* ... and its line, from 1 */
} load_rows;

typedef enum load_result {
    LOAD_ROWS,
    LOAD_BAD_ROW, /* one row that is no vector, with a reason; the next may be */
    LOAD_END,
    LOAD_FAILED /* with a reason: the file cannot be read on */
} load_result;

/* What a format is; the rest of this header is for its implementation. */
typedef struct load_format {
    const char *name;    /* as --format takes it */
    const char *title;   /* for people */
    const char *endings; /* of file names, between blanks */
    load_reader *(*open)(const struct load_format *format, const char *path, const char *dataset, cli_reason *reason);
    load_result (*next)(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason);
    bool (*seek)(load_reader *reader, uint64_t row, cli_reason *reason);
    uint64_t (*consumed)(const load_reader *reader);
    void (*close)(load_reader *reader);
    bool (*layout)(load_bytes *bytes, load_layout *layout, cli_reason *reason); /* of matrix files */
} load_format;

/* Every implementation's struct begins with this. */
struct load_reader {
    const load_format *format;
    load_description description;
};

extern const load_format load_formats[];
extern const size_t load_format_count;

/* "npy, fvecs, ..."; static. */
const char *
load_format_names(void);

/* The format named `name`, or, without one, the format of a path by its ending; NULL if there is none. */
const load_format *
load_format_find(const char *name, const char *path);

/*
 * Opens a file; "-" is standard input. `dataset` names the array in an HDF5 file. Reads what can be known without
 * reading it all, and checks sizes. NULL with a reason.
 */
load_reader *
load_reader_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason);

void
load_reader_close(load_reader *reader);

/* Reads the next rows, at most `max`. The reason is written for LOAD_BAD_ROW and LOAD_FAILED. */
load_result
load_reader_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason);

/* Goes to a row; behind the last is no error, there is nothing then. */
bool
load_reader_seek(load_reader *reader, uint64_t row, cli_reason *reason);

/* Bytes of the file on the disk that have been read, of description.file_bytes. */
uint64_t
load_reader_consumed(const load_reader *reader);

/* The implementations. */
load_reader *
load_matrix_reader_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason);
load_result
load_matrix_reader_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason);
bool
load_matrix_reader_seek(load_reader *reader, uint64_t row, cli_reason *reason);
uint64_t
load_matrix_reader_consumed(const load_reader *reader);
void
load_matrix_reader_close(load_reader *reader);

load_reader *
load_hdf5_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason);
load_result
load_hdf5_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason);
bool
load_hdf5_seek(load_reader *reader, uint64_t row, cli_reason *reason);
uint64_t
load_hdf5_consumed(const load_reader *reader);
void
load_hdf5_close(load_reader *reader);

load_reader *
load_json_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason);
load_result
load_json_next(load_reader *reader, size_t max, load_rows *rows, cli_reason *reason);
bool
load_json_seek(load_reader *reader, uint64_t row, cli_reason *reason);
uint64_t
load_json_consumed(const load_reader *reader);
void
load_json_close(load_reader *reader);

#endif
