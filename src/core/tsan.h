/*
 * core/tsan.h: telling the thread sanitizer what it cannot see. gRPC core is not instrumented, so its hand-over
 * of a tag from grpc_call_start_batch to grpc_completion_queue_next is invisible and would be reported as a race.
 */
#ifndef VMX_CORE_TSAN_H
#define VMX_CORE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define VMX_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VMX_TSAN 1
#endif
#endif

#ifdef VMX_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* What this thread did before is seen by whoever calls vmx_tsan_acquire with the same address later. */
static inline void
vmx_tsan_release(void *address)
{
#ifdef VMX_TSAN
    __tsan_release(address);
#else
    (void)address;
#endif
}

static inline void
vmx_tsan_acquire(void *address)
{
#ifdef VMX_TSAN
    __tsan_acquire(address);
#else
    (void)address;
#endif
}

#endif
