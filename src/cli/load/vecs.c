/*
 * The TEXMEX formats .fvecs, .bvecs and .ivecs (http://corpus-texmex.irisa.fr): every row is its dimension as int32,
 * then that many float32, uint8 or int32; little-endian, no header.
 */
#include "layout.h"

#include <endian.h>
#include <stdint.h>

static bool
read_layout(load_bytes *bytes, load_type type, load_layout *layout, cli_reason *reason)
{
    uint32_t dimension;
    if (!load_bytes_exact(bytes, 0, &dimension, sizeof dimension, "row 0's dimension", reason))
        return false;
    dimension = le32toh(dimension);
    if (dimension == 0 || dimension > LOAD_DIMENSION_MAX)
        return cli_refuse(reason, "row 0, byte 0: dimension %ld; 1 to %d was expected", (long)(int32_t)dimension,
                          LOAD_DIMENSION_MAX);
    *layout = (load_layout){.type = type, .rank = 2, .dimension = dimension, .prefix = sizeof dimension};
    size_t stride = load_layout_stride(layout);
    /* a part of a row at the end is a row that load_layout_check finds truncated */
    layout->rows = bytes->size / stride + (bytes->size % stride > 0);
    return true;
}

bool
load_fvecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_FLOAT, 4, false}, layout, reason);
}

bool
load_bvecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_UINT, 1, false}, layout, reason);
}

bool
load_ivecs_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_INT, 4, false}, layout, reason);
}
