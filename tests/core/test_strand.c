#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/strand.h"
#include "core/suite.h"

#define THREADS 8
#define ROUNDS  20000

typedef struct note {
    vmx_task task;
    char letter;
} note;

static vmx_strand strand;
static char order[16];
static note *inner;

static void
write_letter(vmx_task *task)
{
    char letter[2] = {((note *)task)->letter, '\0'};
    strcat(order, letter);
}

static void
write_and_submit(vmx_task *task)
{
    vmx_strand_submit(&strand, &inner->task); /* runs after this one, not inside it */
    write_letter(task);
}

START_TEST(test_task_runs_at_once_and_nested_ones_after_it)
{
    vmx_strand_init(&strand);
    order[0] = '\0';
    note a = {{.run = write_and_submit}, 'a'}, b = {{.run = write_letter}, 'b'}, c = {{.run = write_letter}, 'c'};
    inner = &b;
    vmx_strand_submit(&strand, &a.task);
    ck_assert_str_eq(order, "ab");
    vmx_strand_submit(&strand, &c.task);
    ck_assert_str_eq(order, "abc");
}
END_TEST

static int left;

static void
run_again(vmx_task *task)
{
    if (--left > 0)
        vmx_strand_submit(&strand, task);
}

START_TEST(test_task_may_be_submitted_again_while_it_runs)
{
    vmx_strand_init(&strand);
    left = 100000; /* would overflow the stack if it nested */
    vmx_task task = {.run = run_again};
    vmx_strand_submit(&strand, &task);
    ck_assert_int_eq(left, 0);
}
END_TEST

static void
free_itself(vmx_task *task)
{
    left--;
    free(task);
}

START_TEST(test_task_may_free_itself)
{
    vmx_strand_init(&strand);
    left = 1;
    vmx_task *task = calloc(1, sizeof *task);
    task->run = free_itself;
    vmx_strand_submit(&strand, task);
    ck_assert_int_eq(left, 0);
}
END_TEST

/* Plain, not atomic: only the strand keeps the threads apart. */
typedef struct shared {
    vmx_strand strand;
    long runs;
    long next[THREADS]; /* the number of the task that each thread's turn is at */
    int inside;
    int errors;
} shared;

typedef struct numbered {
    vmx_task task;
    shared *shared;
    int thread;
    long number;
} numbered;

static void
run_numbered(vmx_task *task)
{
    numbered *self = (numbered *)task;
    shared *all = self->shared;
    all->errors += all->inside++ != 0;
    all->errors += all->next[self->thread]++ != self->number;
    all->runs++;
    all->inside--;
    free(self);
}

typedef struct submitter {
    shared *shared;
    int thread;
} submitter;

static void *
submit_many(void *arg)
{
    submitter *self = arg;
    for (long i = 0; i < ROUNDS; i++) {
        numbered *task = malloc(sizeof *task);
        *task = (numbered){{.run = run_numbered}, self->shared, self->thread, i};
        vmx_strand_submit(&self->shared->strand, &task->task);
    }
    return NULL;
}

START_TEST(test_eight_threads)
{
    shared all = {0};
    vmx_strand_init(&all.strand);
    pthread_t threads[THREADS];
    submitter submitters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        submitters[i] = (submitter){&all, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_many, &submitters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(all.errors, 0);
    ck_assert_int_eq(all.runs, (long)THREADS * ROUNDS);
}
END_TEST

/* An owner with references, as an operation is: the last task to run drops the owner from inside the strand. */
typedef struct owner {
    vmx_strand strand;
    atomic_int refs;
    vmx_task tasks[THREADS];
    int done;
} owner;

static atomic_int owners_freed;

static void
drop(owner *dropped)
{
    if (atomic_fetch_sub(&dropped->refs, 1) == 1) {
        free(dropped);
        atomic_fetch_add(&owners_freed, 1);
    }
}

static pthread_barrier_t barrier;
static owner *current;

static void
finish_one(vmx_task *task)
{
    owner *mine = current;
    (void)task;
    if (++mine->done == THREADS)
        drop(mine); /* the strand's users hold references of their own */
}

static void *
submit_one_each_round(void *arg)
{
    int thread = *(int *)arg;
    for (int round = 0; round < 1000; round++) {
        if (thread == 0) {
            current = calloc(1, sizeof *current);
            vmx_strand_init(&current->strand);
            current->refs = THREADS + 1;
        }
        pthread_barrier_wait(&barrier);
        owner *mine = current;
        mine->tasks[thread].run = finish_one;
        vmx_strand_submit(&mine->strand, &mine->tasks[thread]);
        drop(mine);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

START_TEST(test_last_reference_goes_inside)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_one_each_round, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    ck_assert_int_eq(owners_freed, 1000);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_task_runs_at_once_and_nested_ones_after_it,
                                  test_task_may_be_submitted_again_while_it_runs,
                                  test_task_may_free_itself,
                                  test_eight_threads,
                                  test_last_reference_goes_inside,
                                  NULL};
    return run_suite("core strand", tests);
}
