#include "writer/arrow_producer.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t producer_alive;

/* --- schemas ------------------------------------------------------------------------------------------------------- */

static void
release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    if (schema->dictionary != NULL) {
        schema->dictionary->release(schema->dictionary);
        free(schema->dictionary);
    }
    free(schema->children);
    schema->release = NULL;
    producer_alive--;
}

static struct ArrowSchema *
new_schema(const column *c)
{
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    ck_assert_ptr_nonnull(schema);
    schema->format = c->format;
    schema->name = c->name;
    schema->release = release_schema;
    producer_alive++;
    if (c->items != NULL) {
        schema->n_children = 1;
        schema->children = calloc(1, sizeof *schema->children);
        schema->children[0] = new_schema(c->items);
    }
    if (c->dictionary != NULL)
        schema->dictionary = new_schema(c->dictionary);
    return schema;
}

/* --- arrays -------------------------------------------------------------------------------------------------------- */

static void
release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    if (array->dictionary != NULL) {
        array->dictionary->release(array->dictionary);
        free(array->dictionary);
    }
    free(array->children);
    free(array->buffers);
    array->release = NULL;
    producer_alive--;
}

static struct ArrowArray *
new_array(const column *c)
{
    struct ArrowArray *array = calloc(1, sizeof *array);
    ck_assert_ptr_nonnull(array);
    array->length = c->length;
    array->null_count = c->null_count;
    array->offset = c->offset;
    array->n_buffers = c->n_buffers;
    array->buffers = calloc(6, sizeof *array->buffers);
    memcpy(array->buffers, c->buffers, sizeof c->buffers);
    array->release = release_array;
    producer_alive++;
    if (c->items != NULL) {
        array->n_children = 1;
        array->children = calloc(1, sizeof *array->children);
        array->children[0] = new_array(c->items);
    }
    if (c->dictionary != NULL)
        array->dictionary = new_array(c->dictionary);
    return array;
}

/* --- batches ------------------------------------------------------------------------------------------------------- */

static void
produce_schema(struct ArrowSchema *schema, const column *columns, size_t count)
{
    const column top = {.format = "+s", .name = ""};
    struct ArrowSchema *made = new_schema(&top);
    *schema = *made;
    free(made);
    schema->n_children = (int64_t)count;
    schema->children = calloc(count, sizeof *schema->children);
    for (size_t i = 0; i < count; i++)
        schema->children[i] = new_schema(&columns[i]);
}

static void
produce_array(struct ArrowArray *array, const column *columns, size_t count, int64_t length, int64_t offset)
{
    const column top = {.length = length, .offset = offset, .n_buffers = 1};
    struct ArrowArray *made = new_array(&top);
    *array = *made;
    free(made);
    array->n_children = (int64_t)count;
    array->children = calloc(count, sizeof *array->children);
    for (size_t i = 0; i < count; i++)
        array->children[i] = new_array(&columns[i]);
}

void
produce_batch(struct ArrowSchema *schema, struct ArrowArray *array, const column *columns, size_t count, int64_t length,
              int64_t offset)
{
    produce_schema(schema, columns, count);
    produce_array(array, columns, count, length, offset);
}

void
produce_release(struct ArrowSchema *schema, struct ArrowArray *array)
{
    schema->release(schema);
    array->release(array);
}

/* --- streams ------------------------------------------------------------------------------------------------------- */

typedef struct producer {
    const column *columns;
    size_t count, batches;
    int64_t length;
    bool fails;
} producer;

static int
get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema)
{
    const producer *p = stream->private_data;
    produce_schema(schema, p->columns, p->count);
    return 0;
}

static int
get_next(struct ArrowArrayStream *stream, struct ArrowArray *array)
{
    producer *p = stream->private_data;
    array->release = NULL;
    if (p->batches == 0)
        return p->fails ? EIO : 0;
    p->batches--;
    produce_array(array, p->columns, p->count, p->length, 0);
    return 0;
}

static const char *
get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return "the disk is gone";
}

static void
release_stream(struct ArrowArrayStream *stream)
{
    free(stream->private_data);
    stream->release = NULL;
    producer_alive--;
}

void
produce_stream(struct ArrowArrayStream *stream, const column *columns, size_t count, int64_t length, size_t batches,
               bool fails)
{
    producer *p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    *p = (producer){columns, count, batches, length, fails};
    *stream = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, p};
    producer_alive++;
}
