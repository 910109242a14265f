/*
 * wire/guard.h: a look at foreign protobuf bytes before protobuf-c unpacks them.
 *
 * protobuf-c 1.4.1 recurses without a limit, does not check UTF-8 or NUL in strings, and turns a two-byte field into a
 * struct of a hundred bytes. The guard walks the bytes with the message's own descriptor, without allocating, and
 * refuses what must not be unpacked.
 */
#ifndef VMX_WIRE_GUARD_H
#define VMX_WIRE_GUARD_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <vecmux/types.h>

#define VMX_GUARD_MAX_DEPTH 100

/*
 * VMX_OK if `bytes` are well-formed for `descriptor`: nesting at most VMX_GUARD_MAX_DEPTH (the outermost message is
 * depth 1), every length inside its message, wire types as declared (packed or not), strings valid UTF-8 without NUL,
 * unknown fields skipped by the same rules. Else VMX_ERR_PROTOCOL, with a message that names the field by its path and
 * the byte offset.
 * `*unpacked_bytes` (may be NULL) is an upper bound of what unpacking will allocate.
 */
vmx_status
vmx_guard_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len, size_t *unpacked_bytes,
                vmx_error *error);

#endif
