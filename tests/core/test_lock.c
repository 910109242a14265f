#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/lock.h"
#include "core/suite.h"
#include "core/sync.h"
#include "core/tsan.h"

#define ROUNDS 1500
#define TURNS  150

/* Plain where nothing but the lock keeps the threads apart. */
typedef struct shared {
    vmx_lock lock;
    pthread_cond_t changed;
    atomic_bool trying, entered;
    bool ready;
    long count;
} shared;

static void
init(shared *all)
{
    *all = (shared){.count = 0};
    vmx_lock_init(&all->lock);
    ck_assert(vmx_cond_init(&all->changed));
}

static void
destroy(shared *all)
{
    vmx_lock_destroy(&all->lock);
    pthread_cond_destroy(&all->changed);
}

static void
count_up(shared *all, int turns)
{
    for (int i = 0; i < turns; i++) {
        vmx_lock_acquire(&all->lock);
        long found = all->count;
        for (volatile int pause = 0; pause < 20;)
            pause++;
        all->count = found + 1;
        vmx_lock_release(&all->lock);
    }
}

/* Locks can have owners here. */
static bool
can_own(void)
{
#ifdef VMX_TSAN
    return false;
#else
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

/* The mutex would be taken, if anybody took the lock by it. */
static bool
is_held_without_mutex(shared *all)
{
    vmx_lock_acquire(&all->lock);
    bool free_mutex = pthread_mutex_trylock(&all->lock.mutex) == 0;
    if (free_mutex)
        pthread_mutex_unlock(&all->lock.mutex);
    vmx_lock_release(&all->lock);
    return free_mutex;
}

START_TEST(test_one_thread_comes_to_own_it)
{
    shared all;
    init(&all);
    ck_assert(!is_held_without_mutex(&all));
    count_up(&all, VMX_LOCK_STREAK);
    ck_assert(is_held_without_mutex(&all) == can_own());
    destroy(&all);
}
END_TEST

static void *
take_once(void *arg)
{
    shared *all = arg;
    atomic_store(&all->trying, true);
    vmx_lock_acquire(&all->lock);
    atomic_store(&all->entered, true);
    vmx_lock_release(&all->lock);
    return NULL;
}

/* Gives another thread every chance to come in, though it must not. */
static void
wait_for_entry(shared *all)
{
    while (!atomic_load(&all->trying))
        sched_yield();
    for (int i = 0; i < 20; i++)
        usleep(500);
    ck_assert(!atomic_load(&all->entered));
}

START_TEST(test_another_waits_for_the_owner_and_ends_its_ownership)
{
    shared all;
    init(&all);
    count_up(&all, VMX_LOCK_STREAK);
    vmx_lock_acquire(&all.lock);
    pthread_t other;
    ck_assert(vmx_thread_start(&other, "other", take_once, &all));
    wait_for_entry(&all);
    vmx_lock_release(&all.lock);
    pthread_join(other, NULL);
    ck_assert(atomic_load(&all.entered));
    count_up(&all, 2 * VMX_LOCK_STREAK);
    ck_assert_msg(!is_held_without_mutex(&all), "it is owned again");
    destroy(&all);
}
END_TEST

static void *
become_owner(void *arg)
{
    shared *all = arg;
    count_up(all, VMX_LOCK_STREAK + 1);
    vmx_lock_acquire(&all->lock);
    all->ready = true;
    pthread_cond_signal(&all->changed);
    vmx_lock_release(&all->lock);
    while (!atomic_load(&all->entered)) /* by the one that waited */
        sched_yield();
    atomic_store(&all->entered, false);
    return take_once(all);
}

START_TEST(test_a_lock_that_got_an_owner_meanwhile_is_held_after_waiting)
{
    shared all;
    init(&all);
    pthread_t other;
    vmx_lock_acquire(&all.lock);
    ck_assert(vmx_thread_start(&other, "other", become_owner, &all));
    while (!all.ready)
        vmx_lock_wait(&all.lock, &all.changed, VMX_NEVER);
    atomic_store(&all.entered, true);
    wait_for_entry(&all);
    vmx_lock_release(&all.lock);
    pthread_join(other, NULL);
    ck_assert(atomic_load(&all.entered));
    destroy(&all);
}
END_TEST

static void *
make_ready(void *arg)
{
    shared *all = arg;
    vmx_lock_acquire(&all->lock);
    all->ready = true;
    pthread_cond_signal(&all->changed);
    vmx_lock_release(&all->lock);
    return NULL;
}

START_TEST(test_an_owner_can_wait)
{
    shared all;
    init(&all);
    count_up(&all, VMX_LOCK_STREAK);
    vmx_lock_acquire(&all.lock);
    pthread_t other;
    ck_assert(vmx_thread_start(&other, "other", make_ready, &all));
    while (!all.ready)
        vmx_lock_wait(&all.lock, &all.changed, VMX_NEVER);
    vmx_lock_release(&all.lock);
    pthread_join(other, NULL);
    destroy(&all);
}
END_TEST

static void *
count_all(void *arg)
{
    count_up(arg, TURNS);
    return NULL;
}

/* Again and again, as a lock loses its owner only once. */
START_TEST(test_threads_are_kept_apart_while_ownership_ends)
{
    for (int round = 0; round < ROUNDS; round++) {
        shared all;
        init(&all);
        pthread_t other;
        count_up(&all, VMX_LOCK_STREAK);
        ck_assert(vmx_thread_start(&other, "counter", count_all, &all));
        count_up(&all, 4 * TURNS);
        pthread_join(other, NULL);
        ck_assert_int_eq(all.count, VMX_LOCK_STREAK + 5 * TURNS);
        destroy(&all);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_one_thread_comes_to_own_it,
                                  test_another_waits_for_the_owner_and_ends_its_ownership,
                                  test_a_lock_that_got_an_owner_meanwhile_is_held_after_waiting,
                                  test_an_owner_can_wait,
                                  test_threads_are_kept_apart_while_ownership_ends,
                                  NULL};
    return run_suite("core lock", tests);
}
