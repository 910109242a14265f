/*
 * mock/base64.h: values of "-bin" headers (gRPC over HTTP/2, "Custom-Metadata").
 */
#ifndef VMX_MOCK_BASE64_H
#define VMX_MOCK_BASE64_H

#include <vecmux/types.h>

#include "core/arena.h"

/* Without padding. ptr is NULL when memory is out. */
vmx_str
vmx_mock_base64_encode(vmx_arena *arena, vmx_str bytes);

/* With or without padding. ptr is NULL when `text` is no base64 or memory is out. */
vmx_str
vmx_mock_base64_decode(vmx_arena *arena, vmx_str text);

bool
vmx_mock_is_binary(vmx_str key);

#endif
