#include "server/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

/* Texts of requests are quoted, and cut: what is no character, or would end the line, becomes '?'. */
static void
clean(char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        size_t len = vmx_utf8_character((const unsigned char *)text, left);
        if (len == 0 || (unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
            len = 1;
        }
        text += len;
        left -= len;
    }
}

static void
set(vmxd_status *status, grpc_status_code code, const char *format, va_list args)
{
    status->code = code;
    vsnprintf(status->text, sizeof status->text, format, args);
    clean(status->text);
}

bool
vmxd_refuse(vmxd_status *status, grpc_status_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(status, code, format, args);
    va_end(args);
    return false;
}

bool
vmxd_invalid(vmxd_status *status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(status, GRPC_STATUS_INVALID_ARGUMENT, format, args);
    va_end(args);
    return false;
}

bool
vmxd_no_memory(vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_RESOURCE_EXHAUSTED, "the server is out of memory");
}

int
vmxd_clip(const char *text)
{
    return (int)strnlen(text, 64);
}
