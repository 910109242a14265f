#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define READ_BYTES      16384
#define PATH_CLIP_BYTES 256

int
vmx_file_path_clip(vmx_str path)
{
    return path.len < PATH_CLIP_BYTES ? (int)path.len : PATH_CLIP_BYTES;
}

/* In English whatever the host's locale is, as the rest of the message. */
static vmx_status
refuse_errno(vmx_error *error, vmx_str path, int number)
{
    const char *reason = strerrordesc_np(number);
    return vmx_error_set(error, VMX_ERR_IO, "%.*s: %s", vmx_file_path_clip(path), path.ptr,
                         reason ? reason : "unknown error");
}

static vmx_status
read_all(int fd, vmx_str path, size_t limit_bytes, vmx_buffer *content, vmx_error *error)
{
    size_t total = 0;
    for (;;) {
        uint8_t *to = vmx_buffer_reserve(content, READ_BYTES);
        if (!to)
            return vmx_error_no_memory(error);
        ssize_t got = read(fd, to, READ_BYTES);
        if (got == 0)
            return VMX_OK;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refuse_errno(error, path, errno);
        content->len += (size_t)got;
        total += (size_t)got;
        if (total > limit_bytes)
            return vmx_error_set(error, VMX_ERR_TOO_LARGE, "%.*s: more than %zu bytes", vmx_file_path_clip(path),
                                 path.ptr, limit_bytes);
    }
}

vmx_status
vmx_file_read(vmx_str path, size_t limit_bytes, vmx_buffer *content, vmx_error *error)
{
    char name[PATH_MAX];
    if (path.len == 0 || path.len >= sizeof name || memchr(path.ptr, '\0', path.len))
        return vmx_error_set(error, VMX_ERR_INVALID, "\"%.*s\": not a path", vmx_file_path_clip(path), path.ptr);
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_errno(error, path, errno);
    vmx_status status = read_all(fd, path, limit_bytes, content, error);
    close(fd);
    return status;
}
