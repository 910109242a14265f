/*
 * tests/writer/arrow_producer.h: a small producer of the Arrow C Data Interface. Buffers are the test's own memory; what
 * is made here is counted until it is released.
 */
#ifndef TESTS_WRITER_ARROW_PRODUCER_H
#define TESTS_WRITER_ARROW_PRODUCER_H

#include <stddef.h>
#include <vecmux/arrow.h>

#define PRODUCER_MAX 16

/* One array of a format; buffers that are NULL stay so. */
typedef struct column {
    const char *format, *name;
    int64_t length, null_count, offset;
    int64_t n_buffers;
    const void *buffers[6];
    const struct column *items;      /* of a list */
    const struct column *dictionary; /* its values */
} column;

/* Schemas and arrays that were made and not released yet. */
extern size_t producer_alive;

/* A record batch of the columns; rows [offset, offset + length) of them. */
void
produce_batch(struct ArrowSchema *schema, struct ArrowArray *array, const column *columns, size_t count, int64_t length,
              int64_t offset);

void
produce_release(struct ArrowSchema *schema, struct ArrowArray *array);

/* A stream of `batches` batches of the same columns; then an error if `fails`. */
void
produce_stream(struct ArrowArrayStream *stream, const column *columns, size_t count, int64_t length, size_t batches,
               bool fails);

#endif
