#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

#define TABLE_BYTES ((size_t)256 << 10) /* stays in the cache: making rows should cost little */

/*
 * A doc iterator as a segment of Lucene's gives it: it begins before the first document and knows only the next one.
 * k-NN's remote build opens one for each part and steps to the part's first document (VectorValuesInputStream).
 */
typedef struct bench_walk {
    const uint64_t *live;
    uint64_t document; /* where it stands, plus 1 */
    uint64_t passed;   /* live documents before it */
} bench_walk;

/* --- making -------------------------------------------------------------------------------------------------------- */

static void
make_rows(bench_rows *self, uint64_t first, uint64_t count, float *rows)
{
    size_t dimension = self->options->dimension;
    while (count > 0) {
        uint64_t from = first % self->table_rows, some = self->table_rows - from;
        some = some < count ? some : count;
        memcpy(rows, self->table + from * dimension, some * dimension * sizeof *rows);
        for (uint64_t i = 0; i < some; i++)
            rows[i * dimension] = (float)(first + i);
        self->checksum += (double)some * ((double)first + (double)(some - 1) / 2);
        first += some;
        count -= some;
        rows += some * dimension;
    }
}

static bool
read_rows(void *user, uint64_t first, uint64_t count, float *rows)
{
    make_rows(user, first, count, rows);
    return true;
}

static int64_t
next_rows(void *user, float *rows, uint64_t max)
{
    bench_rows *self = user;
    make_rows(self, self->at, max, rows);
    self->at += max;
    return (int64_t)max;
}

/* --- walking ------------------------------------------------------------------------------------------------------- */

/* The next live document. Not inlined: it stands for a virtual call. */
__attribute__((noinline)) static uint64_t
next_document(bench_walk *walk)
{
    uint64_t at = walk->document;
    while ((walk->live[at / 64] >> (at % 64) & 1) == 0)
        at++;
    walk->document = at + 1;
    walk->passed++;
    return at;
}

static bool
walk_rows(void *user, uint64_t first, uint64_t count, float *rows)
{
    bench_rows *self = user;
    for (uint64_t i = 0; i < count; i++) {
        bench_walk *walk = &self->walks[(first + i) / self->part_rows];
        if (!walk->live || walk->passed > first + i)
            *walk = (bench_walk){.live = self->live};
        while (walk->passed < first + i)
            next_document(walk);
        make_rows(self, next_document(walk), 1, rows + i * self->options->dimension);
    }
    return true;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static bool
set_documents(bench_rows *self)
{
    size_t deleted = self->options->transfer.deleted_percent;
    bench_random random = self->options->seed;
    uint64_t most = self->count * 100 / (100 - deleted) * 2 + 64, live = 0;
    self->live = calloc(most / 64 + 1, sizeof *self->live);
    for (; self->live && live < self->count && self->documents < most; self->documents++) {
        bool is_live = bench_random_unit(&random) * 100 >= (double)deleted;
        self->live[self->documents / 64] |= (uint64_t)is_live << (self->documents % 64);
        live += is_live;
    }
    return live == self->count;
}

static bool
set_table(bench_rows *self)
{
    size_t dimension = self->options->dimension, row_bytes = dimension * sizeof *self->table;
    bench_random random = self->options->seed;
    self->table_rows = TABLE_BYTES > row_bytes ? TABLE_BYTES / row_bytes : 1;
    self->table = bench_random_floats(&random, self->table_rows * dimension);
    return self->table != NULL;
}

static vmx_status
open_memory(bench_rows *self, vmx_error *error)
{
    uint32_t dimension = (uint32_t)self->options->dimension;
    self->lent = malloc(self->documents * dimension * sizeof *self->lent);
    if (!self->lent)
        return VMX_ERR_NO_MEMORY;
    make_rows(self, 0, self->documents, self->lent);
    return vmx_source_from_memory(self->lent, self->documents, dimension, 0, NULL, NULL, &self->source, error);
}

static vmx_status
open_walking(bench_rows *self, vmx_error *error)
{
    self->walks = calloc(self->count / self->part_rows + 1, sizeof *self->walks);
    if (!self->walks)
        return VMX_ERR_NO_MEMORY;
    return vmx_source_from_reader(walk_rows, self, self->count, (uint32_t)self->options->dimension, &self->source,
                                  error);
}

static vmx_status
open_source(bench_rows *self, vmx_error *error)
{
    uint32_t dimension = (uint32_t)self->options->dimension;
    switch (self->options->transfer.rows) {
    case BENCH_ROWS_ITERATOR:
        return vmx_source_from_iterator(next_rows, self, self->count, dimension, &self->source, error);
    case BENCH_ROWS_MEMORY:
        return open_memory(self, error);
    case BENCH_ROWS_WALKING:
        return open_walking(self, error);
    case BENCH_ROWS_READER:
        break;
    }
    return vmx_source_from_reader(read_rows, self, self->documents, dimension, &self->source, error);
}

/* Of the documents only those that live; the iterator gives no others, and walking looks for itself. */
static vmx_status
select_live(bench_rows *self, vmx_error *error)
{
    bench_rows_kind kind = self->options->transfer.rows;
    vmx_source *all = self->source;
    if (self->documents == self->count || kind == BENCH_ROWS_ITERATOR || kind == BENCH_ROWS_WALKING)
        return VMX_OK;
    vmx_status status = vmx_source_from_selection(all, self->live, self->documents, &self->source, error);
    vmx_source_free(all);
    return status;
}

bool
bench_rows_open(bench_rows *rows, const bench_options *options, uint64_t part_bytes)
{
    vmx_error error = {.message = "out of memory"};
    *rows = (bench_rows){.options = options, .count = bench_options_rows(options)};
    rows->part_rows = part_bytes / (options->dimension * sizeof(float));
    bool good = set_documents(rows) && set_table(rows) && open_source(rows, &error) == VMX_OK &&
                select_live(rows, &error) == VMX_OK;
    if (!good)
        fprintf(stderr, "bench: %s\n", error.message);
    return good;
}

void
bench_rows_close(bench_rows *rows)
{
    vmx_source_free(rows->source);
    free(rows->live);
    free(rows->table);
    free(rows->lent);
    free(rows->walks);
}
