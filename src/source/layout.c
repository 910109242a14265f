#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "source/rows.h"

#define NPY_HEADER_MAX 65536
#define MAX_DIMENSION  (1u << 20)

/* The file as it is looked at. */
typedef struct look {
    int fd;
    vmx_str path;
    uint64_t size_bytes;
    char element;
    vmx_error *error;
} look;

static vmx_status
invalid(const look *at, const char *what)
{
    return vmx_error_set(at->error, VMX_ERR_INVALID, "source \"%.*s\": %s", vmx_file_path_clip(at->path), at->path.ptr,
                         what);
}

/* Reads `len` bytes from the front; a file that is shorter is no such file. */
static vmx_status
read_front(const look *at, void *out, size_t len, uint64_t offset)
{
    ssize_t got = pread(at->fd, out, len, (off_t)offset);
    if (got < 0)
        return vmx_error_set(at->error, VMX_ERR_IO, "source \"%.*s\": %s", vmx_file_path_clip(at->path), at->path.ptr,
                             strerror(errno));
    return (size_t)got == len ? VMX_OK : invalid(at, "it is shorter than its header");
}

/* --- .npy (numpy: doc/neps/nep-0001-npy-format.rst) ---------------------------------------------------------------- */

/* The text after 'key': in the header's dictionary; NULL if it is not there. */
static const char *
npy_value(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    at = at != NULL ? strchr(at + strlen(key), ':') : NULL;
    return at != NULL ? at + 1 + strspn(at + 1, " ") : NULL;
}

/* "(count, dimension)" or "(count,)" */
static bool
npy_shape(const char *text, uint64_t *count, uint64_t *dimension)
{
    char *end;
    if (text == NULL || *text != '(')
        return false;
    *count = strtoull(text + 1, &end, 10);
    if (end == text + 1 || *end != ',')
        return false;
    text = end + 1 + strspn(end + 1, " ");
    *dimension = 1;
    if (*text == ')')
        return true;
    *dimension = strtoull(text, &end, 10);
    return end != text && *end == ')';
}

static vmx_status
npy_header(const look *at, char header[NPY_HEADER_MAX + 1], uint64_t *offset)
{
    uint8_t front[12];
    vmx_status status = read_front(at, front, 10, 0);
    if (status != VMX_OK)
        return status;
    if (memcmp(front, "\x93NUMPY", 6) != 0)
        return invalid(at, "it is no .npy file");
    size_t len_bytes = front[6] == 1 ? 2 : 4, len = front[8] | (size_t)front[9] << 8;
    if (len_bytes == 4) {
        status = read_front(at, front, 12, 0);
        len |= (size_t)front[10] << 16 | (size_t)front[11] << 24;
    }
    if (status != VMX_OK)
        return status;
    if (len > NPY_HEADER_MAX)
        return invalid(at, "its .npy header is longer than 64 KiB");
    *offset = 8 + len_bytes + len;
    header[len] = '\0';
    return read_front(at, header, len, 8 + len_bytes);
}

static vmx_status
npy_layout(const look *at, vmx_file_layout *layout)
{
    char header[NPY_HEADER_MAX + 1];
    uint64_t dimension;
    vmx_status status = npy_header(at, header, &layout->offset);
    if (status != VMX_OK)
        return status;
    const char *type = npy_value(header, "'descr'"), *order = npy_value(header, "'fortran_order'");
    const char wanted[] = {'\'', '<', at->element, '4', '\'', '\0'};
    if (type == NULL || strncmp(type, wanted, 5) != 0)
        return invalid(at, at->element == 'f' ? "its elements are not '<f4'; save it as float32"
                                              : "its elements are not '<i4'; save it as int32");
    if (order == NULL || strncmp(order, "False", 5) != 0)
        return invalid(at, "it is in Fortran order; save it in C order");
    if (!npy_shape(npy_value(header, "'shape'"), &layout->count, &dimension))
        return invalid(at, "its shape is not (count, dimension)");
    if (dimension == 0 || dimension > MAX_DIMENSION)
        return invalid(at, "its dimension is not from 1 to 1048576");
    layout->row_bytes = dimension * 4;
    return VMX_OK;
}

/* --- the others ---------------------------------------------------------------------------------------------------- */

static vmx_status
fbin_layout(const look *at, vmx_file_layout *layout)
{
    uint32_t front[2];
    vmx_status status = read_front(at, front, sizeof front, 0);
    if (status != VMX_OK)
        return status;
    if (front[1] == 0 || front[1] > MAX_DIMENSION)
        return invalid(at, "its dimension is not from 1 to 1048576");
    *layout = (vmx_file_layout){.count = front[0], .row_bytes = front[1] * (size_t)4, .offset = sizeof front};
    return VMX_OK;
}

static vmx_status
fvecs_layout(const look *at, vmx_file_layout *layout)
{
    int32_t dimension;
    vmx_status status = read_front(at, &dimension, sizeof dimension, 0);
    if (status != VMX_OK)
        return status;
    if (dimension <= 0 || (uint32_t)dimension > MAX_DIMENSION)
        return invalid(at, "its first row's dimension is not from 1 to 1048576");
    size_t row_bytes = (size_t)dimension * 4, stride_bytes = row_bytes + sizeof dimension;
    *layout = (vmx_file_layout){.count = at->size_bytes / stride_bytes,
                                .row_bytes = row_bytes,
                                .offset = sizeof dimension,
                                .prefix_bytes = sizeof dimension,
                                .prefix_value = dimension};
    return at->size_bytes % stride_bytes == 0 ? VMX_OK : invalid(at, "its size is no multiple of its rows'");
}

static vmx_status
raw_layout(const look *at, uint32_t dimension, vmx_file_layout *layout)
{
    uint32_t width = at->element == 'i' ? 1 : dimension;
    if (width == 0)
        return invalid(at, "a raw file does not say its dimension; give it");
    *layout = (vmx_file_layout){.count = at->size_bytes / (width * (uint64_t)4), .row_bytes = width * (size_t)4};
    return at->size_bytes % layout->row_bytes == 0 ? VMX_OK : invalid(at, "its size is no multiple of its rows'");
}

static bool
ends_in(vmx_str text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

static vmx_file_format
format_of(vmx_str path)
{
    if (ends_in(path, ".npy"))
        return VMX_FILE_NPY;
    if (ends_in(path, ".fbin"))
        return VMX_FILE_FBIN;
    return ends_in(path, ".fvecs") ? VMX_FILE_FVECS : VMX_FILE_RAW;
}

static vmx_status
layout_by_format(const look *at, vmx_file_format format, uint32_t dimension, vmx_file_layout *layout)
{
    switch (format) {
    case VMX_FILE_NPY:
        return npy_layout(at, layout);
    case VMX_FILE_FBIN:
        return fbin_layout(at, layout);
    case VMX_FILE_FVECS:
        return fvecs_layout(at, layout);
    default:
        return raw_layout(at, dimension, layout);
    }
}

vmx_status
vmx_file_layout_read(int fd, vmx_str path, vmx_file_format format, char element, uint32_t dimension,
                     vmx_file_layout *layout, vmx_error *error)
{
    struct stat facts;
    look at = {.fd = fd, .path = path, .element = element, .error = error};
    *layout = (vmx_file_layout){0};
    if (fstat(fd, &facts) != 0)
        return vmx_error_set(error, VMX_ERR_IO, "source \"%.*s\": %s", vmx_file_path_clip(path), path.ptr,
                             strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return invalid(&at, "it is no regular file");
    at.size_bytes = (uint64_t)facts.st_size;
    vmx_status status = layout_by_format(&at, format == VMX_FILE_AUTO ? format_of(path) : format, dimension, layout);
    if (status != VMX_OK)
        return status;
    if (dimension != 0 && layout->row_bytes != dimension * (size_t)4)
        return vmx_error_set(error, VMX_ERR_INVALID, "source \"%.*s\": its rows have %zu elements, not %u",
                             vmx_file_path_clip(path), path.ptr, layout->row_bytes / 4, dimension);
    uint64_t stride_bytes = layout->row_bytes + layout->prefix_bytes;
    uint64_t room = at.size_bytes - (layout->offset - layout->prefix_bytes);
    return layout->count <= room / stride_bytes ? VMX_OK : invalid(&at, "it is shorter than its header says");
}
