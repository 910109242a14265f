#include "matrix.h"

#include "buffers.h"
#include "limits.h"

#include <endian.h>
#include <string.h>

size_t
load_block_rows(size_t stride, size_t dimension, uint64_t rows)
{
    size_t by_raw = load_buffers_share() / LOAD_RAW_PART / stride;
    size_t by_floats = load_buffers_share() / LOAD_FLOAT_PART / (dimension * sizeof(float));
    size_t block = by_raw < by_floats ? by_raw : by_floats;
    block = block < LOAD_BLOCK_ROWS ? block : LOAD_BLOCK_ROWS;
    block = block < rows ? block : (size_t)rows;
    return block > 0 ? block : 1;
}

static bool
read_header(load_matrix *matrix, load_layout_function *read_layout, cli_reason *reason)
{
    load_layout *layout = &matrix->layout;
    if (!load_bytes_measure(&matrix->bytes, reason) || !read_layout(&matrix->bytes, layout, reason) ||
        !load_layout_check(layout, matrix->bytes.size, reason))
        return false;
    matrix->block_rows = load_block_rows(load_layout_stride(layout), layout->dimension, layout->rows);
    matrix->raw = load_buffer_new(matrix->block_rows * load_layout_stride(layout));
    return matrix->raw || cli_refuse(reason, "out of memory");
}

bool
load_matrix_open(load_matrix *matrix, const char *path, load_layout_function *read_layout, cli_reason *reason)
{
    *matrix = (load_matrix){0};
    if (!load_bytes_open(&matrix->bytes, path, reason))
        return false;
    if (read_header(matrix, read_layout, reason))
        return true;
    load_matrix_close(matrix);
    return false;
}

void
load_matrix_close(load_matrix *matrix)
{
    load_bytes_close(&matrix->bytes);
    load_buffer_free(matrix->raw);
    matrix->raw = NULL;
}

const uint8_t *
load_matrix_row(const load_matrix *matrix, size_t i)
{
    return matrix->raw + i * load_layout_stride(&matrix->layout) + matrix->layout.prefix;
}

/* In .fvecs and its kin every row says its dimension again. */
static bool
check_prefixes(const load_matrix *matrix, uint64_t offset, size_t count, cli_reason *reason)
{
    if (matrix->layout.prefix == 0)
        return true;
    size_t stride = load_layout_stride(&matrix->layout);
    for (size_t i = 0; i < count; i++) {
        uint32_t dimension;
        memcpy(&dimension, matrix->raw + i * stride, sizeof dimension);
        dimension = le32toh(dimension);
        if (dimension != matrix->layout.dimension)
            return cli_refuse(reason, "row %llu, byte %llu: dimension %ld; %zu was expected, as in row 0",
                              (unsigned long long)(matrix->next + i), (unsigned long long)(offset + i * stride),
                              (long)(int32_t)dimension, matrix->layout.dimension);
    }
    return true;
}

bool
load_matrix_read(load_matrix *matrix, size_t max, size_t *count, cli_reason *reason)
{
    const load_layout *layout = &matrix->layout;
    size_t stride = load_layout_stride(layout);
    uint64_t left = matrix->next < layout->rows ? layout->rows - matrix->next : 0;
    uint64_t offset = layout->offset + (layout->rows - left) * stride;
    size_t rows = max < matrix->block_rows ? max : matrix->block_rows;
    size_t got;
    *count = left < rows ? (size_t)left : rows;
    if (*count == 0)
        return true;
    if (!load_bytes_read(&matrix->bytes, offset, matrix->raw, *count * stride, &got, reason))
        return false;
    if (got < *count * stride)
        return cli_refuse(reason, "row %llu: the file has become shorter: it ends at byte %llu",
                          (unsigned long long)(matrix->next + got / stride), (unsigned long long)(offset + got));
    if (!check_prefixes(matrix, offset, *count, reason))
        return false;
    matrix->next += *count;
    return true;
}
