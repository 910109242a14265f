/*
 * wire/struct_bytes.h: JSON text <-> the packed bytes of a google.protobuf.Struct, without the structs between.
 */
#ifndef VMX_WIRE_STRUCT_BYTES_H
#define VMX_WIRE_STRUCT_BYTES_H

#include <stdbool.h>
#include <vecmux/types.h>

#include "core/arena.h"
#include "core/buffer.h"

/*
 * Packs a JSON object; the bytes are in `arena`, `ptr` is never NULL on success. What is refused, and the errors, are
 * vmx_struct_from_json's.
 */
vmx_status
vmx_struct_bytes_from_json(vmx_arena *arena, vmx_str text, const char *what, vmx_str *bytes, vmx_error *error);

/*
 * True if the guard (wire/guard.h) would accept foreign bytes as a Struct that is a message at `depth`, the outermost one
 * being at depth 1.
 */
bool
vmx_struct_bytes_check(vmx_str bytes, unsigned depth);

/*
 * Appends packed bytes, which have passed the guard, as compact JSON: the same text that vmx_struct_to_json makes of the
 * unpacked Struct. Where a field stands twice that may stand once, which no writer makes, the last counts. Failure:
 * json->failed.
 */
void
vmx_struct_bytes_to_json(vmx_str bytes, vmx_buffer *json);

#endif
