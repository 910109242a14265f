#include "core/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

uint8_t *
vmx_buffer_reserve(vmx_buffer *buffer, size_t len)
{
    if (buffer->failed)
        return NULL;
    if (!buffer->data || len > buffer->capacity - buffer->len) {
        size_t capacity = buffer->capacity ? buffer->capacity : 64;
        while (capacity - buffer->len < len && capacity <= SIZE_MAX / 2)
            capacity *= 2;
        uint8_t *data = capacity - buffer->len < len ? NULL : vmx_realloc(buffer->data, capacity);
        if (!data) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->len;
}

void
vmx_buffer_append(vmx_buffer *buffer, const void *data, size_t len)
{
    uint8_t *to = vmx_buffer_reserve(buffer, len);
    if (!to || len == 0)
        return;
    memcpy(to, data, len);
    buffer->len += len;
}

void
vmx_buffer_append_byte(vmx_buffer *buffer, uint8_t byte)
{
    vmx_buffer_append(buffer, &byte, 1);
}

void
vmx_buffer_append_text(vmx_buffer *buffer, const char *text)
{
    vmx_buffer_append(buffer, text, strlen(text));
}

void
vmx_buffer_printf(vmx_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = len < 0 ? NULL : vmx_buffer_reserve(buffer, (size_t)len + 1);
    if (to) {
        vsnprintf((char *)to, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    }
    buffer->failed |= len < 0;
    va_end(again);
}

void
vmx_buffer_insert(vmx_buffer *buffer, size_t at, const void *data, size_t len)
{
    if (len == 0 || !vmx_buffer_reserve(buffer, len))
        return;
    memmove(buffer->data + at + len, buffer->data + at, buffer->len - at);
    memcpy(buffer->data + at, data, len);
    buffer->len += len;
}

void
vmx_buffer_free(vmx_buffer *buffer)
{
    vmx_dealloc(buffer->data);
    *buffer = (vmx_buffer){0};
}
