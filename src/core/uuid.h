/*
 * core/uuid.h: UUIDs made of names (RFC 9562, version 5).
 */
#ifndef VMX_CORE_UUID_H
#define VMX_CORE_UUID_H

#include <stdbool.h>
#include <stdint.h>
#include <vecmux/types.h>

#define VMX_UUID_TEXT_SIZE 37

/* The UUID of `name` in the name space `space`, in its usual form, lower case; it ends in NUL. False when OpenSSL fails
 * for want of memory. */
bool
vmx_uuid_of_name(const uint8_t space[16], vmx_str name, char text[VMX_UUID_TEXT_SIZE]);

/* Whether `text` is a UUID in that form exactly: 8-4-4-4-12 hexadecimal digits, lower case. */
bool
vmx_uuid_is_canonical(vmx_str text);

#endif
