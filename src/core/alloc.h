/*
 * core/alloc.h: every allocation of vecmux. Goes through the hook of vmx_set_allocator.
 *
 * All functions return NULL when memory is out; sizes of 0 are served as 1. Any thread.
 */
#ifndef VMX_CORE_ALLOC_H
#define VMX_CORE_ALLOC_H

#include <stddef.h>
#include <vecmux/types.h>

void *
vmx_alloc(size_t size_bytes);

/* Zeroed memory for `count` elements; NULL also when the product overflows. */
void *
vmx_calloc(size_t count, size_t size_bytes);

void *
vmx_realloc(void *ptr, size_t size_bytes);

void
vmx_dealloc(void *ptr);

/* A NUL-terminated copy of `text`, for vmx_dealloc. */
char *
vmx_str_copy(vmx_str text);

#endif
