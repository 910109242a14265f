/*
 * core/sync.h: time, locks and threads.
 */
#ifndef VMX_CORE_SYNC_H
#define VMX_CORE_SYNC_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Times are microseconds of CLOCK_MONOTONIC unless a transport's own clock is meant. */
#define VMX_NEVER UINT64_MAX

uint64_t
vmx_monotonic_us(void);

/* now + ms, saturating; VMX_NEVER for VMX_FOREVER; `now` for ms <= 0 */
uint64_t
vmx_deadline_us(uint64_t now_us, int64_t timeout_ms);

/* A condition that waits by CLOCK_MONOTONIC. Returns false when memory is out. */
bool
vmx_cond_init(pthread_cond_t *cond);

/* Waits with `mutex` held until signalled or `deadline_us` (VMX_NEVER: no limit); false when the time is over. */
bool
vmx_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_us);

/* Blocks every signal in this thread and returns the old mask; restore gives it back. Around thread starts, so that
 * the host's handlers never run on a thread of ours or of gRPC core. */
sigset_t
vmx_signals_block(void);
void
vmx_signals_restore(sigset_t old);

/* Starts a joinable thread named `name` (at most 15 bytes) with all signals blocked. */
bool
vmx_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *arg);

/*
 * Depth of user callbacks (wake-up, log, release) on this thread. Functions that wait answer VMX_ERR_WOULD_DEADLOCK
 * while it is above zero.
 */
void
vmx_callback_enter(void);
void
vmx_callback_leave(void);
bool
vmx_callback_inside(void);

/*
 * True in a process that was forked after vecmux had been used in its parent: gRPC core does not survive that.
 * vmx_fork_watch is called by the first client and may be called again.
 */
void
vmx_fork_watch(void);
bool
vmx_forked(void);

#endif
