/*
 * wire/struct_json.h: JSON text <-> google.protobuf.Struct.
 *
 * Struct (google/protobuf/struct.proto): Struct{1 map<string,Value> fields}; Value oneof {1 null, 2 double, 3 string,
 * 4 bool, 5 Struct, 6 ListValue}; ListValue{1 repeated Value}. Numbers are doubles: integers beyond 2^53 are refused,
 * because they would come back changed.
 */
#ifndef VMX_WIRE_STRUCT_JSON_H
#define VMX_WIRE_STRUCT_JSON_H

#include <google/protobuf/struct.pb-c.h>
#include <vecmux/types.h>

#include "core/arena.h"
#include "core/buffer.h"

/*
 * Objects and lists inside each other, the outermost counted. Protobuf readers (the guard, the C++ and Python ones)
 * stop at 100 messages inside each other; an object in an object is three of them (Struct, map entry, Value), and a
 * reply puts metadata inside three more: 3 * 32 + 3 is 99. What is deeper would be sent and then not be readable.
 */
#define VMX_JSON_MAX_DEPTH 32

/*
 * Reads a JSON object into a Struct whose memory is all in `arena`. `what` names the text in errors ("filter",
 * "metadata of vector 3 (id \"a\")"). Refused, with line and column (both from 1, in characters): malformed JSON,
 * anything but an object at the top, duplicate keys, nesting over VMX_JSON_MAX_DEPTH, NUL in strings, invalid UTF-8,
 * integers beyond 2^53.
 * Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_struct_from_json(vmx_arena *arena, vmx_str text, const char *what, Google__Protobuf__Struct **out,
                     vmx_error *error);

/*
 * Appends the Struct as compact JSON, members in their stored order. Values with no kind set, and numbers that JSON
 * cannot write, become null. The Struct must have passed the guard (depth). Failure: json->failed.
 */
void
vmx_struct_to_json(const Google__Protobuf__Struct *value, vmx_buffer *json);

/* Appends `text`, which is UTF-8, as a JSON string with its quotes; control characters are escaped. */
void
vmx_json_append_string(vmx_buffer *json, vmx_str text);

#endif
