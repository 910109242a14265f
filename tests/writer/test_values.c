/*
 * Vectors of an id and values are written in a way of their own: their bytes are protobuf's (the store sees to that), and a
 * value that is not a finite number is found wherever it stands, with nothing of its vector left behind.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/suite.h"
#include "writer/harness.h"

enum { ROWS = 40, ID_SIZE = 512, MAX_WIDTH = 5000 };

/* The rows that a test puts: `count` of them, with ids and values. */
typedef struct rows {
    vmx_vector vectors[ROWS];
    char ids[ROWS][ID_SIZE + 1];
    float *values;
    size_t count, width;
    bool lent;
    size_t given_back;
} rows;

/* Ids are the row's number, `id_len` bytes long (but at least as long as the number), zeros in front. */
static rows *
make_rows(size_t width, size_t id_len, bool lent)
{
    rows *all = calloc(1, sizeof *all);
    all->count = ROWS;
    all->width = width;
    all->lent = lent;
    all->values = calloc(ROWS * width, sizeof(float));
    for (size_t i = 0; i < ROWS; i++) {
        vmx_vector *vector = &all->vectors[i];
        snprintf(all->ids[i], sizeof all->ids[i], "%0*zu", (int)id_len, i);
        for (size_t v = 0; v < width; v++)
            all->values[i * width + v] = (float)(i + 1) + (float)v / 8192;
        vmx_vector_init(vector, sizeof *vector);
        vector->id = (vmx_str){all->ids[i], strlen(all->ids[i])};
        vector->values = (vmx_floats){all->values + i * width, width};
    }
    return all;
}

static void
free_rows(rows *all)
{
    free(all->values);
    free(all);
}

static void
on_given_back(void *user)
{
    ((rows *)user)->given_back++;
}

static vmx_status
put_from(vmx_writer *writer, rows *all, size_t from, size_t *taken)
{
    vmx_vectors some = {all->vectors + from, all->count - from, sizeof all->vectors[0]};
    return all->lent ? vmx_writer_lend(writer, &some, on_given_back, all, 600000, taken, &error)
                     : vmx_writer_put(writer, &some, 600000, taken, &error);
}

static void
expect_stored(size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_float_eq(s.values[i], (float)(i + 1));
    ck_assert_uint_eq(store_count(&s), count);
}

static void
put_all(size_t width, size_t id_len, bool lent)
{
    size_t taken;
    store_open(&s, 1, NULL);
    vmx_writer_options options = default_options();
    options.batch_vectors = 17; /* runs and batches end at different rows */
    vmx_writer *writer = open_writer(&options);
    rows *all = make_rows(width, id_len, lent);
    ck_assert_msg(put_from(writer, all, 0, &taken) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, ROWS);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    expect_stored(ROWS);
    close_all(writer);
    ck_assert_uint_eq(all->given_back, lent ? 1 : 0);
    free_rows(all);
}

START_TEST(their_bytes_are_protobufs)
{
    static const size_t widths[] = {1, 2, 31, 32, 33, 511, 512, 784, 4096, MAX_WIDTH};
    static const size_t id_lens[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 128, ID_SIZE};
    for (size_t i = 0; i < sizeof id_lens / sizeof id_lens[0]; i++)
        put_all(widths[i % 10], id_lens[i], i % 3 == 0);
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        put_all(widths[i], id_lens[i + 5], true);
        put_all(widths[i], id_lens[i], false);
    }
}
END_TEST

/* No two rows that follow each other have ids of one length: nothing that was made for one serves the next. */
START_TEST(ids_may_change_their_length_from_row_to_row)
{
    size_t taken;
    store_open(&s, 1, NULL);
    vmx_writer *writer = open_writer(NULL);
    rows *all = make_rows(8, 3, false);
    for (size_t i = 0; i < ROWS; i++) {
        int len = snprintf(all->ids[i], sizeof all->ids[i], "%0*zu", 3 + (int)(i % 2), i);
        all->vectors[i].id.len = (size_t)len;
    }
    ck_assert_msg(put_from(writer, all, 0, &taken) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, ROWS);
    close_all(writer);
    expect_stored(ROWS);
    free_rows(all);
}
END_TEST

/* Row `bad` has a value that is not finite at `at`: it is refused by name, and put again when it is mended. */
static void
refuse_one(size_t width, bool lent, size_t bad, size_t at)
{
    size_t taken, first = 0;
    char named[64], valued[64];
    store_open(&s, 2, NULL);
    vmx_writer_options options = default_options();
    options.batch_vectors = 17;
    vmx_writer *writer = open_writer(&options);
    rows *all = make_rows(width, 3, lent);
    float *value = &all->values[bad * width + at], good = *value;
    *value = at % 2 == 0 ? NAN : -INFINITY;
    snprintf(named, sizeof named, "put: vector %zu (id \"%03zu\")", bad, bad);
    snprintf(valued, sizeof valued, ": values[%zu] is %s", at, at % 2 == 0 ? "NaN" : "infinite");
    ck_assert_int_eq(put_from(writer, all, 0, &taken), VMX_ERR_INVALID);
    ck_assert_msg(strstr(error.message, named) != NULL && strstr(error.message, valued) != NULL, "%s", error.message);
    ck_assert_uint_eq(taken, bad);
    ck_assert_uint_eq(account_of(writer).taken, bad);
    if (bad == 0)
        ck_assert_uint_eq(used_bytes(), 0); /* no batch was opened for it */
    first = taken;
    *value = good;
    ck_assert_msg(put_from(writer, all, first, &taken) == VMX_OK, "%s", error.message);
    ck_assert_uint_eq(taken, ROWS - first);
    ck_assert_int_eq(vmx_writer_flush(writer, 60000, &error), VMX_OK);
    expect_stored(ROWS);
    ck_assert_uint_eq(s.vectors, ROWS);
    close_all(writer);
    free_rows(all);
}

START_TEST(a_bad_value_is_found_wherever_it_stands)
{
    static const size_t bads[] = {0, 1, 15, 16, 17, 33, 34, 39};
    static const size_t widths[] = {1, 9, 784};
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++)
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            size_t width = widths[w];
            refuse_one(width, false, bads[i], width / 2);
            refuse_one(width, false, bads[i], width - 1);
            refuse_one(width, true, bads[i], bads[i] % width);
        }
}
END_TEST

/* A bad vector is refused whether or not there is room for a good one. */
START_TEST(a_bad_value_is_told_before_want_of_room)
{
    size_t taken;
    const char *const properties[] = {"memory.limit.bytes", "1m", NULL};
    store_open(&s, 3, properties);
    s.stalled_until_us = world_now(s.w) + 20000000;
    vmx_writer *writer = open_writer(NULL);
    rows *all = make_rows(MAX_WIDTH, 3, false);
    vmx_status status = VMX_OK;
    for (size_t i = 0; i < 10 && status == VMX_OK; i++) {
        vmx_vectors some = {all->vectors, ROWS, sizeof all->vectors[0]};
        status = vmx_writer_put(writer, &some, 0, &taken, &error);
    }
    ck_assert_int_eq(status, VMX_ERR_WOULD_BLOCK);
    all->values[0] = NAN;
    ck_assert_int_eq(vmx_writer_put(writer, &(vmx_vectors){all->vectors, 1, 0}, 0, &taken, &error), VMX_ERR_INVALID);
    ck_assert_uint_eq(taken, 0);
    close_all(writer);
    free_rows(all);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {their_bytes_are_protobufs, ids_may_change_their_length_from_row_to_row,
                                  a_bad_value_is_found_wherever_it_stands, a_bad_value_is_told_before_want_of_room,
                                  NULL};
    return run_suite("writer_values", tests);
}
