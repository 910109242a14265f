#include "server/repository/name.h"

#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "wire/text_check.h"

static bool
refuse(const char *field, const char *name, const char *why, vmxd_status *status)
{
    return vmxd_invalid(status, "%s \"%.*s\": %s; a name is a path such as index/segment.knnvec", field,
                        vmxd_clip(name), name, why);
}

static bool
check_segment(const char *field, const char *name, const char *segment, size_t len, vmxd_status *status)
{
    if (len == 0)
        return refuse(field, name, "has an empty segment", status);
    if (len > VMXD_MAX_SEGMENT_BYTES)
        return refuse(field, name, "has a segment of more than 255 bytes", status);
    if ((len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.'))
        return refuse(field, name, "has a segment that is \".\" or \"..\"", status);
    return true;
}

bool
vmxd_blob_name_check(const char *field, const char *name, vmxd_status *status)
{
    size_t len = strlen(name);
    if (len == 0)
        return vmxd_invalid(status, "%s is missing", field);
    if (len > VMXD_MAX_BLOB_NAME_BYTES)
        return vmxd_invalid(status, "%s has %zu bytes; at most %d are allowed", field, len, VMXD_MAX_BLOB_NAME_BYTES);
    if (!vmx_utf8_valid((vmx_str){name, len}))
        return refuse(field, name, "is not UTF-8", status);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\')
            return refuse(field, name, "has a control character or a backslash", status);
    for (const char *segment = name;;) {
        const char *end = strchrnul(segment, '/');
        if (!check_segment(field, name, segment, (size_t)(end - segment), status))
            return false;
        if (*end == '\0')
            return true;
        segment = end + 1;
    }
}

bool
vmxd_blob_name_path(const char *name, char out[VMXD_PATH_BYTES], vmxd_status *status)
{
    vmx_digest digest = {0};
    uint8_t bytes[VMX_DIGEST_MAX_BYTES];
    bool done = vmx_digest_begin(&digest, VMX_DIGEST_SHA256);
    if (done) {
        vmx_digest_update(&digest, name, strlen(name));
        done = vmx_digest_peek(&digest, bytes) > 0;
    }
    vmx_digest_free(&digest);
    size_t at = (size_t)snprintf(out, VMXD_PATH_BYTES, "blobs/");
    for (size_t i = 0; done && i < sizeof bytes; i++)
        at += (size_t)snprintf(out + at, VMXD_PATH_BYTES - at, "%02x", bytes[i]);
    return done || vmxd_no_memory(status);
}
