/*
 * server/status.h: why a request is refused: a gRPC code and one line that names the thing, the value and the limit.
 */
#ifndef VMXD_STATUS_H
#define VMXD_STATUS_H

#include <grpc/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct vmxd_status {
    grpc_status_code code;
    char text[512];
} vmxd_status;

/* All return false, so that a check can end in `return vmxd_invalid(status, ...)`. Over-long texts are cut, and
 * the text is made one line of UTF-8. */
bool
vmxd_refuse(vmxd_status *status, grpc_status_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* INVALID_ARGUMENT */
bool
vmxd_invalid(vmxd_status *status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* RESOURCE_EXHAUSTED, "the server is out of memory" */
bool
vmxd_no_memory(vmxd_status *status);

/* For "%.*s" of texts that come from outside: the precision that shows at most 64 bytes. */
int
vmxd_clip(const char *text);

#endif
