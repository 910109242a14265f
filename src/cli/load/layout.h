/*
 * layout.h: how the numbers of a file lie in it, for every format that is rows of one length, one behind the other. A
 * format is a function that reads a header; matrix.h does the rest.
 */
#ifndef VMX_CLI_LOAD_LAYOUT_H
#define VMX_CLI_LOAD_LAYOUT_H

#include "bytes.h"
#include "type.h"

#define LOAD_DIMENSION_MAX 262144 /* 1 MiB of float32; the largest index takes 20,000 */

typedef struct load_layout {
    load_type type;
    size_t rank; /* of the array in the file; 1: one number in a row. Dimensions behind the second are flattened */
    uint64_t rows;
    size_t dimension;
    uint64_t offset; /* of the first row's first byte */
    size_t prefix;   /* bytes before the values of each row: 4 in .fvecs, where they repeat the dimension, else 0 */
} load_layout;

/* Bytes from row to row. */
size_t
load_layout_stride(const load_layout *layout);

/* Sets rows and dimension from the sizes of an array's axes, the first is the rows; false with a reason. */
bool
load_layout_set_shape(load_layout *layout, const uint64_t *shape, size_t rank, cli_reason *reason);

/* Checks the layout against the measured size of the file: it must end with the last row. */
bool
load_layout_check(const load_layout *layout, uint64_t size, cli_reason *reason);

/* The formats. Each reads the header into a zeroed layout; `bytes` has been measured. False with a reason. */
bool
load_npy_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_idx_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_fvecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_bvecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_ivecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_fbin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_u8bin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);
bool
load_i8bin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason);

#endif
