/*
 * allocations.h: counts the allocations that vecmux makes, with vmx_set_allocator.
 */
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Call it before any other function of vecmux. `one_thread`: vecmux will only be used by one (io.threads=0), so the
 * counter need not be a locked instruction. */
void
bench_allocations_watch(bool one_thread);

/* Calls of malloc and realloc so far. */
uint64_t
bench_allocations_count(void);

#endif
