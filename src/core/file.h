/*
 * core/file.h: reading a whole small file. Blocks; not for io threads.
 */
#ifndef VMX_CORE_FILE_H
#define VMX_CORE_FILE_H

#include <vecmux/types.h>

#include "core/buffer.h"

/*
 * Appends the file's bytes to `content`. Errors: VMX_ERR_INVALID (an empty path, or NUL in it), VMX_ERR_IO (the message
 * is "path: reason"), VMX_ERR_TOO_LARGE (more than `limit_bytes`), VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_file_read(vmx_str path, size_t limit_bytes, vmx_buffer *content, vmx_error *error);

/* For "%.*s" of paths: as vmx_error_clip, but at most 256 bytes. */
int
vmx_file_path_clip(vmx_str path);

#endif
