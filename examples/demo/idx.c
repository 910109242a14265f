#include "idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define MAGIC_LABELS 0x00000801u
#define MAGIC_IMAGES 0x00000803u
#define MAX_SIDE     4096u

static bool
read_number(gzFile file, uint32_t *number)
{
    uint8_t b[4];
    if (gzread(file, b, sizeof b) != (int)sizeof b)
        return false;
    *number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return true;
}

static bool
read_header(gzFile file, idx *data)
{
    uint32_t magic, count, rows = 1, columns = 1;
    if (!read_number(file, &magic) || (magic != MAGIC_LABELS && magic != MAGIC_IMAGES) || !read_number(file, &count))
        return false;
    if (magic == MAGIC_IMAGES && (!read_number(file, &rows) || !read_number(file, &columns)))
        return false;
    if (rows == 0 || columns == 0 || rows > MAX_SIDE || columns > MAX_SIDE)
        return false;
    data->count = count;
    data->dimension = (size_t)rows * columns;
    return true;
}

static bool
read_items(gzFile file, size_t limit, idx *data)
{
    if (data->count > limit)
        data->count = limit;
    data->bytes = malloc(data->count * data->dimension + 1);
    for (size_t i = 0; data->bytes && i < data->count; i++) {
        unsigned int want = (unsigned int)data->dimension;
        if (gzread(file, data->bytes + i * data->dimension, want) != (int)want)
            return false;
    }
    return data->bytes != NULL;
}

bool
idx_read(const char *directory, const char *name, size_t limit, idx *data)
{
    *data = (idx){0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    gzFile file = gzopen(path, "rb");
    bool read = file && read_header(file, data) && read_items(file, limit, data);
    if (file)
        gzclose(file);
    if (!read) {
        fprintf(stderr, "demo: cannot read \"%s\" as an IDX file; install dataset-fashion-mnist or name --data\n",
                path);
        idx_free(data);
    }
    return read;
}

void
idx_free(idx *data)
{
    free(data->bytes);
    *data = (idx){0};
}
