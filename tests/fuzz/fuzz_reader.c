/*
 * The fuzz target of one file reader (FUZZ_FORMAT, by -D): any bytes as a file, described, read to the end, and read
 * again from the middle. Whatever the bytes are, the reader gives sound rows or one line that says why not. With
 * FUZZ_IMAGE the bytes are the plan of an HDF5 file.
 */
#include "cli/load/reader.h"
#ifdef FUZZ_IMAGE
#include "hdf5_image.h"
#endif

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROWS_MAX 100000 /* of one file: the target is to be quick */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where every float goes, so that the sanitizer sees one that is not there. */
extern volatile float fuzz_sink;
volatile float fuzz_sink;

static void
check(bool sound, const char *what)
{
    if (sound)
        return;
    fprintf(stderr, "fuzz_reader: %s\n", what);
    abort();
}

/* The bytes as a file without a place on the disk; the same one for every run. */
static const char *
make_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no file");
    return path;
}

static void
check_rows(const load_rows *rows, const load_description *description, size_t max)
{
    check(rows->count > 0 && rows->count <= max, "a block of no rows, or of too many");
    for (size_t i = 0; i < rows->count; i++) {
        const vmx_vector *vector = &rows->vectors[i];
        check(description->dimension == 0 || vector->values.len == description->dimension,
              "a row of another dimension");
        for (size_t j = 0; j < vector->values.len; j++)
            fuzz_sink = vector->values.ptr[j];
        for (size_t j = 0; j < vector->sparse.len; j++)
            fuzz_sink = vector->sparse.values[j] + (float)vector->sparse.indices[j];
        check(vector->metadata.len == 0 || vector->metadata.ptr[vector->metadata.len - 1] == '}', "metadata");
    }
}

/* Reads rows from `first` on; the number behind the last, or 0 when the file is refused. */
static uint64_t
read_from(load_reader *reader, uint64_t first, size_t max)
{
    load_rows rows;
    load_result result;
    cli_reason reason = {""};
    uint64_t next = first;
    check(load_reader_seek(reader, first, &reason) || reason.text[0], "no reason");
    do {
        reason.text[0] = '\0';
        result = load_reader_next(reader, max, &rows, &reason);
        if (result == LOAD_ROWS)
            check_rows(&rows, &reader->description, max);
        if (result == LOAD_ROWS || result == LOAD_BAD_ROW) {
            check(rows.first == next, "a row out of step");
            next += rows.count;
        }
        check((result == LOAD_ROWS || result == LOAD_END) == !reason.text[0], "a reason too many or too few");
        check(!strchr(reason.text, '\n'), "a reason of two lines");
        load_reader_consumed(reader);
    } while ((result == LOAD_ROWS || result == LOAD_BAD_ROW) && next < first + ROWS_MAX);
    check(result != LOAD_END || reader->description.rows == LOAD_UNKNOWN || next >= reader->description.rows,
          "an end before the end");
    return result == LOAD_FAILED ? 0 : next;
}

static load_reader *
open_file(const char *path)
{
    cli_reason reason = {""};
    load_reader *reader = load_reader_open(load_format_find(FUZZ_FORMAT, NULL), path, "train", &reason);
    check(reader || reason.text[0], "no reason");
    return reader;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#ifdef FUZZ_IMAGE
    static uint8_t image[1u << 20];
    size = hdf5_image(data, size, image, sizeof image);
    data = image;
#endif
    const char *path = make_file(data, size);
    load_reader *reader = open_file(path);
    if (!reader)
        return 0;
    size_t max = 1 + size % 7;
    uint64_t end = read_from(reader, 0, max);
    load_reader_close(reader);
    if (end < 2)
        return 0;
    reader = open_file(path);
    check(reader, "a file that was good before");
    check(read_from(reader, end / 2, 1000) >= end / 2, "rows that are no more");
    load_reader_close(reader);
    return 0;
}
