/*
 * core/error.h: filling in vmx_error.
 */
#ifndef VMX_CORE_ERROR_H
#define VMX_CORE_ERROR_H

#include <stdarg.h>
#include <vecmux/types.h>

/*
 * Writes `error` (NULL is allowed): code, message; everything else as for a call that was never made (grpc_code -1,
 * retry_after_ms -1, outcome NOT_SENT, no attempts, no peer). Over-long messages end in "..."; bytes that are not
 * UTF-8 and control characters become '?', so a message is always one line. Returns `code`.
 */
vmx_status
vmx_error_set(vmx_error *error, vmx_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

vmx_status
vmx_error_set_v(vmx_error *error, vmx_status code, const char *format, va_list args);

/* "out of memory" */
vmx_status
vmx_error_no_memory(vmx_error *error);

/* A record that says VMX_OK. */
void
vmx_error_clear(vmx_error *error);

/* For "%.*s" of values that come from outside: at most 64 bytes of them are shown. */
int
vmx_error_clip(vmx_str text);

#endif
