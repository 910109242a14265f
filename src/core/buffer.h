/*
 * core/buffer.h: a growing array of bytes. Not thread safe.
 *
 * Failure is sticky: after an allocation failed, appends do nothing and `failed` stays true, so that a writer can be
 * checked once at its end.
 */
#ifndef VMX_CORE_BUFFER_H
#define VMX_CORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/types.h>

/* Zero-initialised is a valid empty buffer. */
typedef struct vmx_buffer {
    uint8_t *data;
    size_t len;
    size_t capacity;
    bool failed;
} vmx_buffer;

void
vmx_buffer_append(vmx_buffer *buffer, const void *data, size_t len);

void
vmx_buffer_append_byte(vmx_buffer *buffer, uint8_t byte);

void
vmx_buffer_append_text(vmx_buffer *buffer, const char *text);

/* Formats in the C locale's manner for integers and strings; for doubles use vmx_number_format. */
void
vmx_buffer_printf(vmx_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `len` more bytes and returns where they go; advances nothing. NULL on failure. */
uint8_t *
vmx_buffer_reserve(vmx_buffer *buffer, size_t len);

/* Inserts `len` bytes at `at`, moving what stands behind. */
void
vmx_buffer_insert(vmx_buffer *buffer, size_t at, const void *data, size_t len);

void
vmx_buffer_free(vmx_buffer *buffer);

#endif
