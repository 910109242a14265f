#include "server/repository/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/digest.h"
#include "server/journal_file.h"
#include "server/journal_frame.h"
#include "wire/guard.h"

#define HEAD_BYTES        16
#define MAX_MESSAGE_BYTES (64 << 20)

static const char magic[8] = "vecmuxd\n";

bool
vmxd_disk_make_directory(int dir, const char *path, vmxd_status *status)
{
    return mkdirat(dir, path, 0755) == 0 || errno == EEXIST ||
           vmxd_journal_refuse_errno(status, path, "cannot be made", errno);
}

int
vmxd_disk_open(int dir, const char *path, int flags, vmxd_status *status)
{
    int fd = openat(dir, path, flags | O_CLOEXEC, 0644);
    if (fd < 0)
        vmxd_journal_refuse_errno(status, path, "cannot be opened", errno);
    return fd;
}

bool
vmxd_disk_write(int fd, const void *data, size_t len, uint64_t offset, const char *path, vmxd_status *status)
{
    const char *at = data;
    while (len > 0) {
        ssize_t written = pwrite(fd, at, len, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return vmxd_journal_refuse_errno(status, path, "cannot be written", written < 0 ? errno : ENOSPC);
        at += written;
        offset += (uint64_t)written;
        len -= (size_t)written;
    }
    return true;
}

bool
vmxd_disk_read(int fd, void *data, size_t len, uint64_t offset, const char *path, vmxd_status *status)
{
    char *at = data;
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vmxd_journal_refuse_errno(status, path, "cannot be read", errno);
        if (got == 0)
            return vmxd_refuse(status, GRPC_STATUS_DATA_LOSS, "%s: ends at byte %llu, too soon", path,
                               (unsigned long long)offset);
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return true;
}

bool
vmxd_disk_sync(int fd, const char *path, vmxd_status *status)
{
    return fsync(fd) == 0 || vmxd_journal_refuse_errno(status, path, "fsync", errno);
}

bool
vmxd_disk_sync_directory(int dir, const char *path, vmxd_status *status)
{
    int fd = vmxd_disk_open(dir, path, O_RDONLY | O_DIRECTORY, status);
    bool done = fd >= 0 && vmxd_disk_sync(fd, path, status);
    if (fd >= 0)
        close(fd);
    return done;
}

/* The directory that `path` is in. */
static void
parent(const char *path, char out[VMXD_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 1;
    snprintf(out, VMXD_PATH_BYTES, "%.*s", len, slash ? path : ".");
}

bool
vmxd_disk_rename(int dir, const char *from, const char *to, vmxd_status *status)
{
    char directory[VMXD_PATH_BYTES];
    parent(from, directory);
    if (renameat(dir, from, dir, to) != 0)
        return vmxd_journal_refuse_errno(status, from, "cannot be renamed", errno);
    return vmxd_disk_sync_directory(dir, directory, status);
}

static bool
write_aside(int dir, const char *path, const vmx_buffer *bytes, vmxd_status *status)
{
    int fd = vmxd_disk_open(dir, path, O_WRONLY | O_CREAT | O_TRUNC, status);
    bool done =
        fd >= 0 && vmxd_disk_write(fd, bytes->data, bytes->len, 0, path, status) && vmxd_disk_sync(fd, path, status);
    if (fd >= 0)
        close(fd);
    if (!done)
        unlinkat(dir, path, 0);
    return done;
}

static bool
frame(const ProtobufCMessage *message, vmx_buffer *bytes, vmxd_status *status)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *out = vmx_buffer_reserve(bytes, HEAD_BYTES + len);
    if (!out)
        return vmxd_no_memory(status);
    protobuf_c_message_pack(message, out + HEAD_BYTES);
    memcpy(out, magic, sizeof magic);
    vmxd_put_u32(out + 8, (uint32_t)len);
    vmxd_put_u32(out + 12, vmx_crc32c(0, out + HEAD_BYTES, len));
    bytes->len += HEAD_BYTES + len;
    return true;
}

bool
vmxd_disk_write_message(int dir, const char *path, const ProtobufCMessage *message, vmxd_status *status)
{
    vmx_buffer bytes = {0};
    char aside[VMXD_PATH_BYTES];
    snprintf(aside, sizeof aside, "%s.new", path);
    bool done = frame(message, &bytes, status) && write_aside(dir, aside, &bytes, status);
    vmx_buffer_free(&bytes);
    return done && vmxd_disk_rename(dir, aside, path, status);
}

static ProtobufCMessage *
unframe(const uint8_t *bytes, size_t len, const ProtobufCMessageDescriptor *descriptor)
{
    size_t unpacked = 0;
    vmx_error error;
    if (len < HEAD_BYTES || memcmp(bytes, magic, sizeof magic) != 0 || vmxd_get_u32(bytes + 8) != len - HEAD_BYTES ||
        vmxd_get_u32(bytes + 12) != vmx_crc32c(0, bytes + HEAD_BYTES, len - HEAD_BYTES) ||
        vmx_guard_check(descriptor, bytes + HEAD_BYTES, len - HEAD_BYTES, &unpacked, &error) != VMX_OK)
        return NULL;
    return protobuf_c_message_unpack(descriptor, NULL, len - HEAD_BYTES, bytes + HEAD_BYTES);
}

ProtobufCMessage *
vmxd_disk_read_message(int dir, const char *path, const ProtobufCMessageDescriptor *descriptor, vmxd_status *status)
{
    struct stat found;
    vmx_buffer bytes = {0};
    ProtobufCMessage *message = NULL;
    int fd = vmxd_disk_open(dir, path, O_RDONLY, status);
    if (fd < 0)
        return NULL;
    size_t len = fstat(fd, &found) == 0 && found.st_size <= MAX_MESSAGE_BYTES ? (size_t)found.st_size : 0;
    uint8_t *out = vmx_buffer_reserve(&bytes, len + 1);
    if (!out)
        vmxd_no_memory(status);
    else if (vmxd_disk_read(fd, out, len, 0, path, status)) {
        message = unframe(out, len, descriptor);
        if (!message)
            vmxd_refuse(status, GRPC_STATUS_DATA_LOSS, "%s: damaged", path);
    }
    close(fd);
    vmx_buffer_free(&bytes);
    return message;
}

typedef struct remover {
    int dir;
} remover;

static void
remove_file(void *user, const char *name)
{
    const remover *self = user;
    if (unlinkat(self->dir, name, 0) != 0)
        fprintf(stderr, "vecmuxd: %s cannot be removed: %s\n", name, strerror(errno));
}

void
vmxd_disk_remove(int dir, const char *path)
{
    vmxd_status ignored;
    remover self = {openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (self.dir < 0)
        return;
    vmxd_disk_list(self.dir, ".", remove_file, &self, &ignored);
    close(self.dir);
    if (unlinkat(dir, path, AT_REMOVEDIR) != 0)
        fprintf(stderr, "vecmuxd: %s cannot be removed: %s\n", path, strerror(errno));
}

bool
vmxd_disk_list(int dir, const char *path, void (*found)(void *user, const char *name), void *user, vmxd_status *status)
{
    int fd = vmxd_disk_open(dir, path, O_RDONLY | O_DIRECTORY, status);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing) {
        if (fd >= 0)
            close(fd);
        return fd < 0 ? false : vmxd_no_memory(status);
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            found(user, entry->d_name);
    closedir(listing);
    return true;
}

void
vmxd_random_id(char out[33])
{
    uint8_t bytes[16];
    while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        continue;
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}
