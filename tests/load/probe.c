/*
 * probe: the readers of src/cli/load on their own, for the tests.
 *   probe read FORMAT PATH FIRST MAX   writes the rows from FIRST on as float32, read at most MAX at a time
 *   probe cut FORMAT PATH              reads every shorter beginning of the file; for each a line: its length, and the
 *                                      reason, or "rows N" where it reads to its end
 *   probe ids PATTERN NUMBER...        writes the ids
 */
#include "cli/load/id_format.h"
#include "cli/load/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_MAX 65536

static int
fail(const char *text)
{
    fprintf(stderr, "probe: %s\n", text);
    return 1;
}

static int
read_rows(const char *format, const char *path, uint64_t first, size_t max)
{
    cli_reason reason;
    load_rows rows;
    load_result result;
    load_reader *reader = load_reader_open(load_format_find(format, path), path, "train", &reason);
    if (!reader || !load_reader_seek(reader, first, &reason))
        return fail(reason.text);
    for (uint64_t expected = first; (result = load_reader_next(reader, max, &rows, &reason)) == LOAD_ROWS;) {
        if (rows.first != expected || rows.count == 0 || rows.count > max)
            return fail("rows are out of step");
        for (size_t i = 0; i < rows.count; i++)
            fwrite(rows.vectors[i].values.ptr, sizeof(float), rows.vectors[i].values.len, stdout);
        expected += rows.count;
    }
    load_reader_close(reader);
    return result == LOAD_END ? 0 : fail(reason.text);
}

/* Reads a file to its end; how many rows, or -1 with a reason. */
static long
count_rows(const char *format, const char *path, cli_reason *reason)
{
    load_rows rows;
    load_result result;
    long count = 0;
    load_reader *reader = load_reader_open(load_format_find(format, path), path, "train", reason);
    if (!reader)
        return -1;
    while ((result = load_reader_next(reader, 3, &rows, reason)) == LOAD_ROWS)
        count += (long)rows.count;
    load_reader_close(reader);
    return result == LOAD_END ? count : -1;
}

static int
cut(const char *format, const char *path)
{
    static char data[FILE_MAX];
    char name[64];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(data, 1, sizeof data, file) : 0;
    int fd = memfd_create("probe", MFD_CLOEXEC);
    if (!file || size == 0 || size == sizeof data || fd < 0)
        return fail("cannot read the file");
    fclose(file);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    for (size_t length = 0; length < size; length++) {
        cli_reason reason = {""};
        if (ftruncate(fd, 0) != 0 || pwrite(fd, data, length, 0) != (ssize_t)length)
            return fail("cannot write");
        long rows = count_rows(format, name, &reason);
        if (rows >= 0)
            printf("%zu rows %ld\n", length, rows);
        else
            printf("%zu %s\n", length, reason.text);
    }
    close(fd);
    return 0;
}

static int
write_ids(const char *pattern, int count, char **numbers)
{
    cli_reason reason;
    load_id_format format;
    if (!load_id_format_parse(&format, pattern, &reason))
        return fail(reason.text);
    for (int i = 0; i < count; i++) {
        char id[LOAD_ID_MAX];
        printf("%.*s\n", (int)load_id_format_write(&format, strtoull(numbers[i], NULL, 10), id), id);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "read") == 0)
        return read_rows(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    if (argc == 4 && strcmp(argv[1], "cut") == 0)
        return cut(argv[2], argv[3]);
    if (argc >= 3 && strcmp(argv[1], "ids") == 0)
        return write_ids(argv[2], argc - 3, argv + 3);
    return fail("wrong arguments");
}
