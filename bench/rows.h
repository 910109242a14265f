/*
 * rows.h: the vectors of an upload: made when they are asked for, so that any number of bytes needs no memory and no disk.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include <vecmux/vecmux.h>

#include "options.h"

typedef struct bench_rows {
    const bench_options *options;
    vmx_source *source;
    uint64_t count;     /* live rows */
    uint64_t documents; /* with those that are deleted */
    uint64_t *live;     /* a bit for each document */
    float *table;       /* table_rows vectors; a row is one of them, with its number as the first value */
    uint64_t table_rows;
    float *lent;              /* BENCH_ROWS_MEMORY: all of them */
    uint64_t part_rows;       /* of an upload's part */
    struct bench_walk *walks; /* BENCH_ROWS_WALKING: an iterator for each part */
    uint64_t at;              /* BENCH_ROWS_ITERATOR */
    double checksum;          /* of the numbers of all documents that were made */
} bench_rows;

/*
 * The source of an upload in parts of `part_bytes`, as the options want it. With deleted documents it is a selection of
 * the live ones, but for walking, which finds them by itself. False after one line on stderr; close it either way.
 */
bool
bench_rows_open(bench_rows *rows, const bench_options *options, uint64_t part_bytes);

void
bench_rows_close(bench_rows *rows);

#endif
