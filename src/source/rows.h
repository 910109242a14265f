/*
 * source/rows.h: rows of equal size, wherever they are: a source's vectors, and its ids.
 */
#ifndef VMX_SOURCE_ROWS_H
#define VMX_SOURCE_ROWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vecmux/source.h>

typedef struct vmx_rows vmx_rows;

typedef struct vmx_rows_vtable {
    /* Copies `count` rows from `first` on to `out`. They exist. May block on a disk. */
    vmx_status (*read)(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error);
    /* The rows where they are, one after the other, or NULL if they are not. */
    const uint8_t *(*view)(vmx_rows *rows, uint64_t first, uint64_t count);
    void (*destroy)(vmx_rows *rows);
} vmx_rows_vtable;

struct vmx_rows {
    const vmx_rows_vtable *vtable;
    _Atomic size_t refs;
    uint64_t count;
    size_t row_bytes;
    bool sequential;        /* only read from the front to the back, each row once */
    _Atomic uint64_t reads; /* rows that were copied */
};

vmx_rows *
vmx_rows_acquire(vmx_rows *rows);
/* NULL is allowed. */
void
vmx_rows_release(vmx_rows *rows);

/* Makes the common part, with one reference. */
void
vmx_rows_init(vmx_rows *rows, const vmx_rows_vtable *vtable, uint64_t count, size_t row_bytes);

/* Rows of a range of memory, `stride_bytes` from one to the next. `release` may be NULL. NULL when memory is out. */
vmx_rows *
vmx_rows_of_memory(const void *data, uint64_t count, size_t row_bytes, size_t stride_bytes, void (*release)(void *),
                   void *user);

/* From now on rows of memory are given back by `release` (may be NULL) when nobody needs them any more. */
void
vmx_rows_lend(vmx_rows *rows, void (*release)(void *user), void *user);

/* The numbers from 0 to count - 1 as int32. */
vmx_rows *
vmx_rows_of_numbers(uint64_t count);

vmx_rows *
vmx_rows_of_iterator(vmx_source_next next, void *user, uint64_t count, uint32_t dimension);

vmx_rows *
vmx_rows_of_reader(vmx_source_read_rows read, void *user, uint64_t count, uint32_t dimension);

/* Sequential rows in blocks of `size`; the current block can be read again. Holds `inner`. NULL when memory is out. */
vmx_rows *
vmx_rows_of_window(vmx_rows *inner, uint64_t size);

/* What a file of rows is made of. */
typedef struct vmx_file_layout {
    uint64_t count;
    size_t row_bytes;
    uint64_t offset;      /* of the first row */
    size_t prefix_bytes;  /* before each row: 0, or 4 (.fvecs) */
    int32_t prefix_value; /* what must stand there */
} vmx_file_layout;

/* Reads a file's header and compares it with its size. `element` is 'f' for float32, 'i' for int32; dimension 0: any. */
vmx_status
vmx_file_layout_read(int fd, vmx_str path, vmx_file_format format, char element, uint32_t dimension,
                     vmx_file_layout *layout, vmx_error *error);

vmx_status
vmx_rows_of_file(vmx_str path, vmx_file_format format, char element, uint32_t dimension, bool map, vmx_rows **rows,
                 vmx_error *error);

/* What finding its rows has cost a selection: words of the bitmap and places of its index that were looked at. */
uint64_t
vmx_rows_selection_steps(const vmx_rows *rows);

/* The rows of `all` whose bits are set; holds `all`. */
vmx_status
vmx_rows_of_selection(vmx_rows *all, const uint64_t *bits, uint64_t bit_count, vmx_rows **rows, vmx_error *error);

#endif
