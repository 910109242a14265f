/*
 * matrix.h: rows of one length, read in blocks from a file whose layout is known.
 */
#ifndef VMX_CLI_LOAD_MATRIX_H
#define VMX_CLI_LOAD_MATRIX_H

#include "layout.h"

typedef struct load_matrix {
    load_bytes bytes;
    load_layout layout;
    uint8_t *raw;      /* one block */
    size_t block_rows; /* of the largest block */
    uint64_t next;     /* row */
} load_matrix;

typedef bool
load_layout_function(load_bytes *bytes, load_layout *layout, cli_reason *reason);

/* How many rows of so many bytes and numbers make a block of a file of `rows`: 1 to LOAD_BLOCK_ROWS (limits.h). */
size_t
load_block_rows(size_t stride, size_t dimension, uint64_t rows);

/* Opens a file, reads its header and checks its size. False with a reason; close it only after true. */
bool
load_matrix_open(load_matrix *matrix, const char *path, load_layout_function *read_layout, cli_reason *reason);

void
load_matrix_close(load_matrix *matrix);

/*
 * Reads the next rows, at most `max` and at most a block; *count is 0 at the end. They lie at matrix->raw, prefixes
 * included and checked, until the next read. False with a reason that names row and byte.
 */
bool
load_matrix_read(load_matrix *matrix, size_t max, size_t *count, cli_reason *reason);

/* The first number of row `i` of what was read last. */
const uint8_t *
load_matrix_row(const load_matrix *matrix, size_t i);

#endif
