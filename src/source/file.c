#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "source/rows.h"

/* Rows that one system call reads when something stands between them. */
#define GATHER 256

typedef struct file_rows {
    vmx_rows rows; /* first */
    int fd;
    vmx_file_layout layout;
    const uint8_t *map; /* the whole file; NULL: it is read */
    size_t map_bytes;
    char *path; /* for messages */
} file_rows;

static uint64_t
stride_of(const file_rows *file)
{
    return file->layout.row_bytes + file->layout.prefix_bytes;
}

static vmx_status
fail(const file_rows *file, const char *why, vmx_error *error)
{
    vmx_str path = vmx_str_from(file->path);
    return vmx_error_set(error, VMX_ERR_IO, "source \"%.*s\": %s", vmx_file_path_clip(path), path.ptr, why);
}

/* Reads all of `pieces`, which are changed. */
static vmx_status
read_pieces(const file_rows *file, struct iovec *pieces, int count, uint64_t offset, vmx_error *error)
{
    while (count > 0) {
        ssize_t got = preadv(file->fd, pieces, count, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(file, got < 0 ? strerror(errno) : "it has become shorter", error);
        offset += (uint64_t)got;
        for (; count > 0 && (size_t)got >= pieces->iov_len; pieces++, count--)
            got -= (ssize_t)pieces->iov_len;
        if (count > 0) {
            pieces->iov_base = (uint8_t *)pieces->iov_base + got;
            pieces->iov_len -= (size_t)got;
        }
    }
    return VMX_OK;
}

/* Rows with their prefixes between them; the last one's is not read. */
static vmx_status
gather(const file_rows *file, uint64_t first, size_t count, uint8_t *out, vmx_error *error)
{
    struct iovec pieces[2 * GATHER];
    int32_t prefixes[GATHER];
    int used = 0;
    for (size_t i = 0; i < count; i++) {
        pieces[used++] = (struct iovec){&prefixes[i], sizeof prefixes[i]};
        pieces[used++] = (struct iovec){out + i * file->layout.row_bytes, file->layout.row_bytes};
    }
    uint64_t offset = file->layout.offset - file->layout.prefix_bytes + first * stride_of(file);
    vmx_status status = read_pieces(file, pieces, used, offset, error);
    for (size_t i = 0; status == VMX_OK && i < count; i++)
        if (prefixes[i] != file->layout.prefix_value)
            return vmx_error_set(error, VMX_ERR_INVALID, "source \"%s\": row %llu has dimension %d, the first one %d",
                                 file->path, (unsigned long long)(first + i), prefixes[i], file->layout.prefix_value);
    return status;
}

static vmx_status
file_read(vmx_rows *rows, uint64_t first, uint64_t count, uint8_t *out, vmx_error *error)
{
    const file_rows *file = (const file_rows *)rows;
    vmx_status status = VMX_OK;
    atomic_fetch_add_explicit(&rows->reads, count, memory_order_relaxed);
    if (file->layout.prefix_bytes == 0) {
        struct iovec all = {out, count * rows->row_bytes};
        return count > 0 ? read_pieces(file, &all, 1, file->layout.offset + first * rows->row_bytes, error) : VMX_OK;
    }
    while (count > 0 && status == VMX_OK) {
        size_t some = count < GATHER ? (size_t)count : GATHER;
        status = gather(file, first, some, out, error);
        first += some;
        count -= some;
        out += some * rows->row_bytes;
    }
    return status;
}

static const uint8_t *
file_view(vmx_rows *rows, uint64_t first, uint64_t count)
{
    const file_rows *file = (const file_rows *)rows;
    bool whole = file->map != NULL && (file->layout.prefix_bytes == 0 || count == 1);
    return whole ? file->map + file->layout.offset + first * stride_of(file) : NULL;
}

static void
file_destroy(vmx_rows *rows)
{
    file_rows *file = (file_rows *)rows;
    if (file->map != NULL)
        munmap((void *)(uintptr_t)file->map, file->map_bytes);
    if (file->fd >= 0)
        close(file->fd);
    vmx_dealloc(file->path);
    vmx_dealloc(file);
}

static vmx_status
map_file(file_rows *file, vmx_error *error)
{
    file->map_bytes = file->layout.offset + file->layout.count * stride_of(file) - file->layout.prefix_bytes;
    if (file->layout.count == 0)
        return VMX_OK;
    void *map = mmap(NULL, file->map_bytes, PROT_READ, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED)
        return fail(file, strerror(errno), error);
    file->map = map;
    return VMX_OK;
}

static vmx_status
open_file(file_rows *file, vmx_file_format format, char element, uint32_t dimension, bool map, vmx_error *error)
{
    static const vmx_rows_vtable vtable = {.read = file_read, .view = file_view, .destroy = file_destroy};
    vmx_rows_init(&file->rows, &vtable, 0, 0);
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return fail(file, strerror(errno), error);
    vmx_status status =
        vmx_file_layout_read(file->fd, vmx_str_from(file->path), format, element, dimension, &file->layout, error);
    file->rows.count = file->layout.count;
    file->rows.row_bytes = file->layout.row_bytes;
    return status == VMX_OK && map ? map_file(file, error) : status;
}

vmx_status
vmx_rows_of_file(vmx_str path, vmx_file_format format, char element, uint32_t dimension, bool map, vmx_rows **rows,
                 vmx_error *error)
{
    *rows = NULL;
    if (path.len == 0 || memchr(path.ptr, '\0', path.len) != NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "source: the path is empty or has a NUL in it");
    file_rows *file = vmx_calloc(1, sizeof *file);
    if (file == NULL)
        return vmx_error_no_memory(error);
    file->fd = -1;
    file->path = vmx_str_copy(path);
    vmx_status status =
        file->path == NULL ? vmx_error_no_memory(error) : open_file(file, format, element, dimension, map, error);
    if (status != VMX_OK)
        file_destroy(&file->rows);
    else
        *rows = &file->rows;
    return status;
}
