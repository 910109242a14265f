#include "layout.h"

#include <limits.h>

size_t
load_layout_stride(const load_layout *layout)
{
    return layout->prefix + layout->dimension * layout->type.bytes;
}

bool
load_layout_set_shape(load_layout *layout, const uint64_t *shape, size_t rank, cli_reason *reason)
{
    uint64_t dimension = 1;
    if (rank == 0)
        return cli_refuse(reason, "a single number; rows of numbers were expected");
    for (size_t i = 1; i < rank; i++) {
        if (shape[i] == 0)
            return cli_refuse(reason, "axis %zu has length 0", i + 1);
        if (shape[i] > LOAD_DIMENSION_MAX / dimension)
            return cli_refuse(reason, "more than %d numbers in a row", LOAD_DIMENSION_MAX);
        dimension *= shape[i];
    }
    layout->rank = rank;
    layout->rows = shape[0];
    layout->dimension = (size_t)dimension;
    return true;
}

bool
load_layout_check(const load_layout *layout, uint64_t size, cli_reason *reason)
{
    size_t stride = load_layout_stride(layout);
    uint64_t body = size > layout->offset ? size - layout->offset : 0;
    uint64_t whole = body / stride; /* rows that are complete */
    if (whole < layout->rows)
        return cli_refuse(reason, "truncated: row %llu of %llu is %zu bytes from byte %llu on, the file ends at %llu",
                          (unsigned long long)whole, (unsigned long long)layout->rows, stride,
                          (unsigned long long)(layout->offset + whole * stride), (unsigned long long)size);
    uint64_t end = layout->offset + layout->rows * stride;
    return size == end ||
           cli_refuse(reason, "%llu rows end at byte %llu, but the file goes on to byte %llu",
                      (unsigned long long)layout->rows, (unsigned long long)end, (unsigned long long)size);
}
