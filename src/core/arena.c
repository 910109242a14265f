#include "core/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

#define FIRST_BLOCK_BYTES 1024
#define MAX_BLOCK_BYTES   (256 * 1024)

struct vmx_arena_block {
    vmx_arena_block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

void
vmx_arena_init(vmx_arena *arena, size_t limit_bytes)
{
    *arena = (vmx_arena){.limit_bytes = limit_bytes};
}

/* Blocks grow by doubling; what is larger than a block gets one of its own size. */
static vmx_arena_block *
add_block(vmx_arena *arena, size_t need)
{
    size_t capacity = arena->blocks ? arena->blocks->capacity : FIRST_BLOCK_BYTES / 2;
    capacity = capacity < MAX_BLOCK_BYTES / 2 ? capacity * 2 : MAX_BLOCK_BYTES;
    if (capacity < need)
        capacity = need;
    if (capacity > SIZE_MAX - sizeof(vmx_arena_block))
        return NULL;
    vmx_arena_block *block = vmx_alloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (vmx_arena_block){.next = arena->blocks, .capacity = capacity};
    arena->blocks = block;
    return block;
}

void *
vmx_arena_alloc(vmx_arena *arena, size_t size_bytes)
{
    if (size_bytes == 0)
        size_bytes = 1;
    if (arena->limit_bytes && size_bytes > arena->limit_bytes - arena->used_bytes)
        return NULL;
    size_t alignment = alignof(max_align_t);
    if (size_bytes > SIZE_MAX - alignment)
        return NULL;
    size_t need = (size_bytes + alignment - 1) / alignment * alignment;

    vmx_arena_block *block = arena->blocks;
    if (!block || need > block->capacity - block->used)
        block = add_block(arena, need);
    if (!block)
        return NULL;
    void *ptr = block->data + block->used;
    block->used += need;
    arena->used_bytes += size_bytes;
    return ptr;
}

void *
vmx_arena_array(vmx_arena *arena, size_t count, size_t size_bytes)
{
    if (size_bytes && count > SIZE_MAX / size_bytes)
        return NULL;
    return vmx_arena_alloc(arena, count * size_bytes);
}

void *
vmx_arena_calloc(vmx_arena *arena, size_t count, size_t size_bytes)
{
    void *ptr = vmx_arena_array(arena, count, size_bytes);
    if (ptr)
        memset(ptr, 0, count * size_bytes);
    return ptr;
}

vmx_str
vmx_arena_str(vmx_arena *arena, vmx_str text)
{
    if (text.len == 0)
        return (vmx_str){"", 0}; /* most of a reply's texts */
    char *copy = text.len < SIZE_MAX ? vmx_arena_alloc(arena, text.len + 1) : NULL;
    if (!copy)
        return (vmx_str){0};
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (vmx_str){copy, text.len};
}

static void
free_blocks(vmx_arena_block *block)
{
    while (block) {
        vmx_arena_block *next = block->next;
        vmx_dealloc(block);
        block = next;
    }
}

void
vmx_arena_reset(vmx_arena *arena)
{
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

/* The newest block is the largest of those that grew by doubling: next time one will do. */
void
vmx_arena_rewind(vmx_arena *arena)
{
    vmx_arena_block *kept = arena->blocks;
    if (!kept || kept->capacity > VMX_ARENA_KEPT_BYTES) {
        vmx_arena_reset(arena);
        return;
    }
    free_blocks(kept->next);
    kept->next = NULL;
    kept->used = 0;
    arena->used_bytes = 0;
}
