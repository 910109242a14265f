#include "core/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *
libc_malloc(size_t size_bytes, void *user)
{
    (void)user;
    return malloc(size_bytes);
}

static void *
libc_realloc(void *ptr, size_t size_bytes, void *user)
{
    (void)user;
    return realloc(ptr, size_bytes);
}

static void
libc_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

static const vmx_allocator libc_allocator = {libc_malloc, libc_realloc, libc_free, NULL};

/* Written before any other use of the library (see vmx_set_allocator), so it needs no lock. */
static vmx_allocator current = {libc_malloc, libc_realloc, libc_free, NULL};

void
vmx_set_allocator(const vmx_allocator *allocator)
{
    current = allocator ? *allocator : libc_allocator;
}

void *
vmx_alloc(size_t size_bytes)
{
    return current.malloc(size_bytes ? size_bytes : 1, current.user);
}

void *
vmx_calloc(size_t count, size_t size_bytes)
{
    if (size_bytes && count > SIZE_MAX / size_bytes)
        return NULL;
    void *ptr = vmx_alloc(count * size_bytes);
    if (ptr)
        memset(ptr, 0, count * size_bytes);
    return ptr;
}

void *
vmx_realloc(void *ptr, size_t size_bytes)
{
    return current.realloc(ptr, size_bytes ? size_bytes : 1, current.user);
}

void
vmx_dealloc(void *ptr)
{
    current.free(ptr, current.user);
}

char *
vmx_str_copy(vmx_str text)
{
    if (text.len == SIZE_MAX)
        return NULL;
    char *copy = vmx_alloc(text.len + 1);
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}
