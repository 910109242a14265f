#include "core/lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/sync.h"
#include "core/tsan.h"

#define YIELDS 100

_Thread_local char vmx_lock_me;

/* --- the barrier --------------------------------------------------------------------------------------------------- */

static bool may_own; /* the kernel has the barrier */
static pthread_once_t barrier_once = PTHREAD_ONCE_INIT;

static bool
membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void
prepare_barrier(void)
{
#ifndef VMX_TSAN
    may_own = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
#endif
}

/* A sandbox that was put up after the first lock was made may refuse: no store waits in a processor for that long. */
static void
run_barrier(void)
{
    if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

void
vmx_lock_init(vmx_lock *lock)
{
    pthread_once(&barrier_once, prepare_barrier);
    *lock = (vmx_lock){.owner = NULL};
    pthread_mutex_init(&lock->mutex, NULL);
}

void
vmx_lock_destroy(vmx_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

/* --- the owner, with the mutex held -------------------------------------------------------------------------------- */

/* Makes the lock a mutex, and waits until the owner is outside. What it did inside is seen from here on. */
static void
end_ownership(vmx_lock *lock)
{
    atomic_store_explicit(&lock->revoked, true, memory_order_relaxed);
    run_barrier();
    for (int looks = 0; atomic_load_explicit(&lock->held, memory_order_acquire); looks++)
        if (looks < YIELDS)
            sched_yield();
        else /* an owner of lower priority on the same processor gets no turn by that */
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* Who takes it again and again owns it, from its next time on. */
static void
note_user(vmx_lock *lock)
{
    lock->streak = lock->latest == &vmx_lock_me ? lock->streak + 1 : 1;
    lock->latest = &vmx_lock_me;
    if (lock->streak >= VMX_LOCK_STREAK && may_own)
        atomic_store_explicit(&lock->owner, &vmx_lock_me, memory_order_relaxed);
}

/* The mutex was taken: now nobody else is inside. */
static void
enter(vmx_lock *lock)
{
    const void *owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);
    if (owner == NULL)
        note_user(lock);
    else if (owner != &vmx_lock_me && !atomic_load_explicit(&lock->revoked, memory_order_relaxed))
        end_ownership(lock);
}

void
vmx_lock_acquire_mutex(vmx_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
    enter(lock);
}

/* The owner's own end of it; of no consequence to one that has been revoked meanwhile. */
static void
abdicate(vmx_lock *lock)
{
    vmx_lock_release(lock);
    pthread_mutex_lock(&lock->mutex);
    atomic_store_explicit(&lock->revoked, true, memory_order_relaxed);
}

bool
vmx_lock_wait(vmx_lock *lock, pthread_cond_t *cond, uint64_t deadline_us)
{
    if (vmx_lock_is_mine(lock) && atomic_load_explicit(&lock->held, memory_order_relaxed)) {
        abdicate(lock);
        return true;
    }
    bool in_time = vmx_cond_wait(cond, &lock->mutex, deadline_us);
    enter(lock); /* somebody may have become the owner meanwhile */
    return in_time;
}
