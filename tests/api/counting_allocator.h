/*
 * tests/api/counting_allocator.h: memory functions that count what is alive, and fail once when told to. Any thread.
 */
#ifndef TESTS_API_COUNTING_ALLOCATOR_H
#define TESTS_API_COUNTING_ALLOCATOR_H

#include <stdatomic.h>
#include <stdlib.h>
#include <vecmux/types.h>

typedef struct counting_allocator {
    _Atomic long bytes;   /* alive */
    _Atomic long blocks;  /* alive */
    _Atomic long calls;   /* since it was armed */
    _Atomic long fail_at; /* number of the call that fails, from 0; negative: none */
} counting_allocator;

/* In front of each block; keeps the alignment of malloc. */
typedef union counted {
    size_t size;
    max_align_t align;
} counted;

static inline void *
counting_realloc(void *old, size_t size, void *user)
{
    counting_allocator *state = user;
    if (atomic_fetch_add(&state->calls, 1) == atomic_load(&state->fail_at))
        return NULL;
    counted *block = old != NULL ? (counted *)old - 1 : NULL;
    size_t old_size = block != NULL ? block->size : 0;
    counted *moved = realloc(block, sizeof *moved + size);
    if (moved == NULL)
        return NULL;
    moved->size = size;
    atomic_fetch_add(&state->bytes, (long)size - (long)old_size);
    atomic_fetch_add(&state->blocks, old == NULL);
    return moved + 1;
}

static inline void *
counting_malloc(size_t size, void *user)
{
    return counting_realloc(NULL, size, user);
}

static inline void
counting_free(void *ptr, void *user)
{
    counting_allocator *state = user;
    if (ptr == NULL)
        return;
    counted *block = (counted *)ptr - 1;
    atomic_fetch_sub(&state->bytes, (long)block->size);
    atomic_fetch_sub(&state->blocks, 1);
    free(block);
}

static inline void
counting_allocator_install(counting_allocator *state)
{
    atomic_store(&state->fail_at, -1);
    vmx_allocator allocator = {counting_malloc, counting_realloc, counting_free, state};
    vmx_set_allocator(&allocator);
}

#endif
