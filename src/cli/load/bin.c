/*
 * The big-ann-benchmarks formats .fbin, .u8bin and .i8bin (https://big-ann-benchmarks.com): the number of rows and the
 * dimension as uint32, then the rows as float32, uint8 or int8; little-endian.
 */
#include "layout.h"

#include <endian.h>

static bool
read_layout(load_bytes *bytes, load_type type, load_layout *layout, cli_reason *reason)
{
    uint32_t header[2];
    if (!load_bytes_exact(bytes, 0, header, sizeof header, "the header", reason))
        return false;
    uint32_t dimension = le32toh(header[1]);
    if (dimension == 0 || dimension > LOAD_DIMENSION_MAX)
        return cli_refuse(reason, "byte 4: dimension %lu; 1 to %d was expected", (unsigned long)dimension,
                          LOAD_DIMENSION_MAX);
    *layout = (load_layout){
        .type = type, .rank = 2, .rows = le32toh(header[0]), .dimension = dimension, .offset = sizeof header};
    return true;
}

bool
load_fbin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_FLOAT, 4, false}, layout, reason);
}

bool
load_u8bin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_UINT, 1, false}, layout, reason);
}

bool
load_i8bin_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    return read_layout(bytes, (load_type){LOAD_INT, 1, false}, layout, reason);
}
