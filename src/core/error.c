#include "core/error.h"

#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

#define CLIP_BYTES 64

/* Copies `text`, which ends in NUL, to the message, one line of valid UTF-8; "..." stands for what does not fit. */
static void
write_message(char *message, const char *text, bool cut)
{
    static const char ellipsis[] = "...";
    size_t limit = VMX_ERROR_MESSAGE_SIZE - (cut ? sizeof ellipsis : 1);
    size_t len = strnlen(text, limit);
    size_t out = 0;
    for (size_t in = 0; in < len;) {
        const unsigned char *at = (const unsigned char *)text + in;
        size_t width = vmx_utf8_character(at, strlen(text + in) < 4 ? strlen(text + in) : 4);
        if (width > len - in)
            break;
        bool control = at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && width == 2 && at[1] < 0xA0);
        if (width == 0 || control)
            message[out++] = '?';
        else
            memcpy(message + out, at, width);
        out += width && !control ? width : 0;
        in += width ? width : 1;
    }
    memcpy(message + out, cut ? ellipsis : "", cut ? sizeof ellipsis : 1);
}

vmx_status
vmx_error_set_v(vmx_error *error, vmx_status code, const char *format, va_list args)
{
    if (!error)
        return code;
    char text[VMX_ERROR_MESSAGE_SIZE]; /* apart, because an argument may be the old message */
    int len = vsnprintf(text, sizeof text, format, args);
    vmx_error_clear(error);
    error->code = code;
    write_message(error->message, len < 0 ? "" : text, len >= (int)sizeof text);
    return code;
}

vmx_status
vmx_error_set(vmx_error *error, vmx_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vmx_error_set_v(error, code, format, args);
    va_end(args);
    return code;
}

vmx_status
vmx_error_no_memory(vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_NO_MEMORY, "out of memory");
}

void
vmx_error_clear(vmx_error *error)
{
    error->code = VMX_OK;
    error->grpc_code = -1;
    error->outcome = VMX_OUTCOME_NOT_SENT;
    error->retriable = error->budget_exhausted = false;
    error->attempts = 0;
    error->retry_after_ms = -1;
    error->peer[0] = error->message[0] = '\0'; /* all of their 600 bytes are not worth it: every call begins so */
}

int
vmx_error_clip(vmx_str text)
{
    if (text.len <= CLIP_BYTES)
        return (int)text.len;
    size_t len = CLIP_BYTES;
    while (len > CLIP_BYTES - 3 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--; /* not in the middle of a character */
    return (int)len;
}
