/*
 * writer/arrow_column.h: a column of an Arrow record batch, checked, and the values in it.
 *
 * The producer is foreign: every length, count and pointer is checked before it is used, as far as the interface tells
 * sizes (it does not tell those of buffers). Formats: arrow.apache.org, format/CDataInterface, "Data type description -
 * format strings"; layouts: format/Columnar.
 */
#ifndef VMX_WRITER_ARROW_COLUMN_H
#define VMX_WRITER_ARROW_COLUMN_H

#include <vecmux/arrow.h>

#include "core/arena.h"

typedef enum vmx_arrow_kind {
    VMX_ARROW_OTHER = 0, /* nothing here reads it */
    VMX_ARROW_NULL,
    VMX_ARROW_BOOL,
    VMX_ARROW_INT,
    VMX_ARROW_UINT,
    VMX_ARROW_FLOAT,
    VMX_ARROW_TEXT,
    VMX_ARROW_TEXT_VIEW,
    VMX_ARROW_LIST,
    VMX_ARROW_FIXED_LIST
} vmx_arrow_kind;

typedef struct vmx_arrow_column {
    const char *name, *format; /* the schema's */
    vmx_arrow_kind kind;
    size_t width;      /* bytes of a number, of an offset, of a view */
    int64_t list_size; /* of FIXED_LIST */
    const struct ArrowArray *array;
    struct vmx_arrow_column *items;   /* of a list */
    struct vmx_arrow_column *entries; /* of a dictionary: this column holds the indices */
} vmx_arrow_column;

/*
 * Reads the schema and checks the array for rows [0, rows). What is made is in `arena`; schema and array are borrowed.
 * A type that is not read is OTHER, and its array is not looked at. Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_arrow_column_open(vmx_arena *arena, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t rows,
                      vmx_arrow_column *column, vmx_error *error);

/* Whether it holds text: plain, as views, or as a dictionary. */
bool
vmx_arrow_is_text(const vmx_arrow_column *column);

/* --- values: `row` counts from the beginning of the array, without its offset; it was checked ------------------------- */

/* By validity bitmap; of a dictionary also the entry's. */
bool
vmx_arrow_is_null(const vmx_arrow_column *column, int64_t row);

bool
vmx_arrow_bool(const vmx_arrow_column *column, int64_t row);
int64_t
vmx_arrow_int(const vmx_arrow_column *column, int64_t row);
uint64_t
vmx_arrow_uint(const vmx_arrow_column *column, int64_t row);
double
vmx_arrow_float(const vmx_arrow_column *column, int64_t row);

/* Text, borrowed from the array. Errors: VMX_ERR_INVALID (offsets that lead astray). */
vmx_status
vmx_arrow_text(const vmx_arrow_column *column, int64_t row, vmx_str *text, vmx_error *error);

/* The items of a list: `count` of them from row `first` of column->items on. Errors: VMX_ERR_INVALID. */
vmx_status
vmx_arrow_list(const vmx_arrow_column *column, int64_t row, int64_t *first, int64_t *count, vmx_error *error);

/* `count` items from `first` on as they lie in memory; NULL when they are no float32, or not aligned. */
const float *
vmx_arrow_floats_in_place(const vmx_arrow_column *items, int64_t first);

/* An error of a row: what is wrong there, and what helps. Returns VMX_ERR_INVALID. */
vmx_status
vmx_arrow_bad_row(const vmx_arrow_column *column, int64_t row, const char *what, vmx_error *error);

#endif
