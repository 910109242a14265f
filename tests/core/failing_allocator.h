/*
 * tests/core/failing_allocator.h: memory functions that fail once, at the n-th allocation, and count what is alive.
 * For tests of one thread.
 */
#ifndef VMX_TESTS_FAILING_ALLOCATOR_H
#define VMX_TESTS_FAILING_ALLOCATOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <vecmux/types.h>

typedef struct failing_allocator {
    long fail_at; /* the allocation that fails, from 0 */
    long calls;
    long alive;
} failing_allocator;

static inline bool
failing_now(failing_allocator *state)
{
    return state->calls++ == state->fail_at;
}

static inline void *
failing_malloc(size_t size, void *user)
{
    failing_allocator *state = user;
    if (failing_now(state))
        return NULL;
    void *ptr = malloc(size);
    state->alive += ptr != NULL;
    return ptr;
}

static inline void *
failing_realloc(void *old, size_t size, void *user)
{
    failing_allocator *state = user;
    if (failing_now(state))
        return NULL;
    void *ptr = realloc(old, size);
    state->alive += ptr && !old;
    return ptr;
}

static inline void
failing_free(void *ptr, void *user)
{
    failing_allocator *state = user;
    state->alive -= ptr != NULL;
    free(ptr);
}

/* Installs it; LONG_MAX never fails. */
static inline void
failing_allocator_install(failing_allocator *state, long fail_at)
{
    *state = (failing_allocator){.fail_at = fail_at};
    vmx_allocator allocator = {failing_malloc, failing_realloc, failing_free, state};
    vmx_set_allocator(&allocator);
}

#endif
