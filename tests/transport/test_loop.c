/* Timers and tasks, by every implementation: `_i` is the kind. */
#include "transport/harness.h"
#include "transport/suites.h"

static test_harness h;

static void
open_kind(int i)
{
    harness_open(&h, (test_kind)i);
}

/* --- timers, tasks, driving --------------------------------------------------------------------------------------- */

enum { TIMERS = 100 };

static struct {
    vmx_timer timer;
    uint64_t fired_us;
} timers[TIMERS];
static atomic_size_t fired;
static size_t order[TIMERS];

static void
note_fired(vmx_timer *timer)
{
    size_t i = (size_t)((char *)timer - (char *)timers) / sizeof timers[0];
    timers[i].fired_us = h.vtable->now(h.transport);
    order[atomic_load(&fired)] = i;
    atomic_fetch_add(&fired, 1);
}

static bool
have_fired(void *arg)
{
    return atomic_load(&fired) >= *(size_t *)arg;
}

START_TEST(timers_fire_in_order)
{
    open_kind(_i);
    uint64_t start_us = harness_after(&h, 50);
    for (size_t i = 0; i < TIMERS; i++)
        timers[i].timer.fire = note_fired;
    for (size_t k = 0; k < TIMERS; k++) {
        size_t i = k * 37 % TIMERS;
        h.vtable->timer_set(h.loop, &timers[i].timer, start_us + i * 1000);
    }
    /* moved behind the others, moved to the front, taken out */
    h.vtable->timer_set(h.loop, &timers[3].timer, start_us + 200000);
    h.vtable->timer_set(h.loop, &timers[90].timer, start_us - 10000);
    for (size_t i = 10; i < 20; i++)
        ck_assert(h.vtable->timer_cancel(h.loop, &timers[i].timer));
    ck_assert(!h.vtable->timer_cancel(h.loop, &timers[10].timer));
    size_t expected = TIMERS - 10;
    ck_assert(harness_wait(&h, have_fired, &expected, 5000));
    harness_pass(&h, 20);
    ck_assert_uint_eq(atomic_load(&fired), expected);
    ck_assert(!h.vtable->timer_cancel(h.loop, &timers[0].timer));
    ck_assert_uint_eq(order[0], 90);
    ck_assert_uint_eq(order[expected - 1], 3);
    for (size_t k = 2; k < expected - 1; k++)
        ck_assert_uint_gt(order[k], order[k - 1]);
    for (size_t i = 0; i < TIMERS; i++) {
        if (i >= 10 && i < 20)
            ck_assert_uint_eq(timers[i].fired_us, 0);
        else
            ck_assert_uint_ge(timers[i].fired_us, timers[i].timer.due_us);
    }
    harness_close(&h);
}
END_TEST

START_TEST(equal_timers_fire_as_they_were_set)
{
    open_kind(_i);
    uint64_t due_us = harness_after(&h, 30);
    for (size_t i = 0; i < TIMERS; i++) {
        timers[i].timer.fire = note_fired;
        h.vtable->timer_set(h.loop, &timers[i].timer, due_us);
    }
    size_t expected = TIMERS;
    ck_assert(harness_wait(&h, have_fired, &expected, 5000));
    for (size_t i = 0; i < TIMERS; i++)
        ck_assert_uint_eq(order[i], i);
    harness_close(&h);
}
END_TEST

static void
set_again(vmx_timer *timer)
{
    if (atomic_fetch_add(&fired, 1) < 5)
        h.vtable->timer_set(h.loop, timer, h.vtable->now(h.transport) + 1000);
}

START_TEST(timer_sets_itself_again)
{
    open_kind(_i);
    timers[0].timer.fire = set_again;
    h.vtable->timer_set(h.loop, &timers[0].timer, 0);
    size_t expected = 6;
    ck_assert(harness_wait(&h, have_fired, &expected, 5000));
    harness_close(&h);
}
END_TEST

static struct posted {
    vmx_task task;
    atomic_bool in_post;
} posted[TIMERS];

static void
note_ran(vmx_task *task)
{
    struct posted *own = (struct posted *)task;
    ck_assert(h.transport->driven ? !atomic_load(&own->in_post) : true);
    order[atomic_load(&fired)] = (size_t)(own - posted);
    atomic_fetch_add(&fired, 1);
}

START_TEST(tasks_run_in_order_and_not_inside_post)
{
    open_kind(_i);
    for (size_t i = 0; i < TIMERS; i++) {
        posted[i].task.run = note_ran;
        atomic_store(&posted[i].in_post, true);
        h.vtable->post(h.loop, &posted[i].task);
        atomic_store(&posted[i].in_post, false);
    }
    size_t expected = TIMERS;
    ck_assert(harness_wait(&h, have_fired, &expected, 5000));
    for (size_t i = 0; i < TIMERS; i++)
        ck_assert_uint_eq(order[i], i);
    harness_close(&h);
}
END_TEST

TCase *
loop_cases(void)
{
    TCase *tcase = tcase_create("loop");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, timers_fire_in_order, 0, KINDS);
    tcase_add_loop_test(tcase, equal_timers_fire_as_they_were_set, 0, KINDS);
    tcase_add_loop_test(tcase, timer_sets_itself_again, 0, KINDS);
    tcase_add_loop_test(tcase, tasks_run_in_order_and_not_inside_post, 0, KINDS);
    return tcase;
}
