/* Memory, selections and iterators: what is read is what is there, and no more is read than is asked for. */
#include <string.h>
#include <vecmux/source.h>

#include "core/random.h"
#include "core/suite.h"
#include "source/blob.h"
#include "source/source.h"

#define ROWS      2000
#define DIMENSION 7

static float matrix[ROWS][DIMENSION];

static void
fill_matrix(void)
{
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < DIMENSION; j++)
            matrix[i][j] = (float)(i * DIMENSION + j);
}

static void
count_call(void *user)
{
    ++*(int *)user;
}

START_TEST(test_memory_is_lent_until_the_last_user_lets_go)
{
    int released = 0;
    float values[] = {1, 2, 3, 4, 5, 6}, row[2];
    int32_t id;
    vmx_source *source;
    ck_assert_int_eq(vmx_source_from_memory(values, 2, 2, 3, count_call, &released, &source, NULL), VMX_OK);
    ck_assert_uint_eq(vmx_source_count(source), 2);
    ck_assert(vmx_source_is_seekable(source));
    ck_assert_int_eq(vmx_source_read(source, 1, 1, row, &id, NULL), VMX_OK);
    ck_assert(row[0] == 4 && row[1] == 5 && id == 1);
    ck_assert_int_eq(vmx_source_read(source, 1, 2, row, NULL, NULL), VMX_ERR_INVALID);
    vmx_source_acquire(source);
    vmx_source_free(source);
    ck_assert_int_eq(released, 0);
    vmx_source_free(source);
    ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(test_ids_belong_to_their_rows)
{
    float values[] = {1, 2, 3, 4};
    int32_t ids[] = {40, 30, 20, 10}, got[2];
    float row[2];
    uint64_t live = 0xa; /* rows 1 and 3 */
    vmx_source *all, *some;
    ck_assert_int_eq(vmx_source_from_memory(values, 4, 1, 0, NULL, NULL, &all, NULL), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids(all, ids, 3, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_source_set_ids(all, ids, 4, NULL), VMX_OK);
    ck_assert_int_eq(vmx_source_from_selection(all, &live, 4, &some, NULL), VMX_OK);
    vmx_source_free(all);
    ck_assert_int_eq(vmx_source_read(some, 0, 2, row, got, NULL), VMX_OK);
    ck_assert(row[0] == 2 && row[1] == 4 && got[0] == 30 && got[1] == 10);
    vmx_source_free(some);
}
END_TEST

/* For shares of deleted rows from none to all, any piece of a selection is what a walk over the bits gives. */
START_TEST(test_a_selection_is_what_a_walk_gives)
{
    static uint64_t live[ROWS / 64 + 1];
    static float got[ROWS][DIMENSION];
    static size_t place[ROWS];
    vmx_random random;
    vmx_source *all, *some;
    fill_matrix();
    vmx_random_seed(&random, 7);
    ck_assert_int_eq(vmx_source_from_memory(matrix[0], ROWS, DIMENSION, 0, NULL, NULL, &all, NULL), VMX_OK);
    for (unsigned share = 0; share <= 10; share++) {
        size_t count = 0;
        memset(live, 0xff, sizeof live); /* also beyond the last row */
        for (size_t i = 0; i < ROWS; i++) {
            if (vmx_random_up_to(&random, 9) < share)
                live[i / 64] &= ~(UINT64_C(1) << i % 64);
            else
                place[count++] = i;
        }
        ck_assert_int_eq(vmx_source_from_selection(all, live, ROWS, &some, NULL), VMX_OK);
        ck_assert_uint_eq(vmx_source_count(some), count);
        uint64_t before = vmx_source_rows_read(all), asked = 0;
        for (int round = 0; count > 0 && round < 60; round++) {
            size_t first = vmx_random_up_to(&random, count - 1), n = vmx_random_up_to(&random, count - first);
            ck_assert_int_eq(vmx_source_read(some, first, n, got[0], NULL, NULL), VMX_OK);
            for (size_t i = 0; i < n; i++)
                ck_assert_mem_eq(got[i], matrix[place[first + i]], sizeof got[i]);
            asked += n;
        }
        ck_assert_uint_eq(vmx_source_rows_read(some), asked);
        ck_assert_uint_eq(vmx_source_rows_read(all) - before, asked);
        vmx_source_free(some);
    }
    vmx_source_free(all);
}
END_TEST

static int64_t
next_rows(void *user, float *rows, uint64_t max)
{
    uint64_t *at = user, made = max < 3 ? max : 3;
    if (*at + made > ROWS)
        return -1;
    memcpy(rows, matrix[*at], made * sizeof matrix[0]);
    *at += made;
    return (int64_t)made;
}

START_TEST(test_an_iterator_is_read_once_from_the_front)
{
    static float got[10][DIMENSION];
    uint64_t at = 0, live = 1;
    vmx_source *source, *some;
    fill_matrix();
    ck_assert_int_eq(vmx_source_from_iterator(next_rows, &at, ROWS, DIMENSION, &source, NULL), VMX_OK);
    ck_assert(!vmx_source_is_seekable(source));
    ck_assert_int_eq(vmx_source_read(source, 0, 10, got[0], NULL, NULL), VMX_OK);
    ck_assert_mem_eq(got, matrix, sizeof got);
    ck_assert_int_eq(vmx_source_read(source, 0, 1, got[0], NULL, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_source_read(source, 10, 10, got[0], NULL, NULL), VMX_OK);
    ck_assert_mem_eq(got, matrix[10], sizeof got);
    ck_assert_int_eq(vmx_source_from_selection(source, &live, ROWS, &some, NULL), VMX_ERR_INVALID);
    at = ROWS;
    ck_assert_int_eq(vmx_source_read(source, 20, 1, got[0], NULL, NULL), VMX_ERR_IO);
    vmx_source_free(source);
}
END_TEST

static bool
read_matrix(void *user, uint64_t first, uint64_t count, float *rows)
{
    uint64_t *broken = user;
    memcpy(rows, matrix[first], count * sizeof matrix[0]);
    return first + count <= *broken;
}

START_TEST(test_a_reader_gives_any_row_also_to_a_selection)
{
    static float got[10][DIMENSION];
    uint64_t broken = ROWS, live[ROWS / 64 + 1] = {0x8000000000000009};
    vmx_source *source, *some;
    fill_matrix();
    ck_assert_int_eq(vmx_source_from_reader(NULL, NULL, ROWS, DIMENSION, &source, NULL), VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_source_from_reader(read_matrix, &broken, ROWS, DIMENSION, &source, NULL), VMX_OK);
    ck_assert(vmx_source_is_seekable(source));
    for (uint64_t first = 20; first > 0; first -= 10) {
        ck_assert_int_eq(vmx_source_read(source, first, 10, got[0], NULL, NULL), VMX_OK);
        ck_assert_mem_eq(got, matrix[first], sizeof got);
    }
    ck_assert_int_eq(vmx_source_from_selection(source, live, ROWS, &some, NULL), VMX_OK);
    ck_assert_int_eq(vmx_source_read(some, 1, 2, got[0], NULL, NULL), VMX_OK);
    ck_assert_mem_eq(got[0], matrix[3], sizeof got[0]);
    ck_assert_mem_eq(got[1], matrix[63], sizeof got[0]);
    ck_assert_uint_eq(vmx_source_rows_read(source), 22);
    broken = 5;
    vmx_error error;
    ck_assert_int_eq(vmx_source_read(source, 3, 3, got[0], NULL, &error), VMX_ERR_IO);
    ck_assert(strstr(error.message, "rows 3 to 5") != NULL);
    vmx_source_free(some);
    vmx_source_free(source);
}
END_TEST

/* Any piece of a blob, converted or not, is that piece of the whole. */
START_TEST(test_any_piece_of_a_blob_is_a_piece_of_the_whole)
{
    static uint8_t whole[sizeof matrix], piece[sizeof matrix], scratch[1 << 17];
    vmx_random random;
    vmx_source *source;
    fill_matrix();
    vmx_random_seed(&random, 3);
    ck_assert_int_eq(vmx_source_from_memory(matrix[0], ROWS, DIMENSION, 0, NULL, NULL, &source, NULL), VMX_OK);
    for (int kind = 0; kind < 4; kind++) {
        vmx_blob blob;
        vmx_blob_init(&blob, source->vectors, kind & 1 ? VMX_BLOB_FLOAT16 : VMX_BLOB_AS_IS, (kind & 2) != 0);
        blob.scratch = scratch;
        ck_assert_uint_le(vmx_blob_scratch_bytes(&blob), sizeof scratch);
        ck_assert_uint_eq(blob.size_bytes, sizeof matrix / (kind & 1 ? 2 : 1));
        ck_assert_int_eq(vmx_blob_read(&blob, 0, blob.size_bytes, whole, NULL), VMX_OK);
        for (int round = 0; round < 100; round++) {
            size_t offset = vmx_random_up_to(&random, blob.size_bytes - 1);
            size_t len = vmx_random_up_to(&random, round % 2 ? 100 : blob.size_bytes - offset);
            len = len < blob.size_bytes - offset ? len : blob.size_bytes - offset;
            ck_assert_int_eq(vmx_blob_read(&blob, offset, len, piece, NULL), VMX_OK);
            ck_assert(len == 0 || memcmp(piece, whole + offset, len) == 0);
            const uint8_t *view = vmx_blob_view(&blob, offset, len);
            ck_assert((view != NULL) == (kind == 0 && len > 0));
            ck_assert(view == NULL || memcmp(view, whole + offset, len) == 0);
        }
    }
    vmx_source_free(source);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_memory_is_lent_until_the_last_user_lets_go,
                                  test_ids_belong_to_their_rows,
                                  test_a_selection_is_what_a_walk_gives,
                                  test_an_iterator_is_read_once_from_the_front,
                                  test_a_reader_gives_any_row_also_to_a_selection,
                                  test_any_piece_of_a_blob_is_a_piece_of_the_whole,
                                  NULL};
    return run_suite("source", tests);
}
