/*
 * IDX, the format of the MNIST family, as its makers document it: two zero bytes, a type, the number of axes, the
 * length of each axis as uint32, then the numbers; all big-endian.
 */
#include "layout.h"

#include <endian.h>

#define AXES_MAX 8

static bool
type_of(uint8_t code, load_type *type)
{
    static const struct {
        uint8_t code;
        load_type type;
    } types[] = {
        {0x08, {LOAD_UINT, 1, true}}, {0x09, {LOAD_INT, 1, true}},   {0x0b, {LOAD_INT, 2, true}},
        {0x0c, {LOAD_INT, 4, true}},  {0x0d, {LOAD_FLOAT, 4, true}}, {0x0e, {LOAD_FLOAT, 8, true}},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].code == code) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

bool
load_idx_layout(load_bytes *bytes, load_layout *layout, cli_reason *reason)
{
    uint8_t magic[4];
    uint32_t axes[AXES_MAX];
    uint64_t shape[AXES_MAX] = {0};
    if (!load_bytes_exact(bytes, 0, magic, sizeof magic, "the header", reason))
        return false;
    if (magic[0] != 0 || magic[1] != 0)
        return cli_refuse(reason, "byte 0: no IDX file: it begins with %02x %02x, not 00 00", magic[0], magic[1]);
    if (!type_of(magic[2], &layout->type))
        return cli_refuse(reason, "byte 2: type 0x%02x; 0x08, 09, 0b, 0c, 0d or 0e was expected", magic[2]);
    size_t rank = magic[3];
    if (rank == 0 || rank > AXES_MAX)
        return cli_refuse(reason, "byte 3: %zu axes; 1 to %d were expected", rank, AXES_MAX);
    if (!load_bytes_exact(bytes, sizeof magic, axes, rank * sizeof *axes, "the lengths of the axes", reason))
        return false;
    for (size_t i = 0; i < rank; i++)
        shape[i] = be32toh(axes[i]);
    layout->offset = sizeof magic + rank * sizeof *axes;
    return load_layout_set_shape(layout, shape, rank, reason);
}
