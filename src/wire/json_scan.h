/*
 * wire/json_scan.h: what must be known of JSON text before jansson reads it.
 */
#ifndef VMX_WIRE_JSON_SCAN_H
#define VMX_WIRE_JSON_SCAN_H

#include <vecmux/types.h>

/*
 * Refuses text whose top is no object, nesting over `max_depth` (jansson would recurse to 2048) and integers beyond
 * 2^53 (jansson reports no position for values). Everything else, malformed text too, is left to jansson.
 * Errors: VMX_ERR_INVALID, "what: line 1, column 9: ...".
 */
vmx_status
vmx_json_scan(vmx_str text, unsigned max_depth, const char *what, vmx_error *error);

#endif
