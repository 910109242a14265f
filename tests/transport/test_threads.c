/* Threads and signals of the gRPC transport; `_i` is the number of io threads where it matters. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sync.h"
#include "transport/harness.h"
#include "transport/suites.h"

static test_harness h;

/* --- threads ------------------------------------------------------------------------------------------------------ */

static atomic_size_t ran;

static void
count_run(vmx_task *task)
{
    free(task);
    atomic_fetch_add(&ran, 1);
}

enum { POSTERS = 4, POSTS = 2000 };

static void *
post_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < POSTS; i++) {
        vmx_task *task = calloc(1, sizeof *task);
        task->run = count_run;
        h.vtable->post(h.loop, task);
    }
    return NULL;
}

static bool
all_ran(void *arg)
{
    (void)arg;
    return atomic_load(&ran) == POSTERS * POSTS;
}

START_TEST(tasks_come_from_many_threads)
{
    harness_open_bare(&h, (test_kind)_i);
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++)
        ck_assert(vmx_thread_start(&threads[i], "poster", post_many, NULL));
    ck_assert(harness_wait(&h, all_ran, NULL, 20000));
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    harness_close(&h);
}
END_TEST

static void *
wake_later(void *arg)
{
    (void)arg;
    usleep(100000);
    h.vtable->wake(h.loop);
    return NULL;
}

static void
fire(vmx_timer *timer)
{
    (void)timer;
    atomic_fetch_add(&ran, 1);
}

static vmx_timer other_timer = {.fire = fire};

static void *
set_timer_later(void *arg)
{
    (void)arg;
    usleep(100000);
    h.vtable->timer_set(h.loop, &other_timer, harness_after(&h, 50));
    return NULL;
}

START_TEST(driver_is_woken)
{
    harness_open_bare(&h, GRPC_DRIVEN);
    uint64_t before_us = harness_after(&h, 0);
    h.vtable->wake(h.loop); /* the next drive, too */
    h.vtable->wake(h.loop);
    ck_assert_uint_eq(h.vtable->drive(h.loop, harness_after(&h, 20000)), 0);
    ck_assert_uint_lt(harness_after(&h, 0) - before_us, 5000000);

    before_us = harness_after(&h, 0);
    ck_assert_uint_eq(h.vtable->drive(h.loop, harness_after(&h, 150)), 0);
    ck_assert_uint_ge(harness_after(&h, 0) - before_us, 150000);

    pthread_t thread;
    ck_assert(vmx_thread_start(&thread, "waker", wake_later, NULL));
    ck_assert_uint_eq(h.vtable->drive(h.loop, VMX_NEVER), 0);
    pthread_join(thread, NULL);

    ck_assert(vmx_thread_start(&thread, "setter", set_timer_later, NULL));
    ck_assert_uint_eq(h.vtable->drive(h.loop, VMX_NEVER), 1);
    ck_assert_uint_eq(atomic_load(&ran), 1);
    pthread_join(thread, NULL);
    harness_close(&h);
}
END_TEST

/* Calls started on all loops of a transport from many threads, on one channel. */
enum { CALLERS = 4, CALLS = 200 };

static void *
call_many(void *arg)
{
    size_t own = (size_t)(uintptr_t)arg;
    test_harness view = h;
    view.loop = h.transport->loops[own % h.transport->loop_count];
    test_record *records = calloc(CALLS, sizeof *records);
    for (unsigned i = 0; i < CALLS; i++)
        record_start_unary(&records[i], &view, "/test/Echo", i * 50, i, 30000);
    for (unsigned i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 30000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_OK);
        ck_assert(records[i].len == i * 50 && is_message(records[i].bytes, records[i].len, i));
        record_close(&records[i]);
    }
    free(records);
    return NULL;
}

START_TEST(calls_come_from_many_threads)
{
    harness_open(&h, (test_kind)_i);
    pthread_t threads[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert(vmx_thread_start(&threads[i], "caller", call_many, (void *)(uintptr_t)i));
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    harness_close(&h);
}
END_TEST

/* Calls wait for the loop while many are under way: what is done to one that has not begun counts as for any other. (Of one
 * that has just begun the core may reset the stream before it has opened it; the server answers that with GOAWAY.) */
enum { FIRST = 8, COUNT = 14 };

static test_record records[COUNT];

static void
start_calls(void)
{
    for (unsigned i = 0; i < COUNT; i++)
        record_start_unary(&records[i], &h, "/test/Echo", 100, i, 30000);
}

START_TEST(calls_are_given_up_before_they_begin)
{
    memset(records, 0, sizeof records);
    harness_open(&h, (test_kind)_i);
    start_calls();
    for (unsigned i = FIRST; i < COUNT; i++) {
        if (i % 3 == 1)
            h.vtable->cancel(records[i].stream);
        else if (i % 3 == 2)
            record_close(&records[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (i >= FIRST && i % 3 == 2)
            continue;
        int expected = i >= FIRST && i % 3 == 1 ? VMX_GRPC_CANCELLED : VMX_GRPC_OK;
        ck_assert(record_wait_end(&records[i], 30000));
        ck_assert(_i != GRPC_DRIVEN || records[i].code == expected);
        record_close(&records[i]);
    }
    harness_close(&h);
}
END_TEST

START_TEST(channel_is_closed_before_calls_begin)
{
    memset(records, 0, sizeof records);
    harness_open(&h, (test_kind)_i);
    start_calls();
    harness_chan_close(h.chan);
    h.chan = NULL;
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert(record_wait_end(&records[i], 30000));
        ck_assert_uint_eq(atomic_load(&records[i].ended), 1);
        record_close(&records[i]);
    }
    harness_close(&h);
}
END_TEST

/* Of threads whose name begins so; they are told if `tell`. */
static size_t
look_at_threads(const char *name, bool tell)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL && fgets(text, sizeof text, file) != NULL)
            count += strncmp(text, name, strlen(name)) == 0;
        if (file != NULL)
            fclose(file);
        if (tell && text[0] != '\0')
            fprintf(stderr, "a thread: %s", text);
    }
    closedir(dir);
    return count;
}

static size_t
count_named(const char *name)
{
    return look_at_threads(name, false);
}

/* The last instructions of a thread that has been waited for may still be under way. */
static bool
threads_are(size_t count)
{
    for (uint64_t i = 0; i < 500 * test_slowness(); i++) {
        if (count_threads() == count)
            return true;
        usleep(10000);
    }
    look_at_threads("", true);
    return false;
}

START_TEST(shutdown_ends_every_thread)
{
    size_t before = count_threads();
    for (int i = 0; i < 20; i++) {
        harness_open(&h, (test_kind)(i % 3));
        ck_assert_uint_eq(count_named("vmx-io-"), (size_t)(i % 3));
        test_record r = {0};
        record_start_unary(&r, &h, "/test/Echo", 100, 1, 5000);
        ck_assert(record_wait_end(&r, 5000));
        record_close(&r);
        harness_close(&h);
        ck_assert(threads_are(before));
    }
}
END_TEST

START_TEST(shutdown_need_not_wait)
{
    size_t before = count_threads();
    harness_open(&h, (test_kind)_i);
    test_record r = {0};
    record_start_unary(&r, &h, "/test/Silent", 100, 1, 60000);
    harness_pass(&h, 50);
    record_close(&r);
    /* CLOSED comes in the background, or never. */
    h.vtable->channel_close(h.chan->channel);
    uint64_t start_us = vmx_monotonic_us();
    h.vtable->shutdown(h.transport, false);
    ck_assert_uint_lt(vmx_monotonic_us() - start_us, 500000);
    for (int i = 0; i < 500 && atomic_load(&h.chan->closed) == 0; i++)
        usleep(10000);
    ck_assert_uint_eq(atomic_load(&h.chan->closed), 1);
    echo_server_stop(h.server);
    ck_assert(threads_are(before));
    free(h.chan);
}
END_TEST

static atomic_bool has_shut_down;

static void
shut_down_from_loop(vmx_task *task)
{
    (void)task;
    h.vtable->shutdown(h.transport, true);
    atomic_store(&has_shut_down, true);
}

START_TEST(shutdown_comes_from_the_loop_itself)
{
    size_t before = count_threads();
    harness_open_bare(&h, (test_kind)_i);
    vmx_task task = {.run = shut_down_from_loop};
    h.vtable->post(h.loop, &task);
    if (_i == GRPC_DRIVEN)
        h.vtable->drive(h.loop, VMX_NEVER);
    ck_assert(threads_are(before));
    ck_assert(atomic_load(&has_shut_down));
}
END_TEST

/* --- signals ------------------------------------------------------------------------------------------------------ */

static pthread_t main_thread;
static atomic_size_t handled_here, handled_elsewhere;

static void
on_signal(int number)
{
    (void)number;
    atomic_fetch_add(pthread_equal(pthread_self(), main_thread) ? &handled_here : &handled_elsewhere, 1);
}

static void
block_signal(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

START_TEST(no_signal_handler_runs_on_our_threads)
{
    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    harness_open(&h, (test_kind)_i);
    harness_pass(&h, 200);
    block_signal(SIG_BLOCK); /* so that only another thread could take it */
    for (int i = 0; i < 20; i++) {
        kill(getpid(), SIGUSR1);
        test_record r = {0};
        record_start_unary(&r, &h, "/test/Echo", 100, 1, 5000);
        ck_assert(record_wait_end(&r, 5000));
        record_close(&r);
    }
    harness_close(&h);
    ck_assert_uint_eq(atomic_load(&handled_elsewhere), 0);
    block_signal(SIG_UNBLOCK);
    ck_assert_uint_ge(atomic_load(&handled_here), 1);
}
END_TEST

TCase *
thread_cases(void)
{
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, tasks_come_from_many_threads, 0, FAKE);
    tcase_add_test(tcase, driver_is_woken);
    tcase_add_loop_test(tcase, calls_come_from_many_threads, 1, FAKE);
    tcase_add_loop_test(tcase, calls_are_given_up_before_they_begin, 0, FAKE);
    tcase_add_loop_test(tcase, channel_is_closed_before_calls_begin, 0, FAKE);
    tcase_add_test(tcase, shutdown_ends_every_thread);
    tcase_add_loop_test(tcase, shutdown_need_not_wait, 0, FAKE);
    tcase_add_loop_test(tcase, shutdown_comes_from_the_loop_itself, 0, FAKE);
    tcase_add_loop_test(tcase, no_signal_handler_runs_on_our_threads, 0, FAKE);
    return tcase;
}
