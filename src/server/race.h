/*
 * server/race.h: what the thread sanitizer cannot see. A tag that is handed to gRPC core comes back on another thread;
 * the core is not instrumented, so the order between the two must be told.
 */
#ifndef VMXD_RACE_H
#define VMXD_RACE_H

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define VMXD_RACE_RELEASE(tag) __tsan_release(tag)
#define VMXD_RACE_ACQUIRE(tag) __tsan_acquire(tag)
#else
#define VMXD_RACE_RELEASE(tag) ((void)(tag))
#define VMXD_RACE_ACQUIRE(tag) ((void)(tag))
#endif

#endif
