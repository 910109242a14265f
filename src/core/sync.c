#include "core/sync.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include <vecmux/types.h>

uint64_t
vmx_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
vmx_deadline_us(uint64_t now_us, int64_t timeout_ms)
{
    if (timeout_ms == VMX_FOREVER)
        return VMX_NEVER;
    if (timeout_ms <= 0)
        return now_us;
    uint64_t ms = (uint64_t)timeout_ms;
    return ms > (VMX_NEVER - now_us) / 1000 ? VMX_NEVER : now_us + ms * 1000;
}

bool
vmx_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool made = pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

bool
vmx_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline_us)
{
    if (deadline_us == VMX_NEVER)
        return pthread_cond_wait(cond, mutex) == 0;
    struct timespec until = {.tv_sec = (time_t)(deadline_us / 1000000),
                             .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

sigset_t
vmx_signals_block(void)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    return old;
}

void
vmx_signals_restore(sigset_t old)
{
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool
vmx_thread_start(pthread_t *thread, const char *name, void *(*main)(void *), void *arg)
{
    sigset_t old = vmx_signals_block();
    bool started = pthread_create(thread, NULL, main, arg) == 0;
    vmx_signals_restore(old);
    if (started)
        pthread_setname_np(*thread, name);
    return started;
}

static _Thread_local unsigned callback_depth;

void
vmx_callback_enter(void)
{
    callback_depth++;
}

void
vmx_callback_leave(void)
{
    callback_depth--;
}

bool
vmx_callback_inside(void)
{
    return callback_depth > 0;
}

static atomic_bool forked;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void
mark_forked(void)
{
    atomic_store_explicit(&forked, true, memory_order_relaxed);
}

static void
watch_forks(void)
{
    pthread_atfork(NULL, NULL, mark_forked);
}

void
vmx_fork_watch(void)
{
    pthread_once(&fork_once, watch_forks);
}

bool
vmx_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}
