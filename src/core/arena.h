/*
 * core/arena.h: memory that is freed all at once. Not thread safe.
 */
#ifndef VMX_CORE_ARENA_H
#define VMX_CORE_ARENA_H

#include <stddef.h>
#include <vecmux/types.h>

typedef struct vmx_arena_block vmx_arena_block;

/* Zero-initialised is a valid empty arena without a limit. */
typedef struct vmx_arena {
    vmx_arena_block *blocks; /* newest first */
    size_t limit_bytes;      /* 0: none; counts what was asked for, not blocks */
    size_t used_bytes;
} vmx_arena;

void
vmx_arena_init(vmx_arena *arena, size_t limit_bytes);

/* Aligned for any type; uninitialised; NULL when memory is out or the limit reached. */
void *
vmx_arena_alloc(vmx_arena *arena, size_t size_bytes);

/* The same for `count` items; NULL also when the product overflows. */
void *
vmx_arena_array(vmx_arena *arena, size_t count, size_t size_bytes);

/* As vmx_arena_array, zeroed. */
void *
vmx_arena_calloc(vmx_arena *arena, size_t count, size_t size_bytes);

/* A NUL-terminated copy; ptr is NULL when memory is out. */
vmx_str
vmx_arena_str(vmx_arena *arena, vmx_str text);

/* Frees everything; the arena can be used again. */
void
vmx_arena_reset(vmx_arena *arena);

/* The same, but keeps a block of up to VMX_ARENA_KEPT_BYTES for what comes next. */
#define VMX_ARENA_KEPT_BYTES 8192
void
vmx_arena_rewind(vmx_arena *arena);

#endif
