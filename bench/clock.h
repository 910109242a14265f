/*
 * clock.h: the time of every measurement.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BENCH_NS_PER_S 1000000000

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t
bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * BENCH_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* `seconds`, not negative, as nanoseconds. */
static inline uint64_t
bench_ns(double seconds)
{
    return (uint64_t)(seconds * BENCH_NS_PER_S);
}

#endif
