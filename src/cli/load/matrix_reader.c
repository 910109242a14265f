#include "buffers.h"
#include "matrix.h"
#include "reader.h"

#include <stdlib.h>

/* The reader of every format that is a matrix; its layout says which. */
typedef struct matrix_reader {
    load_reader base;
    load_matrix matrix;
    float *floats; /* one block */
    vmx_vector *vectors;
} matrix_reader;

static bool
prepare(matrix_reader *reader, cli_reason *reason)
{
    const load_layout *layout = &reader->matrix.layout;
    size_t rows = reader->matrix.block_rows;
    reader->floats = load_buffer_new(rows * layout->dimension * sizeof *reader->floats);
    reader->vectors = load_buffer_new(rows * sizeof *reader->vectors);
    if (!reader->floats || !reader->vectors)
        return cli_refuse(reason, "out of memory");
    reader->base.description = (load_description){
        .format = reader->base.format->title,
        .type = load_type_name(layout->type),
        .rows = layout->rows,
        .dimension = layout->dimension,
        .rank = layout->rank,
        .big_endian = layout->type.big_endian && layout->type.bytes > 1,
        .packed = reader->matrix.bytes.gz != NULL,
        .file_bytes = reader->matrix.bytes.packed,
    };
    return layout->rank > 1 || cli_refuse(reason, "one number in a row; an array of at least two axes was expected");
}

load_reader *
load_matrix_reader_open(const load_format *format, const char *path, const char *dataset, cli_reason *reason)
{
    (void)dataset;
    matrix_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        cli_refuse(reason, "out of memory");
        return NULL;
    }
    reader->base.format = format;
    if (!load_matrix_open(&reader->matrix, path, format->layout, reason)) {
        free(reader);
        return NULL;
    }
    if (prepare(reader, reason))
        return &reader->base;
    load_matrix_reader_close(&reader->base);
    return NULL;
}

load_result
load_matrix_reader_next(load_reader *base, size_t max, load_rows *rows, cli_reason *reason)
{
    matrix_reader *reader = (matrix_reader *)base;
    const load_layout *layout = &reader->matrix.layout;
    rows->first = reader->matrix.next;
    rows->vectors = reader->vectors;
    if (!load_matrix_read(&reader->matrix, max, &rows->count, reason))
        return LOAD_FAILED;
    for (size_t i = 0; i < rows->count; i++) {
        float *floats = reader->floats + i * layout->dimension;
        load_type_to_floats(layout->type, load_matrix_row(&reader->matrix, i), layout->dimension, floats);
        vmx_vector_init(&reader->vectors[i], sizeof *reader->vectors);
        reader->vectors[i].values = (vmx_floats){floats, layout->dimension};
    }
    return rows->count > 0 ? LOAD_ROWS : LOAD_END;
}

bool
load_matrix_reader_seek(load_reader *base, uint64_t row, cli_reason *reason)
{
    (void)reason;
    ((matrix_reader *)base)->matrix.next = row;
    return true;
}

uint64_t
load_matrix_reader_consumed(const load_reader *base)
{
    return load_bytes_consumed(&((const matrix_reader *)base)->matrix.bytes);
}

void
load_matrix_reader_close(load_reader *base)
{
    matrix_reader *reader = (matrix_reader *)base;
    load_matrix_close(&reader->matrix);
    load_buffer_free(reader->floats);
    load_buffer_free(reader->vectors);
    free(reader);
}
