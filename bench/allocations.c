#include "allocations.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <vecmux/vecmux.h>

static _Atomic uint64_t allocations;

static void
count_alone(void)
{
    uint64_t count = atomic_load_explicit(&allocations, memory_order_relaxed);
    atomic_store_explicit(&allocations, count + 1, memory_order_relaxed);
}

static void
count_shared(void)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
}

/* `user` is NULL where one thread is alone. */
static void
count(void *user)
{
    if (user)
        count_shared();
    else
        count_alone();
}

static void *
counted_malloc(size_t size, void *user)
{
    count(user);
    return malloc(size);
}

static void *
counted_realloc(void *ptr, size_t size, void *user)
{
    count(user);
    return realloc(ptr, size);
}

static void
counted_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

void
bench_allocations_watch(bool one_thread)
{
    /* any address tells that the counter is shared */
    vmx_allocator allocator = {counted_malloc, counted_realloc, counted_free, one_thread ? NULL : &allocations};
    vmx_set_allocator(&allocator);
}

uint64_t
bench_allocations_count(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}
