#include "wire/arena_allocator.h"

static void *
arena_alloc(void *arena, size_t size_bytes)
{
    return vmx_arena_alloc(arena, size_bytes);
}

/* The arena frees everything at once. */
static void
arena_free(void *arena, void *ptr)
{
    (void)arena, (void)ptr;
}

ProtobufCAllocator
vmx_arena_allocator(vmx_arena *arena)
{
    return (ProtobufCAllocator){.alloc = arena_alloc, .free = arena_free, .allocator_data = arena};
}
