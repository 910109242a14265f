/* What a driven call costs besides gRPC: a thread that drives its client by itself takes no mutex of vecmux's, and blocks no
 * signals where it was told not to. The library is linked into this program, with functions that count (--wrap); what gRPC core
 * calls is not seen. */
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/harness.h"
#include "core/tsan.h"

enum { CALLS = 300, AT_ONCE = 16, TRIES = 5 };

static atomic_long locked, masked;

int
__real_pthread_mutex_lock(pthread_mutex_t *mutex);

int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    atomic_fetch_add(&locked, 1);
    return __real_pthread_mutex_lock(mutex);
}

int
__real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int
__wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int
__wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    atomic_fetch_add(&masked, 1);
    return __real_pthread_sigmask(how, set, old);
}

/* Without the kernel's help, and under the thread sanitizer, every lock is a mutex (core/lock.h). */
static bool
locks_are_mutexes(void)
{
#ifdef VMX_TSAN
    return true;
#else
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
#endif
}

/* No assertions from here on: Check has locks of its own. */
static vmx_op *
start_plain_query(vmx_index *records, const vmx_call_options *options)
{
    static const float values[DIMENSION] = {1, 2, 3, 4};
    vmx_query query;
    vmx_op *op = NULL;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){values, DIMENSION};
    query.top_k = 3;
    vmx_index_query(records, &query, options, &op, NULL);
    return op;
}

/* How many have succeeded. */
static unsigned
wait_for_queries(vmx_index *records, vmx_queue *queue)
{
    (void)queue;
    unsigned good = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        vmx_op *op = start_plain_query(records, NULL);
        good += op != NULL && vmx_op_wait(op, slow_ms(10000)) == VMX_OK;
        vmx_op_free(op);
    }
    return good;
}

static unsigned
poll_for_queries(vmx_index *records, vmx_queue *queue)
{
    vmx_call_options options = to_queue(queue, NULL);
    unsigned good = 0;
    for (unsigned ended = 0, started = 0; ended < CALLS;) {
        for (; started < CALLS && started < ended + AT_ONCE; started++)
            if (start_plain_query(records, &options) == NULL)
                return good;
        vmx_event events[AT_ONCE];
        size_t got = vmx_queue_poll(queue, events, AT_ONCE, slow_ms(10000));
        for (size_t i = 0; i < got; i++) {
            good += events[i].status == VMX_OK;
            vmx_op_free(events[i].op);
        }
        ended += got > 0 ? (unsigned)got : CALLS;
    }
    return good;
}

typedef unsigned (*runner)(vmx_index *records, vmx_queue *queue);

/* How often a function that counts is called in CALLS queries of a client that has been at it for a while. */
static long
count_in_calls(runner run, const atomic_long *counter, const char *const *properties)
{
    vmx_client *client = open_client(shared_server()->endpoint, 0, properties);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    await_connections(client);
    unsigned warm = run(records, queue);
    long before = atomic_load(counter);
    unsigned good = run(records, queue);
    long count = atomic_load(counter) - before;
    ck_assert_uint_eq(warm, CALLS);
    ck_assert_uint_eq(good, CALLS);
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
    return count;
}

/* A thread of the core may have to do with a channel once, whose lock then is a mutex: not every time. */
static void
check_no_locks(runner run)
{
    long fewest = count_in_calls(run, &locked, NULL);
    ck_assert_int_gt(atomic_load(&locked), 0); /* when the client was opened */
    for (int i = 1; i < TRIES && fewest > 0; i++) {
        long count = count_in_calls(run, &locked, NULL);
        fewest = count < fewest ? count : fewest;
    }
    ck_assert_msg(fewest == 0 || locks_are_mutexes(), "%ld locks in %d calls", fewest, CALLS);
}

START_TEST(test_calls_that_are_waited_for_take_no_mutex)
{
    check_no_locks(wait_for_queries);
}
END_TEST

START_TEST(test_calls_that_are_polled_for_take_no_mutex)
{
    check_no_locks(poll_for_queries);
}
END_TEST

START_TEST(test_signals_are_blocked_around_a_call_that_is_waited_for)
{
    ck_assert_int_ge(count_in_calls(wait_for_queries, &masked, NULL), 4 * CALLS);
}
END_TEST

START_TEST(test_signals_are_left_as_they_are_on_request)
{
    const char *properties[] = {"signals.block", "false", NULL};
    ck_assert_int_eq(count_in_calls(wait_for_queries, &masked, properties), 0);
    ck_assert_int_eq(count_in_calls(poll_for_queries, &masked, properties), 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        test_calls_that_are_waited_for_take_no_mutex, test_calls_that_are_polled_for_take_no_mutex,
        test_signals_are_blocked_around_a_call_that_is_waited_for, test_signals_are_left_as_they_are_on_request, NULL};
    return run_first_modes("api overhead", tests, 1);
}
