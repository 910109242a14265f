#include "bytes.h"

#include "buffers.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MAX (1u << 20)
#define LOOK_MS  100 /* how long a signal may be overlooked */

volatile sig_atomic_t load_interrupted;

static bool
is_packed(int fd)
{
    unsigned char magic[2];
    return pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && magic[0] == 0x1f && magic[1] == 0x8b;
}

static bool
open_packed(load_bytes *bytes, cli_reason *reason)
{
    bytes->gz = gzdopen(bytes->fd, "rb");
    if (!bytes->gz)
        return cli_refuse(reason, "out of memory");
    gzbuffer(bytes->gz, LOAD_GZIP_BUFFER);
    load_buffers_add(LOAD_GZIP_STATE);
    bytes->fd = -1;
    bytes->size = LOAD_UNKNOWN;
    return true;
}

static bool
look_at(load_bytes *bytes, cli_reason *reason)
{
    struct stat status;
    if (fstat(bytes->fd, &status) != 0)
        return cli_refuse(reason, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return cli_refuse(reason, "a directory; name a file");
    bytes->seekable = S_ISREG(status.st_mode);
    bytes->size = bytes->packed = bytes->seekable ? (uint64_t)status.st_size : LOAD_UNKNOWN;
    return !bytes->seekable || !is_packed(bytes->fd) || open_packed(bytes, reason);
}

bool
load_bytes_open(load_bytes *bytes, const char *path, cli_reason *reason)
{
    bool standard = strcmp(path, "-") == 0;
    *bytes = (load_bytes){.fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)};
    if (bytes->fd < 0)
        return cli_refuse(reason, "%s", strerror(errno));
    if (look_at(bytes, reason))
        return true;
    load_bytes_close(bytes);
    return false;
}

void
load_bytes_close(load_bytes *bytes)
{
    if (bytes->gz) {
        gzclose_r(bytes->gz);
        load_buffers_remove(LOAD_GZIP_STATE);
    }
    if (bytes->fd >= 0)
        close(bytes->fd);
    *bytes = (load_bytes){.fd = -1};
}

static bool
refuse_packed(const load_bytes *bytes, cli_reason *reason)
{
    int code = Z_OK;
    const char *text = gzerror(bytes->gz, &code);
    const char *path_end = strstr(text, ">: "); /* zlib begins with "<fd:3>: ", as it was given no path */
    if (code == Z_ERRNO)
        text = strerror(errno);
    else if (path_end)
        text = path_end + 3;
    return cli_refuse(reason, "gzip: %s, behind byte %llu of what it unpacks to", text,
                      (unsigned long long)bytes->position);
}

/* Reads what follows `position`; 0 at the end, -1 with a reason. */
static ssize_t
read_packed(load_bytes *bytes, void *buffer, size_t length, cli_reason *reason)
{
    int count = gzread(bytes->gz, buffer, (unsigned int)(length < READ_MAX ? length : READ_MAX));
    int code = Z_OK;
    gzerror(bytes->gz, &code);
    /* a file that ends early gives what it has before it says so */
    if (count >= 0 && (code == Z_OK || code == Z_STREAM_END || (code == Z_BUF_ERROR && count > 0)))
        return count;
    refuse_packed(bytes, reason);
    return -1;
}

static bool
wait_for_stream(int fd, cli_reason *reason)
{
    struct pollfd stream = {.fd = fd, .events = POLLIN};
    while (!load_interrupted)
        if (poll(&stream, 1, LOOK_MS) > 0)
            return true;
    return cli_refuse(reason, "interrupted while there was nothing to read");
}

static ssize_t
read_plain(load_bytes *bytes, void *buffer, size_t length, cli_reason *reason)
{
    ssize_t count;
    if (!bytes->seekable && !wait_for_stream(bytes->fd, reason))
        return -1;
    do
        count = bytes->seekable ? pread(bytes->fd, buffer, length, (off_t)bytes->position)
                                : read(bytes->fd, buffer, length);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        cli_refuse(reason, "byte %llu: %s", (unsigned long long)bytes->position, strerror(errno));
    return count;
}

static bool
seek_to(load_bytes *bytes, uint64_t offset, cli_reason *reason)
{
    if (offset == bytes->position)
        return true;
    if (!bytes->seekable)
        return cli_refuse(reason, "not a regular file: byte %llu cannot be reached", (unsigned long long)offset);
    if (offset > INT64_MAX)
        return cli_refuse(reason, "byte %llu: no file is so long", (unsigned long long)offset);
    if (bytes->gz && gzseek(bytes->gz, (z_off_t)offset, SEEK_SET) < 0)
        return refuse_packed(bytes, reason);
    bytes->position = offset;
    return true;
}

bool
load_bytes_read(load_bytes *bytes, uint64_t offset, void *buffer, size_t length, size_t *got, cli_reason *reason)
{
    *got = 0;
    if (!seek_to(bytes, offset, reason))
        return false;
    while (*got < length) {
        char *to = (char *)buffer + *got;
        ssize_t count =
            bytes->gz ? read_packed(bytes, to, length - *got, reason) : read_plain(bytes, to, length - *got, reason);
        if (count < 0)
            return false;
        if (count == 0)
            break;
        *got += (size_t)count;
        bytes->position += (uint64_t)count;
    }
    return true;
}

bool
load_bytes_exact(load_bytes *bytes, uint64_t offset, void *buffer, size_t length, const char *what, cli_reason *reason)
{
    size_t got;
    if (!load_bytes_read(bytes, offset, buffer, length, &got, reason))
        return false;
    return got == length || cli_refuse(reason, "truncated: %s is %zu bytes from byte %llu on, the file ends at %llu",
                                       what, length, (unsigned long long)offset, (unsigned long long)offset + got);
}

bool
load_bytes_measure(load_bytes *bytes, cli_reason *reason)
{
    if (bytes->size != LOAD_UNKNOWN)
        return true;
    if (!bytes->gz)
        return cli_refuse(reason, "not a regular file; only JSON lines can be read from a stream");
    char *buffer = malloc(LOAD_GZIP_BUFFER);
    if (!buffer)
        return cli_refuse(reason, "out of memory");
    size_t got = LOAD_GZIP_BUFFER;
    bool good = true;
    while (good && got == LOAD_GZIP_BUFFER)
        good = load_bytes_read(bytes, bytes->position, buffer, LOAD_GZIP_BUFFER, &got, reason);
    free(buffer);
    if (good)
        bytes->size = bytes->position;
    return good;
}

uint64_t
load_bytes_consumed(const load_bytes *bytes)
{
    return bytes->gz ? (uint64_t)gzoffset(bytes->gz) : bytes->position;
}
