#include <sys/wait.h>
#include <unistd.h>
#include <vecmux/types.h>

#include "core/suite.h"
#include "core/sync.h"

START_TEST(test_deadlines_saturate)
{
    ck_assert_uint_eq(vmx_deadline_us(1000, 5), 6000);
    ck_assert_uint_eq(vmx_deadline_us(1000, 0), 1000);
    ck_assert_uint_eq(vmx_deadline_us(1000, -5), 1000);
    ck_assert_uint_eq(vmx_deadline_us(1000, VMX_FOREVER), VMX_NEVER);
    ck_assert_uint_eq(vmx_deadline_us(1000, VMX_FOREVER - 1), VMX_NEVER);
    ck_assert_uint_eq(vmx_deadline_us(VMX_NEVER - 10, 1), VMX_NEVER);
}
END_TEST

START_TEST(test_cond_wait_ends_at_its_deadline)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    ck_assert(vmx_cond_init(&cond));
    pthread_mutex_lock(&mutex);
    uint64_t begin = vmx_monotonic_us();
    bool signalled = true;
    while (signalled) /* spurious wake-ups are allowed */
        signalled = vmx_cond_wait(&cond, &mutex, begin + 30000);
    ck_assert_uint_ge(vmx_monotonic_us() - begin, 30000);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&cond);
}
END_TEST

typedef struct seen {
    sigset_t mask;
    char name[16];
    pthread_mutex_t go;
} seen;

static void *
look(void *arg)
{
    seen *self = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &self->mask);
    pthread_mutex_lock(&self->go); /* until the starter has given the name */
    pthread_mutex_unlock(&self->go);
    pthread_getname_np(pthread_self(), self->name, sizeof self->name);
    return NULL;
}

START_TEST(test_threads_start_with_signals_blocked)
{
    sigset_t mask;
    seen notes = {.go = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    pthread_mutex_lock(&notes.go);
    ck_assert(vmx_thread_start(&thread, "vmx-test", look, &notes));
    pthread_mutex_unlock(&notes.go);
    pthread_join(thread, NULL);
    ck_assert_int_eq(sigismember(&notes.mask, SIGINT), 1);
    ck_assert_int_eq(sigismember(&notes.mask, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&notes.mask, SIGPROF), 1);
    ck_assert_str_eq(notes.name, "vmx-test");
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGINT), 0); /* ours is as it was */
}
END_TEST

START_TEST(test_callback_depth)
{
    ck_assert(!vmx_callback_inside());
    vmx_callback_enter();
    vmx_callback_enter();
    vmx_callback_leave();
    ck_assert(vmx_callback_inside());
    vmx_callback_leave();
    ck_assert(!vmx_callback_inside());
}
END_TEST

/* What vmx_forked says in a forked child. */
static int
forked_in_child(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(vmx_forked());
    int status;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

START_TEST(test_fork_is_noticed_once_watched)
{
    ck_assert_int_eq(forked_in_child(), 0);
    vmx_fork_watch();
    vmx_fork_watch();
    ck_assert(!vmx_forked());
    ck_assert_int_eq(forked_in_child(), 1);
    ck_assert(!vmx_forked());
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        test_deadlines_saturate, test_cond_wait_ends_at_its_deadline, test_threads_start_with_signals_blocked,
        test_callback_depth,     test_fork_is_noticed_once_watched,   NULL};
    return run_suite("core sync", tests);
}
