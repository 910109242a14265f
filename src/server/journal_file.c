#include "server/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "server/journal_frame.h"

#define SCAN_BYTES (1 << 20)

bool
vmxd_journal_refuse_errno(vmxd_status *status, const char *path, const char *what, int error)
{
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    char reason[128];
    return vmxd_refuse(status, full ? GRPC_STATUS_RESOURCE_EXHAUSTED : GRPC_STATUS_INTERNAL, "%.256s: %s: %s%s", path,
                       what, strerror_r(error, reason, sizeof reason), full ? "; free some space and try again" : "");
}

static bool
open_path(vmxd_journal_file *file, const char *path, int flags, vmxd_status *status)
{
    *file = (vmxd_journal_file){.path = vmx_str_copy(vmx_str_from(path)), .fd = -1};
    if (!file->path)
        return vmxd_no_memory(status);
    file->fd = open(path, flags | O_RDWR | O_CLOEXEC, 0644);
    if (file->fd >= 0)
        return true;
    vmxd_journal_refuse_errno(status, path, "cannot be opened", errno);
    vmxd_journal_file_close(file);
    return false;
}

/* All bytes at `offset`; uses the pieces up. Returns errno, or 0. */
static int
write_all(int fd, struct iovec *pieces, size_t count, uint64_t offset)
{
    while (count > 0) {
        ssize_t written = pwritev(fd, pieces, (int)count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        offset += (uint64_t)written;
        size_t done = (size_t)written;
        for (; count > 0 && done >= pieces->iov_len; count--)
            done -= pieces++->iov_len;
        if (count > 0) {
            pieces->iov_base = (uint8_t *)pieces->iov_base + done;
            pieces->iov_len -= done;
        }
    }
    return 0;
}

/* Returns errno, or 0; a file that ends before is EIO. */
static int
read_all(int fd, uint8_t *out, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t got = pread(fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EIO;
        out += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

bool
vmxd_journal_file_create(vmxd_journal_file *file, const char *path, const vmxd_store_options *config,
                         vmxd_status *status)
{
    uint8_t header[VMXD_FILE_HEADER_BYTES];
    if (!open_path(file, path, O_CREAT | O_TRUNC, status))
        return false;
    vmxd_file_header_write(config, header);
    int error = write_all(file->fd, &(struct iovec){header, sizeof header}, 1, 0);
    file->end = sizeof header;
    if (error == 0)
        return true;
    vmxd_journal_refuse_errno(status, path, "cannot be written", error);
    vmxd_journal_file_close(file);
    unlink(path);
    return false;
}

bool
vmxd_journal_file_open(vmxd_journal_file *file, const char *path, vmxd_store_options *config, vmxd_status *status)
{
    uint8_t header[VMXD_FILE_HEADER_BYTES] = {0};
    uint64_t size = 0;
    if (!open_path(file, path, 0, status))
        return false;
    file->end = sizeof header;
    bool read = vmxd_journal_file_size(file, &size, status);
    int error = read && size >= sizeof header ? read_all(file->fd, header, sizeof header, 0) : 0;
    if (error != 0)
        read = vmxd_journal_refuse_errno(status, path, "cannot be read", error);
    if (read && vmxd_file_header_read(header, path, config, status))
        return true;
    vmxd_journal_file_close(file);
    return false;
}

/* What was written in part is taken back. A log whose end is not known takes nothing more. */
static bool
fail_append(vmxd_journal_file *file, const char *what, int error, vmxd_status *status)
{
    vmxd_status ignored;
    if (!vmxd_journal_file_cut(file, &ignored))
        file->broken = true;
    return vmxd_journal_refuse_errno(status, file->path, what, error);
}

bool
vmxd_journal_file_append(vmxd_journal_file *file, const vmxd_journal_record *records, size_t count, bool sync,
                         vmxd_status *status)
{
    uint8_t header[VMXD_FRAME_HEADER_BYTES], heads[VMXD_JOURNAL_MAX_RECORDS][VMXD_RECORD_HEADER_BYTES];
    struct iovec pieces[1 + 2 * VMXD_JOURNAL_MAX_RECORDS] = {{header, sizeof header}};
    vmxd_frame frame = {.records = (uint32_t)count};
    if (file->broken)
        return vmxd_refuse(status, GRPC_STATUS_INTERNAL,
                           "%.256s: an earlier failure left the end of the log unknown; restart vecmuxd", file->path);
    for (size_t i = 0; i < count; i++) {
        vmx_str body = records[i].body;
        vmxd_record_header_write(&records[i], heads[i]);
        pieces[1 + 2 * i] = (struct iovec){heads[i], sizeof heads[i]};
        pieces[2 + 2 * i] = (struct iovec){(void *)body.ptr, body.len};
        frame.payload_sum = vmxd_checksum(frame.payload_sum, heads[i], sizeof heads[i]);
        frame.payload_sum = vmxd_checksum(frame.payload_sum, body.ptr, body.len);
        frame.payload_bytes += (uint32_t)(sizeof heads[i] + body.len);
    }
    vmxd_frame_write(&frame, file->end, header);
    int error = write_all(file->fd, pieces, 1 + 2 * count, file->end);
    if (error != 0)
        return fail_append(file, "cannot be written", error, status);
    if (sync && fdatasync(file->fd) != 0) {
        /* the kernel may have dropped what it could not write, and says so only once */
        error = errno;
        file->broken = true;
        return fail_append(file, "fdatasync", error, status);
    }
    file->end += sizeof header + frame.payload_bytes;
    return true;
}

/* Looks for a frame from `from` on: `*found` is where, or `size`. */
static bool
find_frame(const vmxd_journal_file *file, uint64_t from, uint64_t size, uint64_t *found, vmxd_status *status)
{
    *found = size;
    if (from >= size)
        return true;
    uint8_t *bytes = vmx_alloc(SCAN_BYTES);
    int error = 0;
    if (!bytes)
        return vmxd_no_memory(status);
    while (*found == size && error == 0 && size - from >= VMXD_FRAME_HEADER_BYTES) {
        size_t len = size - from < SCAN_BYTES ? (size_t)(size - from) : SCAN_BYTES;
        error = read_all(file->fd, bytes, len, from);
        size_t at = error == 0 ? vmxd_frame_find(bytes, len, from) : len;
        if (at < len)
            *found = from + at;
        from += len - VMXD_FRAME_HEADER_BYTES + 1;
    }
    vmx_dealloc(bytes);
    return error == 0 || vmxd_journal_refuse_errno(status, file->path, "cannot be read", error);
}

/* What stands at `end` is bad; that it is the file's end is seen by nothing whole standing from `from` on. */
static vmxd_journal_found
judge(const vmxd_journal_file *file, uint64_t from, uint64_t size, vmxd_status *status)
{
    uint64_t found;
    if (!find_frame(file, from, size, &found, status))
        return VMXD_JOURNAL_DAMAGED;
    if (found == size)
        return VMXD_JOURNAL_TORN;
    vmxd_refuse(status, GRPC_STATUS_DATA_LOSS,
                "%.160s: offset %" PRIu64 ": damaged, and whole writes follow from offset %" PRIu64
                "; restore the file from a copy, or give up all that follows: truncate -s %" PRIu64 " %.160s",
                file->path, file->end, found, file->end, file->path);
    return VMXD_JOURNAL_DAMAGED;
}

vmxd_journal_found
vmxd_journal_file_next(vmxd_journal_file *file, uint64_t size, vmx_buffer *payload, uint32_t *count,
                       vmxd_status *status)
{
    uint8_t header[VMXD_FRAME_HEADER_BYTES];
    uint64_t left = size - file->end;
    vmxd_frame frame;
    payload->len = 0;
    if (left == 0)
        return VMXD_JOURNAL_END;
    if (left < sizeof header)
        return VMXD_JOURNAL_TORN;
    int error = read_all(file->fd, header, sizeof header, file->end);
    if (error == 0 && !vmxd_frame_read(header, file->end, &frame))
        return judge(file, file->end + 1, size, status);
    if (error == 0 && frame.payload_bytes > left - sizeof header)
        return VMXD_JOURNAL_TORN;
    uint8_t *bytes = error == 0 ? vmx_buffer_reserve(payload, frame.payload_bytes) : NULL;
    if (error == 0 && !bytes) {
        vmxd_no_memory(status);
        return VMXD_JOURNAL_DAMAGED;
    }
    if (error == 0)
        error = read_all(file->fd, bytes, frame.payload_bytes, file->end + sizeof header);
    if (error != 0) {
        vmxd_journal_refuse_errno(status, file->path, "cannot be read", error);
        return VMXD_JOURNAL_DAMAGED;
    }
    if (vmxd_checksum(0, bytes, frame.payload_bytes) != frame.payload_sum)
        return judge(file, file->end + sizeof header + frame.payload_bytes, size, status);
    payload->len = frame.payload_bytes;
    *count = frame.records;
    file->end += sizeof header + frame.payload_bytes;
    return VMXD_JOURNAL_FRAME;
}

bool
vmxd_journal_file_size(const vmxd_journal_file *file, uint64_t *size, vmxd_status *status)
{
    struct stat found;
    if (fstat(file->fd, &found) != 0)
        return vmxd_journal_refuse_errno(status, file->path, "cannot be read", errno);
    *size = (uint64_t)found.st_size;
    return true;
}

bool
vmxd_journal_file_cut(vmxd_journal_file *file, vmxd_status *status)
{
    return ftruncate(file->fd, (off_t)file->end) == 0 ||
           vmxd_journal_refuse_errno(status, file->path, "cannot be cut to its last whole write", errno);
}

bool
vmxd_journal_file_sync(vmxd_journal_file *file, vmxd_status *status)
{
    return fsync(file->fd) == 0 || vmxd_journal_refuse_errno(status, file->path, "fsync", errno);
}

void
vmxd_journal_file_close(vmxd_journal_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    vmx_dealloc(file->path);
    *file = (vmxd_journal_file){.fd = -1};
}
