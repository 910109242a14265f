/* Workers: order, threads that come and go, tasks that come again. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/suite.h"
#include "core/worker.h"

enum { TASKS = 1000, PUTTERS = 4 };

typedef struct job {
    vmx_task task; /* first */
    size_t number;
} job;

static job jobs[TASKS];
static _Atomic size_t ran;
static pthread_t ran_on;
static vmx_worker *worker;

static void
run_in_turn(vmx_task *task)
{
    ck_assert_uint_eq(((job *)task)->number, atomic_fetch_add(&ran, 1));
    ran_on = pthread_self();
}

static vmx_workers *
open_one(size_t thread_count)
{
    vmx_error error;
    vmx_workers *workers = vmx_workers_new(thread_count);
    ck_assert_int_eq(vmx_workers_choose(workers, &worker, &error), VMX_OK);
    atomic_store(&ran, 0);
    return workers;
}

START_TEST(tasks_run_in_order_and_all_before_the_end)
{
    vmx_workers *workers = open_one((size_t)_i);
    for (size_t i = 0; i < TASKS; i++) {
        jobs[i] = (job){.task.run = run_in_turn, .number = i};
        vmx_worker_submit(worker, &jobs[i].task);
    }
    vmx_workers_stop(workers, true);
    ck_assert_uint_eq(atomic_load(&ran), TASKS);
    ck_assert_int_eq(pthread_equal(ran_on, pthread_self()) != 0, _i == 0);
    vmx_workers_free(workers);
}
END_TEST

/* Nobody would join the thread. */
START_TEST(there_is_no_worker_after_the_end)
{
    vmx_error error;
    vmx_worker *late;
    vmx_workers *workers = vmx_workers_new((size_t)_i);
    vmx_workers_stop(workers, true);
    ck_assert_int_eq(vmx_workers_choose(workers, &late, &error), VMX_ERR_CLOSED);
    ck_assert_ptr_null(late);
    vmx_workers_free(workers);
}
END_TEST

static void
run_again(vmx_task *task)
{
    if (atomic_fetch_add(&ran, 1) + 1 < TASKS)
        vmx_worker_submit(worker, task);
}

START_TEST(a_task_comes_again)
{
    vmx_workers *workers = open_one((size_t)_i);
    jobs[0].task.run = run_again;
    vmx_worker_submit(worker, &jobs[0].task);
    vmx_workers_stop(workers, true);
    ck_assert_uint_eq(atomic_load(&ran), TASKS);
    vmx_workers_free(workers);
}
END_TEST

static void
run_counted(vmx_task *task)
{
    (void)task;
    atomic_fetch_add(&ran, 1);
}

static void *
put_some(void *arg)
{
    job *first = arg;
    for (size_t i = 0; i < TASKS / PUTTERS; i++) {
        first[i].task.run = run_counted;
        vmx_worker_submit(worker, &first[i].task);
    }
    return NULL;
}

START_TEST(any_thread_submits)
{
    pthread_t threads[PUTTERS];
    vmx_workers *workers = open_one((size_t)_i);
    for (size_t i = 0; i < PUTTERS; i++)
        pthread_create(&threads[i], NULL, put_some, &jobs[i * TASKS / PUTTERS]);
    for (size_t i = 0; i < PUTTERS; i++)
        pthread_join(threads[i], NULL);
    vmx_workers_stop(workers, true);
    ck_assert_uint_eq(atomic_load(&ran), TASKS);
    vmx_workers_free(workers);
}
END_TEST

static void
run_masked(vmx_task *task)
{
    sigset_t mask;
    (void)task;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 1);
    atomic_fetch_add(&ran, 1);
}

START_TEST(signals_are_the_hosts)
{
    vmx_workers *workers = open_one(2);
    jobs[0].task.run = run_masked;
    vmx_worker_submit(worker, &jobs[0].task);
    vmx_workers_stop(workers, true);
    ck_assert_uint_eq(atomic_load(&ran), 1);
    vmx_workers_free(workers);
}
END_TEST

static vmx_workers *own;

static void
run_stop(vmx_task *task)
{
    (void)task;
    vmx_workers_stop(own, true); /* a worker does not wait for itself */
    vmx_workers_free(own);
    atomic_store(&ran, 1);
}

START_TEST(a_worker_may_end_itself)
{
    own = open_one(1);
    jobs[0].task.run = run_stop;
    vmx_worker_submit(worker, &jobs[0].task);
    for (int i = 0; i < 10000 && atomic_load(&ran) == 0; i++)
        sched_yield();
    ck_assert_uint_eq(atomic_load(&ran), 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("core_worker");
    TCase *tcase = tcase_create("core_worker");
    tcase_add_loop_test(tcase, tasks_run_in_order_and_all_before_the_end, 0, 2);
    tcase_add_loop_test(tcase, there_is_no_worker_after_the_end, 0, 2);
    tcase_add_loop_test(tcase, a_task_comes_again, 0, 2);
    tcase_add_loop_test(tcase, any_thread_submits, 0, 2);
    tcase_add_test(tcase, signals_are_the_hosts);
    tcase_add_test(tcase, a_worker_may_end_itself);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
