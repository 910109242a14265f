/*
 * The fuzz target of a file reader: any bytes as a file, described, read to the end, and read again from the middle.
 * Whatever the bytes are, the reader gives sound rows or one line that says why not. The first byte says which of
 * FUZZ_FORMATS (names, by -D) the rest is, and whether it is packed by gzip: a packed file that mutation has made has
 * wrong sums, so what is in it would never be read. With FUZZ_IMAGE the bytes are the plan of an HDF5 file.
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
#include <zlib.h>

#define ROWS_MAX   100000 /* of one file: the target is to be quick */
#define PACKED_MAX 65535  /* what one stored block of deflate takes */

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

static void
put_le(uint8_t *to, uint32_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Packs by gzip (RFC 1952) without making it smaller: one stored block (RFC 1951, 3.2.4), the sum, the size. */
static size_t
pack(const uint8_t *data, size_t size, uint8_t *packed)
{
    static const uint8_t head[11] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1};
    memcpy(packed, head, sizeof head);
    put_le(packed + 11, (uint32_t)size, 2);
    put_le(packed + 13, ~(uint32_t)size, 2);
    memcpy(packed + 15, data, size);
    put_le(packed + 15 + size, (uint32_t)crc32(0, data, (uInt)size), 4);
    put_le(packed + 19 + size, (uint32_t)size, 4);
    return size + 23;
}

/* The bytes as a file without a place on the disk; the same one for every run. */
static const char *
make_file(const uint8_t *data, size_t size, bool packed)
{
    static int fd = -1;
    static char path[64];
    static uint8_t buffer[PACKED_MAX + 23];
    if (packed && size <= PACKED_MAX) {
        size = pack(data, size, buffer);
        data = buffer;
    }
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    check(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size && ftruncate(fd, (off_t)size) == 0, "no file");
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
open_file(const load_format *format, const char *path)
{
    cli_reason reason = {""};
    load_reader *reader = load_reader_open(format, path, "train", &reason);
    check(reader || reason.text[0], "no reason");
    return reader;
}

static void
check_file(const load_format *format, const char *path, size_t max)
{
    load_reader *reader = open_file(format, path);
    if (!reader)
        return;
    uint64_t end = read_from(reader, 0, max);
    load_reader_close(reader);
    if (end < 2)
        return;
    reader = open_file(format, path);
    check(reader, "a file that was good before");
    check(read_from(reader, end / 2, 1000) >= end / 2, "rows that are no more");
    load_reader_close(reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {FUZZ_FORMATS};
    size_t max = 1 + size % 7;
#ifdef FUZZ_IMAGE
    static uint8_t image[1u << 20];
    size = hdf5_image(data, size, image, sizeof image);
    check_file(load_format_find(formats[0], NULL), make_file(image, size, false), max);
#else
    if (size == 0)
        return 0;
    const load_format *format = load_format_find(formats[data[0] / 2 % (sizeof formats / sizeof *formats)], NULL);
    check_file(format, make_file(data + 1, size - 1, data[0] % 2 == 1), max);
#endif
    return 0;
}
