/*
 * engine/finite.h: the look for NaN and infinity among floats, as fast as they come from the caches: wider vectors
 * (AVX-512) and sums of x * 0 (which are NaN then) take fewer instructions, but no less time for values that are not in the
 * nearest cache, and multiplying raises floating-point exceptions, for which the host process may have traps.
 */
#ifndef VMX_ENGINE_FINITE_H
#define VMX_ENGINE_FINITE_H

#include <stdbool.h>
#include <stddef.h>

/* On every processor. */
bool
vmx_any_not_finite_portable(const float *values, size_t len);

#if defined(__x86_64__)
/* On those with AVX2. */
bool
vmx_any_not_finite_avx2(const float *values, size_t len);
#endif

/* True if any value is NaN or infinite. */
static inline bool
vmx_any_not_finite(const float *values, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return vmx_any_not_finite_avx2(values, len);
#endif
    return vmx_any_not_finite_portable(values, len);
}

/* The same, and the values are copied to `to`, which need not be aligned, in the same pass. */
bool
vmx_copy_not_finite(void *restrict to, const float *restrict values, size_t len);

/* Its two ways. */
bool
vmx_copy_not_finite_portable(void *restrict to, const float *restrict values, size_t len);

#if defined(__x86_64__)
bool
vmx_copy_not_finite_avx2(void *restrict to, const float *restrict values, size_t len);
#endif

#endif
