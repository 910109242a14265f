/*
 * core/lock.h: a lock that costs the thread nothing that always takes it.
 *
 * Whatever belongs to a client may be used from any thread, so it has a lock; but a program that drives its client
 * (io.threads=0) mostly does so from one thread. A lock that one thread has taken VMX_LOCK_STREAK times in a row becomes
 * that thread's own: from then on it takes and releases it with plain loads and stores, without an atomic exchange or a
 * fence. The first other thread that wants it takes that away, for good: then it is the mutex that it was before.
 * (Biased locking: Kawachiya, Koseki, Onodera: Lock Reservation, OOPSLA 2002.)
 *
 * Owner and taker each say what they do and then look what the other has said: the owner that it holds the lock, the
 * taker that it has no owner. One of them sees the other, unless a store still waits in a processor while that one's load
 * is done. The owner does nothing about that; the taker, who comes once, has the kernel run a barrier on every
 * processor that runs a thread of this process (membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED, Linux 4.14). Where the
 * kernel does not do that, and under the thread sanitizer, which would not see it, no lock ever has an owner.
 *
 * Not recursive. Whoever takes it releases it, on the same thread.
 */
#ifndef VMX_CORE_LOCK_H
#define VMX_CORE_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { VMX_LOCK_STREAK = 64 };

typedef struct vmx_lock {
    _Atomic(const void *) owner; /* a thread's vmx_lock_me; NULL: never had one; set once, with the mutex held */
    atomic_bool revoked;         /* it has no owner any more; set once, likewise */
    atomic_bool held;            /* by the owner, without the mutex; only the owner writes it */
    pthread_mutex_t mutex;
    /* with the mutex held */
    const void *latest; /* whoever took it last, while it has had no owner ... */
    uint32_t streak;    /* ... and how often in a row */
} vmx_lock;

/* Its address is the thread's name. */
extern _Thread_local char vmx_lock_me;

void
vmx_lock_init(vmx_lock *lock);
void
vmx_lock_destroy(vmx_lock *lock);

/* For vmx_lock_acquire and vmx_lock_release: by the mutex. */
void
vmx_lock_acquire_mutex(vmx_lock *lock);

static inline bool
vmx_lock_is_mine(const vmx_lock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == &vmx_lock_me;
}

static inline void
vmx_lock_acquire(vmx_lock *lock)
{
    if (vmx_lock_is_mine(lock) && !atomic_load_explicit(&lock->revoked, memory_order_relaxed)) {
        atomic_store_explicit(&lock->held, true, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst); /* the compiler keeps the order; for the processor see above */
        if (!atomic_load_explicit(&lock->revoked, memory_order_relaxed))
            return;
        atomic_store_explicit(&lock->held, false, memory_order_release);
    }
    vmx_lock_acquire_mutex(lock);
}

static inline void
vmx_lock_release(vmx_lock *lock)
{
    if (vmx_lock_is_mine(lock) && atomic_load_explicit(&lock->held, memory_order_relaxed))
        atomic_store_explicit(&lock->held, false, memory_order_release);
    else
        pthread_mutex_unlock(&lock->mutex);
}

/* As vmx_cond_wait, with the lock held. An owner that waits gives its ownership up, and returns once without having waited. */
bool
vmx_lock_wait(vmx_lock *lock, pthread_cond_t *cond, uint64_t deadline_us);

#endif
