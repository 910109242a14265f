/* The file formats: one matrix in each, read by pieces, by system calls and by a mapping; and files that are not sound. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <vecmux/source.h>

#include "core/random.h"
#include "core/suite.h"

#define ROWS      900
#define DIMENSION 6

static float matrix[ROWS][DIMENSION];
static char directory[] = "/tmp/vmx-source-XXXXXX";

static const char *
path_of(const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void
write_file(const char *name, const void *front, size_t front_len, const void *data, size_t len)
{
    FILE *file = fopen(path_of(name), "wb");
    bool whole = file != NULL && fwrite(front, 1, front_len, file) == front_len && fwrite(data, 1, len, file) == len;
    if (!whole || fclose(file) != 0)
        abort();
}

/* numpy's format 1.0, the header padded to a multiple of 64. */
static size_t
npy_front(char out[128], const char *dictionary)
{
    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(out + 10, dictionary, strlen(dictionary));
    out[127] = '\n';
    return 128;
}

static void
write_all(void)
{
    char npy[128];
    uint32_t counts[] = {ROWS, DIMENSION};
    static uint8_t fvecs[ROWS][4 + sizeof matrix[0]];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < DIMENSION; j++)
            matrix[i][j] = (float)(i * 10 + j);
        memcpy(fvecs[i], &counts[1], 4);
        memcpy(fvecs[i] + 4, matrix[i], sizeof matrix[i]);
    }
    write_file("a.knnvec", "", 0, matrix, sizeof matrix);
    write_file("a.fbin", counts, sizeof counts, matrix, sizeof matrix);
    write_file("a.fvecs", "", 0, fvecs, sizeof fvecs);
    size_t len = npy_front(npy, "{'descr': '<f4', 'fortran_order': False, 'shape': (900, 6), }");
    write_file("a.npy", npy, len, matrix, sizeof matrix);
}

static void
check_pieces(const char *name, bool map)
{
    static float got[ROWS][DIMENSION];
    vmx_file_options options;
    vmx_source *source;
    vmx_error error;
    vmx_random random;
    vmx_random_seed(&random, 11);
    vmx_file_options_init(&options, sizeof options);
    options.dimension = DIMENSION;
    options.map = map;
    ck_assert_msg(vmx_source_from_file(VMX_STR(path_of(name)), &options, &source, &error) == VMX_OK, "%s",
                  error.message);
    ck_assert_uint_eq(vmx_source_count(source), ROWS);
    for (int round = 0; round < 100; round++) {
        uint64_t first = vmx_random_up_to(&random, ROWS), n = vmx_random_up_to(&random, ROWS - first);
        ck_assert_int_eq(vmx_source_read(source, first, n, got[0], NULL, NULL), VMX_OK);
        ck_assert(n == 0 || memcmp(got, matrix[first], n * sizeof got[0]) == 0);
    }
    vmx_source_free(source);
}

START_TEST(test_every_format_reads_the_same)
{
    static const char *const names[] = {"a.knnvec", "a.fbin", "a.fvecs", "a.npy"};
    for (size_t i = 0; i < 4; i++) {
        check_pieces(names[i], false);
        check_pieces(names[i], true);
    }
}
END_TEST

static void
expect_refused(const char *name, uint32_t dimension, const char *words)
{
    vmx_file_options options;
    vmx_source *source;
    vmx_error error;
    vmx_file_options_init(&options, sizeof options);
    options.dimension = dimension;
    ck_assert_int_ne(vmx_source_from_file(VMX_STR(path_of(name)), &options, &source, &error), VMX_OK);
    ck_assert_ptr_null(source);
    ck_assert_msg(strstr(error.message, words) != NULL, "%s: %s", name, error.message);
}

START_TEST(test_unsound_files_are_refused_with_the_reason)
{
    char npy[128];
    uint32_t too_many[] = {ROWS + 1, DIMENSION}, wide[] = {1, 0xffffffff}, nothing[] = {0, 0};
    expect_refused("none.npy", 0, "No such file");
    expect_refused("a.knnvec", 0, "does not say its dimension");
    expect_refused("a.knnvec", 7, "no multiple");
    expect_refused("a.fbin", 7, "its rows have 6 elements, not 7");
    write_file("b.fbin", too_many, 8, matrix, sizeof matrix);
    expect_refused("b.fbin", 0, "shorter than its header says");
    write_file("b.fbin", wide, 8, matrix, sizeof matrix);
    expect_refused("b.fbin", 0, "dimension");
    write_file("b.fbin", nothing, 8, "", 0);
    expect_refused("b.fbin", 0, "dimension");
    write_file("b.fbin", nothing, 3, "", 0);
    expect_refused("b.fbin", 0, "shorter than its header");
    write_file("b.fvecs", too_many, 8, "", 0);
    expect_refused("b.fvecs", 0, "no multiple");
    write_file("b.npy", "PK", 2, matrix, sizeof matrix);
    expect_refused("b.npy", 0, "no .npy file");
    static const char *const bad[][2] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (900, 6), }", "<f4"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (900, 6), }", "Fortran"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (900, 6, 1), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (901, 6), }", "shorter"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 6), }", "shorter"},
        {"{'descr': '<f4', 'fortran_order': False}", "shape"},
        {"{}", "<f4"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file("b.npy", npy, npy_front(npy, bad[i][0]), matrix, sizeof matrix);
        expect_refused("b.npy", 0, bad[i][1]);
    }
}
END_TEST

START_TEST(test_a_row_of_another_dimension_is_found)
{
    float row[2][DIMENSION];
    vmx_source *source;
    vmx_error error;
    FILE *file = fopen(path_of("a.fvecs"), "r+b");
    ck_assert_int_eq(fseek(file, 28, SEEK_SET), 0);
    ck_assert_int_eq(fputc(5, file), 5);
    fclose(file);
    ck_assert_int_eq(vmx_source_from_file(VMX_STR(path_of("a.fvecs")), NULL, &source, &error), VMX_OK);
    ck_assert_int_eq(vmx_source_read(source, 0, 2, row[0], NULL, &error), VMX_ERR_INVALID);
    ck_assert_msg(strstr(error.message, "row 1 has dimension 5") != NULL, "%s", error.message);
    vmx_source_free(source);
}
END_TEST

START_TEST(test_ids_come_from_a_file)
{
    int32_t ids[ROWS], got[3];
    float rows[3][DIMENSION];
    vmx_source *source;
    vmx_error error;
    for (int i = 0; i < ROWS; i++)
        ids[i] = 10 * i;
    write_file("a.knndid", "", 0, ids, sizeof ids);
    write_file("b.knndid", "", 0, ids, sizeof ids - 4);
    ck_assert_int_eq(vmx_source_from_file(VMX_STR(path_of("a.npy")), NULL, &source, NULL), VMX_OK);
    ck_assert_int_eq(vmx_source_set_ids_file(source, VMX_STR(path_of("b.knndid")), &error), VMX_ERR_INVALID);
    ck_assert_msg(strstr(error.message, "899 ids for 900 vectors") != NULL, "%s", error.message);
    ck_assert_int_eq(vmx_source_set_ids_file(source, VMX_STR(path_of("a.knndid")), NULL), VMX_OK);
    ck_assert_int_eq(vmx_source_read(source, 100, 3, rows[0], got, NULL), VMX_OK);
    ck_assert(got[0] == 1000 && got[2] == 1020 && rows[2][1] == 1021);
    vmx_source_free(source);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_every_format_reads_the_same, test_unsound_files_are_refused_with_the_reason,
                                  test_a_row_of_another_dimension_is_found, test_ids_come_from_a_file, NULL};
    static const char *const names[] = {"a.knnvec", "a.fbin", "a.fvecs",  "a.npy",   "b.fbin",
                                        "b.fvecs",  "b.npy",  "a.knndid", "b.knndid"};
    if (mkdtemp(directory) == NULL)
        return EXIT_FAILURE;
    write_all();
    int result = run_suite("files", tests);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path_of(names[i]));
    rmdir(directory);
    return result;
}
