/*
 * idx.h: the gzip'ed IDX files of the MNIST family, as documented by their makers: a big-endian header (magic number,
 * count, and for images rows and columns), then one byte for each label or pixel.
 */
#ifndef DEMO_IDX_H
#define DEMO_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct idx {
    size_t count;
    size_t dimension; /* pixels of one image; 1 for labels */
    uint8_t *bytes;   /* count * dimension; owned, freed by idx_free */
} idx;

/* Reads at most `limit` items of a file; false after one line on stderr. */
bool
idx_read(const char *directory, const char *name, size_t limit, idx *data);

void
idx_free(idx *data);

#endif
