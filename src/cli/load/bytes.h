/*
 * bytes.h: the bytes of a file as the readers see it: a plain file, one that gzip has packed (told by its first two
 * bytes), or a stream. Nothing is ever held whole; one thread.
 */
#ifndef VMX_CLI_LOAD_BYTES_H
#define VMX_CLI_LOAD_BYTES_H

#include "cli/json.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#define LOAD_UNKNOWN UINT64_MAX

/* A signal asked for the end: a stream that has nothing to read is not waited for any longer, and is refused. */
extern volatile sig_atomic_t load_interrupted;

typedef struct load_bytes {
    int fd;            /* -1 when `gz` holds it */
    gzFile gz;         /* NULL for what is not packed */
    bool seekable;     /* false for a pipe or a terminal: reads must follow each other */
    uint64_t size;     /* unpacked; LOAD_UNKNOWN for a stream, and for a packed file before it was measured */
    uint64_t packed;   /* size of the file as it lies on the disk; LOAD_UNKNOWN for a stream */
    uint64_t position; /* behind the last byte read */
} load_bytes;

/* Opens `path`, "-" is standard input. False with a reason that does not name the path; close it only after true. */
bool
load_bytes_open(load_bytes *bytes, const char *path, cli_reason *reason);

void
load_bytes_close(load_bytes *bytes);

/* Makes `size` known: reads a packed file through once, which also checks its sums. A stream is refused. */
bool
load_bytes_measure(load_bytes *bytes, cli_reason *reason);

/* Reads `length` bytes from `offset` on; `*got` is less only where the bytes end. False when they cannot be read. */
bool
load_bytes_read(load_bytes *bytes, uint64_t offset, void *buffer, size_t length, size_t *got, cli_reason *reason);

/* The same, and too few bytes are a refusal that names `what` was read. */
bool
load_bytes_exact(load_bytes *bytes, uint64_t offset, void *buffer, size_t length, const char *what, cli_reason *reason);

/* How many bytes of the file on the disk have been read; for a measure of progress. */
uint64_t
load_bytes_consumed(const load_bytes *bytes);

#endif
