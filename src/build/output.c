/*
 * OUTPUT.part, which becomes OUTPUT when all of it is there, and OUTPUT.part.state, which says what of it is: a header of
 * text that names the build and the form, then one byte for each part. Everything here blocks: it runs in chores.
 */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/faiss.h"
#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"

#define HEADER_BYTES 1024
#define FINISHED_AT  (HEADER_BYTES - 1) /* 'F': only the rename, or the clean-up, is left */
#define MAX_OPENS    10                 /* each after one build that has just ended */

static const char *
remedy_for(int reason)
{
    switch (reason) {
    case ENOSPC:
    case EDQUOT:
        return "; make room and build again";
    case ENOENT:
    case ENOTDIR:
        return "; make the folder, or name another";
    case EACCES:
    case EROFS:
        return "; name a folder that may be written";
    case EISDIR:
        return "; name a file in it";
    default:
        return "";
    }
}

static vmx_status
file_error(const vmx_build *build, const char *path, vmx_error *error)
{
    int reason = errno;
    const char *remedy = remedy_for(reason);
    return vmx_error_set(error, VMX_ERR_IO, "%s: %s: %s%s", build->op.name, path, strerror(reason), remedy);
}

/* --- the folder ---------------------------------------------------------------------------------------------------- */

/* That of the output, with "/." or "." at its end. */
static const char *
name_folder(const vmx_build *build, char folder[PATH_MAX])
{
    const char *slash = strrchr(build->settings.output, '/');
    size_t len = slash != NULL ? (size_t)(slash - build->settings.output) + 1 : 0;
    snprintf(folder, PATH_MAX, "%.*s.", (int)len, build->settings.output);
    return folder;
}

vmx_status
vmx_output_check(const vmx_build *build, vmx_error *error)
{
    char folder[PATH_MAX];
    struct stat facts;
    if (access(name_folder(build, folder), W_OK | X_OK) != 0)
        return file_error(build, folder, error);
    if (stat(build->settings.output, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        errno = EISDIR;
        return file_error(build, build->settings.output, error);
    }
    return VMX_OK;
}

/* --- bytes --------------------------------------------------------------------------------------------------------- */

static vmx_status
write_all(const vmx_build *build, int fd, const char *path, const uint8_t *data, size_t len, uint64_t offset,
          vmx_error *error)
{
    while (len > 0) {
        ssize_t done = pwrite(fd, data, len, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return file_error(build, path, error);
        data += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return VMX_OK;
}

vmx_status
vmx_output_write(const vmx_build *build, const uint8_t *data, size_t len, uint64_t offset, vmx_error *error)
{
    return write_all(build, build->download.output.fd, build->settings.part_path, data, len, offset, error);
}

vmx_status
vmx_output_read(const vmx_build *build, uint8_t *data, size_t len, uint64_t offset, vmx_error *error)
{
    while (len > 0) {
        ssize_t done = pread(build->download.output.fd, data, len, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? EIO : errno;
            return file_error(build, build->settings.part_path, error);
        }
        data += done;
        len -= (size_t)done;
        offset += (uint64_t)done;
    }
    return VMX_OK;
}

/* --- the state ----------------------------------------------------------------------------------------------------- */

/* What a build of this key begins its state with. */
static int
write_whose(const vmx_build *build, char *out, size_t size)
{
    return snprintf(out, size, "vecmux build 1\nkey %s\ntenant %.256s\n", build->settings.base_key,
                    build->settings.tenant);
}

static void
make_header(const vmx_build *build, char header[HEADER_BYTES])
{
    const vmx_download *download = &build->download;
    memset(header, 0, HEADER_BYTES);
    int len = write_whose(build, header, HEADER_BYTES);
    len +=
        snprintf(header + len, (size_t)(HEADER_BYTES - len), "build %s\ngraph-only %d\nbytes %llu\npart %llu\ndigest ",
                 build->build_id, download->placement.graph_only, (unsigned long long)download->placement.file_bytes,
                 (unsigned long long)download->part_bytes);
    for (size_t i = 0; i < download->digest_bytes; i++)
        len += snprintf(header + len, (size_t)(HEADER_BYTES - len), "%02x", download->form_digest[i]);
}

/* Takes up what an earlier run has left, if it is of the same result. */
static bool
read_state(vmx_build *build, const char header[HEADER_BYTES])
{
    char found[HEADER_BYTES];
    vmx_download *download = &build->download;
    struct stat facts;
    if (pread(download->output.state_fd, found, HEADER_BYTES, 0) != HEADER_BYTES ||
        memcmp(found, header, FINISHED_AT) != 0)
        return false;
    if (fstat(download->output.fd, &facts) != 0 || (uint64_t)facts.st_size != download->placement.file_bytes)
        return false;
    return pread(download->output.state_fd, download->output.done, download->part_count, HEADER_BYTES) ==
           (ssize_t)download->part_count;
}

static vmx_status
begin_state(vmx_build *build, const char header[HEADER_BYTES], vmx_error *error)
{
    vmx_download *download = &build->download;
    const char *path = build->settings.state_path;
    memset(download->output.done, 0, download->part_count);
    if (ftruncate(download->output.state_fd, 0) != 0 || ftruncate(download->output.fd, 0) != 0)
        return file_error(build, path, error);
    /* All the room now, so that a full disk is known before the first byte; where that cannot be, it comes as it goes. */
    if (fallocate(download->output.fd, 0, 0, (off_t)download->placement.file_bytes) != 0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG ||
         ftruncate(download->output.fd, (off_t)download->placement.file_bytes) != 0))
        return file_error(build, build->settings.part_path, error);
    vmx_status status =
        write_all(build, download->output.state_fd, path, (const uint8_t *)header, HEADER_BYTES, 0, error);
    if (status == VMX_OK)
        status = write_all(build, download->output.state_fd, path, (const uint8_t *)download->output.done,
                           download->part_count, HEADER_BYTES, error);
    return status;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

/* Is it still the file of that name? Whoever had it locked may have renamed or removed it. */
static bool
has_name(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/* Opens OUTPUT.part for this build alone: two that wrote it would spoil each other's file. The lock goes with the
 * descriptor. Where the file system has no locks nothing is locked. */
static vmx_status
open_part(vmx_build *build, vmx_error *error)
{
    const char *path = build->settings.part_path;
    bool taken = false;
    for (int i = 0; i < MAX_OPENS && !taken; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return file_error(build, path, error);
        taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!taken && has_name(fd, path)) {
            build->download.output.fd = fd;
            return VMX_OK;
        }
        close(fd);
    }
    return vmx_error_set(error, VMX_ERR_IO, "%s: %s: another build writes it; wait for its end, or name another output",
                         build->op.name, path);
}

vmx_status
vmx_output_open(vmx_build *build, vmx_error *error)
{
    char header[HEADER_BYTES];
    vmx_output *output = &build->download.output;
    output->done = vmx_calloc(build->download.part_count + 1, 1);
    if (output->done == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = open_part(build, error);
    if (status != VMX_OK)
        return status;
    output->state_fd = open(build->settings.state_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (output->state_fd < 0)
        return file_error(build, build->settings.state_path, error);
    make_header(build, header);
    output->existed = read_state(build, header);
    return output->existed ? VMX_OK : begin_state(build, header, error);
}

vmx_status
vmx_output_note_part(const vmx_build *build, uint32_t part, vmx_error *error)
{
    const vmx_output *output = &build->download.output;
    output->done[part] = 1;
    return write_all(build, output->state_fd, build->settings.state_path, (const uint8_t *)&output->done[part], 1,
                     HEADER_BYTES + (uint64_t)part, error);
}

bool
vmx_output_is_finished(const vmx_build *build)
{
    char whose[HEADER_BYTES], found[HEADER_BYTES];
    struct stat facts;
    int len = write_whose(build, whose, sizeof whose);
    int fd = open(build->settings.state_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ours = pread(fd, found, HEADER_BYTES, 0) == HEADER_BYTES && memcmp(found, whose, (size_t)len) == 0;
    close(fd);
    return ours && found[FINISHED_AT] == 'F' && stat(build->settings.output, &facts) == 0 &&
           access(build->settings.part_path, F_OK) != 0;
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static vmx_status
read_for_check(void *user, uint8_t *out, size_t len, uint64_t offset, vmx_error *error)
{
    return vmx_output_read(user, out, len, offset, error);
}

/* The graph must lead to where the vectors were put. */
static vmx_status
check_layout(vmx_build *build, vmx_error *error)
{
    vmx_faiss_layout layout;
    const vmx_placement *placement = &build->download.placement;
    vmx_status status = vmx_faiss_parse(read_for_check, build, placement->file_bytes, &layout, error);
    if (status != VMX_OK)
        return status;
    bool same = layout.storage_offset == placement->splice && layout.dimension == vmx_source_dimension(build->source) &&
                layout.vectors == vmx_source_count(build->source);
    return same ? VMX_OK
                : vmx_error_set(error, VMX_ERR_PROTOCOL,
                                "build: the graph ends at byte %llu, not at %llu as the server said; download the full "
                                "form",
                                (unsigned long long)layout.storage_offset, (unsigned long long)placement->splice);
}

/* Lucene's CodecUtil.writeFooter: magic, algorithm id 0, CRC-32 of everything before it; big endian. */
static vmx_status
append_footer(vmx_build *build, vmx_error *error)
{
    uint8_t *piece = build->download.data;
    uint8_t footer[16] = {0xc0, 0x28, 0x93, 0xe8};
    uint64_t bytes = build->download.placement.file_bytes;
    uint32_t crc = crc32_gzip_refl(0, footer, 0);
    vmx_status status = VMX_OK;
    for (uint64_t at = 0, len; at < bytes && status == VMX_OK; at += len) {
        len = bytes - at < build->settings.chunk_bytes ? bytes - at : build->settings.chunk_bytes;
        status = vmx_output_read(build, piece, (size_t)len, at, error);
        crc = crc32_gzip_refl(crc, piece, len);
    }
    crc = crc32_gzip_refl(crc, footer, 8);
    for (int i = 0; i < 4; i++)
        footer[12 + i] = (uint8_t)(crc >> (24 - 8 * i));
    return status == VMX_OK ? vmx_output_write(build, footer, sizeof footer, bytes, error) : status;
}

static vmx_status
sync_directory(const vmx_build *build, vmx_error *error)
{
    char folder[PATH_MAX];
    int fd = open(name_folder(build, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    vmx_status status = synced ? VMX_OK : file_error(build, folder, error);
    if (fd >= 0)
        close(fd);
    return status;
}

vmx_status
vmx_output_finish(vmx_build *build, vmx_error *error)
{
    const vmx_output *output = &build->download.output;
    vmx_status status = build->download.placement.graph_only ? check_layout(build, error) : VMX_OK;
    if (status == VMX_OK && build->settings.lucene_footer)
        status = append_footer(build, error);
    if (status != VMX_OK)
        return status;
    if (fsync(output->fd) != 0)
        return file_error(build, build->settings.part_path, error);
    status =
        write_all(build, output->state_fd, build->settings.state_path, (const uint8_t *)"F", 1, FINISHED_AT, error);
    if (status != VMX_OK)
        return status;
    if (rename(build->settings.part_path, build->settings.output) != 0)
        return file_error(build, build->settings.output, error);
    return sync_directory(build, error);
}

void
vmx_output_close(vmx_build *build)
{
    vmx_output *output = &build->download.output;
    if (output->fd >= 0)
        close(output->fd);
    if (output->state_fd >= 0)
        close(output->state_fd);
    output->fd = output->state_fd = -1;
    vmx_dealloc(output->done);
    output->done = NULL;
}

void
vmx_output_remove(const vmx_build *build, bool state_only)
{
    if (!state_only)
        unlink(build->settings.part_path);
    unlink(build->settings.state_path);
}
