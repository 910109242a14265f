/* The contract of vecmux/op.h: one completion, never inside start, and its four faces. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/harness.h"

#define MANY 500

static vmx_client *client;
static vmx_index *records;

static void
open_both(int io_threads)
{
    client = open_client(shared_server()->endpoint, io_threads, NULL);
    records = open_index(client);
    finish(start_upsert(records, 1, NULL));
}

static void
close_both(void)
{
    vmx_index_free(records);
    close_client(client);
}

/* Takes `count` events, or fails. */
static void
take_events(vmx_queue *queue, vmx_event *events, size_t count)
{
    size_t taken = 0;
    for (int64_t limit = now_ms() + slow_ms(15000); taken < count;) {
        ck_assert_msg(now_ms() < limit, "%zu of %zu events", taken, count);
        taken += vmx_queue_poll(queue, events + taken, count - taken, 1000);
    }
}

/* --- one completion ------------------------------------------------------------------------------------------------ */

typedef struct slot {
    vmx_op *op;
    int events;
} slot;

START_TEST(each_op_completes_exactly_once)
{
    static slot slots[MANY];
    static vmx_event events[MANY];
    open_both(IO_THREADS);
    vmx_queue *queue = make_queue(client);
    for (unsigned i = 0; i < MANY; i++) {
        vmx_call_options options = to_queue(queue, &slots[i]);
        slots[i].op = i % 2 == 0 ? start_upsert(records, i, &options) : start_query(records, i, &options);
    }
    take_events(queue, events, MANY);
    for (size_t i = 0; i < MANY; i++) {
        slot *s = events[i].user;
        ck_assert_ptr_eq(events[i].op, s->op);
        ck_assert_int_eq(events[i].status, VMX_OK);
        ck_assert_int_eq(vmx_op_status(s->op), VMX_OK);
        ck_assert_ptr_eq(vmx_op_user(s->op), s);
        ck_assert_int_eq(++s->events, 1);
    }
    ck_assert_uint_eq(vmx_queue_poll(queue, events, MANY, 100), 0);
    for (size_t i = 0; i < MANY; i++)
        vmx_op_free(slots[i].op);
    vmx_queue_free(queue);
    close_both();
}
END_TEST

START_TEST(a_failed_start_gives_no_op_and_no_event)
{
    open_both(IO_THREADS);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    vmx_op *op = (vmx_op *)&query;
    vmx_error error = {0};
    ck_assert_int_eq(vmx_index_query(records, &query, &options, &op, &error), VMX_ERR_INVALID);
    ck_assert_ptr_null(op);
    ck_assert_int_eq(error.code, VMX_ERR_INVALID);
    ck_assert_int_eq(vmx_index_query(records, &query, &options, &op, NULL), VMX_ERR_INVALID);
    vmx_event event;
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 50), 0);
    vmx_queue_free(queue);
    close_both();
}
END_TEST

START_TEST(a_queue_of_another_client_is_refused)
{
    open_both(IO_THREADS);
    vmx_client *other = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_queue *queue = make_queue(other);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_op *op;
    vmx_error error;
    ck_assert_int_eq(vmx_index_stats(records, &options, &op, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "queue belongs to another client"));
    ck_assert_ptr_nonnull(strstr(error.message, "make one of this client"));
    vmx_queue_free(queue);
    close_client(other);
    close_both();
}
END_TEST

/* --- never inside start -------------------------------------------------------------------------------------------- */

static _Thread_local bool starting;
static _Atomic int wakeups, wakeups_inside;

static void
count_wakeup(void *user)
{
    (void)user;
    atomic_fetch_add(&wakeups, 1);
    atomic_fetch_add(&wakeups_inside, starting);
}

static void
start_and_look(vmx_queue *queue, unsigned number, int io_threads, const vmx_call_options *more)
{
    vmx_event event;
    vmx_call_options options = *more;
    options.queue = queue;
    starting = true;
    vmx_op *op = start_query(records, number, &options);
    if (io_threads == 0) /* nobody drives: it cannot have completed but inside the start */
        ck_assert_int_eq(vmx_op_status(op), VMX_ERR_NOT_DONE);
    starting = false;
    take_events(queue, &event, 1);
    ck_assert_ptr_eq(event.op, op);
    vmx_op_free(op);
}

START_TEST(nothing_completes_inside_start)
{
    open_both(IO_THREADS);
    vmx_queue *queue = make_queue(client);
    vmx_queue_set_wakeup(queue, count_wakeup, NULL);
    vmx_call_options options = to_queue(queue, NULL);
    for (unsigned i = 0; i < 100; i++)
        start_and_look(queue, i, IO_THREADS, &options);
    vmx_queue_set_wakeup(queue, NULL, NULL); /* the last one may still be running */
    ck_assert_int_eq(atomic_load(&wakeups), 100);
    ck_assert_int_eq(atomic_load(&wakeups_inside), 0);
    vmx_queue_free(queue);
    close_both();
}
END_TEST

START_TEST(nothing_completes_inside_start_that_cannot_go_well)
{
    char nobody[32];
    snprintf(nobody, sizeof nobody, "127.0.0.1:%d", free_port());
    client = open_client(nobody, IO_THREADS, NULL);
    records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_queue_set_wakeup(queue, count_wakeup, NULL);
    vmx_retry none;
    vmx_retry_init(&none, sizeof none, VMX_RETRY_NONE);
    vmx_call_options options = to_queue(queue, NULL);
    options.retry = &none;
    options.timeout_ms = 1;
    for (unsigned i = 0; i < 20; i++) {
        options.wait_for_ready = i % 2 == 0 ? 1 : -1;
        start_and_look(queue, i, IO_THREADS, &options);
    }
    ck_assert_int_eq(atomic_load(&wakeups_inside), 0);
    vmx_queue_free(queue);
    close_both();
}
END_TEST

/* --- the faces ----------------------------------------------------------------------------------------------------- */

START_TEST(wait_tells_a_timeout_from_the_ops_own_end)
{
    server own = server_start(0);
    client = open_client(own.endpoint, IO_THREADS, NULL);
    records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    server_pause(&own);
    vmx_op *op = start_query(records, 1, NULL);
    int64_t begin = now_ms();
    ck_assert_int_eq(vmx_op_wait(op, 100), VMX_ERR_TIMEOUT);
    ck_assert_int_ge(now_ms() - begin, 95);
    ck_assert(!vmx_op_done(op));
    ck_assert_int_eq(vmx_op_status(op), VMX_ERR_NOT_DONE);
    ck_assert_int_eq(vmx_op_error(op)->code, VMX_OK);
    ck_assert_uint_eq(vmx_op_match_count(op), 0);
    ck_assert_int_eq(vmx_op_wait(op, 0), VMX_ERR_TIMEOUT);
    server_resume(&own);
    ck_assert_int_eq(vmx_op_wait(op, VMX_FOREVER), VMX_OK);
    ck_assert_int_eq(vmx_op_wait(op, 0), VMX_OK);
    ck_assert_uint_eq(vmx_op_match_count(op), 1);
    ck_assert_str_eq(vmx_op_name(op), "query");
    vmx_op_free(op);
    close_both();
    server_kill(&own);
}
END_TEST

static bool
is_readable(int fd, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    int ready = poll(&item, 1, timeout_ms);
    return ready == 1 && (item.revents & POLLIN) != 0;
}

START_TEST(the_descriptor_is_readable_while_events_wait)
{
    vmx_event event;
    open_both(IO_THREADS);
    vmx_queue *queue = make_queue(client);
    int fd = vmx_queue_fd(queue);
    vmx_call_options options = to_queue(queue, NULL);
    ck_assert(!is_readable(fd, 0));
    vmx_op *ops[3];
    for (unsigned i = 0; i < 3; i++)
        ops[i] = start_query(records, i, &options);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(vmx_op_wait(ops[i], slow_ms(5000)), VMX_OK);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(is_readable(fd, (int)slow_ms(1000)));
        ck_assert(is_readable(fd, 0));
        ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 0), 1);
        vmx_op_free(event.op);
    }
    ck_assert(!is_readable(fd, 0));
    vmx_queue_wake(queue);
    ck_assert(is_readable(fd, 0));
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 5000), 0);
    ck_assert(!is_readable(fd, 0));
    vmx_queue_free(queue);
    close_both();
}
END_TEST

static void *
wake_later(void *queue)
{
    sleep_ms(100);
    vmx_queue_wake(queue);
    return NULL;
}

START_TEST(wake_ends_a_poll)
{
    vmx_event event;
    open_both(IO_THREADS);
    vmx_queue *queue = make_queue(client);
    pthread_t waker;
    int64_t begin = now_ms();
    pthread_create(&waker, NULL, wake_later, queue);
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, slow_ms(20000)), 0);
    ck_assert_int_lt(now_ms() - begin, slow_ms(5000));
    pthread_join(waker, NULL);
    begin = now_ms();
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 100), 0);
    ck_assert_int_ge(now_ms() - begin, 95);
    vmx_queue_free(queue);
    close_both();
}
END_TEST

/* --- callbacks ----------------------------------------------------------------------------------------------------- */

typedef struct calls_inside {
    vmx_queue *queue;
    vmx_op *op; /* one that runs */
    _Atomic int done;
    vmx_status wait, close;
    size_t polled, driven;
} calls_inside;

static void
call_inside(void *user)
{
    calls_inside *calls = user;
    vmx_event event;
    calls->wait = vmx_op_wait(calls->op, slow_ms(5000));
    calls->close = vmx_client_close(client, slow_ms(5000), NULL);
    calls->polled = vmx_queue_poll(calls->queue, &event, 1, slow_ms(5000));
    calls->driven = vmx_client_poll(client, slow_ms(5000));
    vmx_queue_set_wakeup(calls->queue, NULL, NULL);
    atomic_store(&calls->done, 1);
}

START_TEST(a_callback_must_not_wait)
{
    server silent = server_start(0);
    client = open_client(silent.endpoint, IO_THREADS, NULL);
    records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    server_pause(&silent);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    calls_inside calls = {.queue = queue, .op = start_query(records, 2, NULL), .wait = VMX_OK, .close = VMX_OK};
    vmx_queue_set_wakeup(queue, call_inside, &calls);
    vmx_op *op = start_query(records, 1, &options);
    int64_t begin = now_ms();
    vmx_op_cancel(op);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(5000)), VMX_ERR_CANCELLED);
    for (; !atomic_load(&calls.done) && now_ms() - begin < slow_ms(5000);)
        sleep_ms(1);
    ck_assert_int_lt(now_ms() - begin, slow_ms(4500));
    ck_assert_int_eq(calls.wait, VMX_ERR_WOULD_DEADLOCK);
    ck_assert_int_eq(calls.close, VMX_ERR_WOULD_DEADLOCK);
    ck_assert_uint_eq(calls.polled + calls.driven, 0);
    vmx_op_free(op);
    vmx_op_free(calls.op);
    vmx_queue_free(queue);
    server_kill(&silent);
    close_both();
}
END_TEST

static void
slow_wakeup(void *user)
{
    _Atomic int *running = user;
    atomic_store(running, 1);
    sleep_ms(200);
    atomic_store(running, 2);
}

static void
remove_while_it_runs(int io_threads, bool with_its_queue)
{
    _Atomic int running = 0;
    vmx_queue *queue = make_queue(client);
    vmx_queue_set_wakeup(queue, slow_wakeup, (void *)&running);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_op *op = start_query(records, 1, &options);
    while (io_threads > 0 && atomic_load(&running) == 0)
        sleep_ms(1);
    if (!with_its_queue)
        vmx_queue_set_wakeup(queue, NULL, NULL);
    else
        vmx_queue_free(queue);
    ck_assert_int_ne(atomic_load(&running), 1);
    finish(op);
    if (!with_its_queue)
        vmx_queue_free(queue);
}

START_TEST(removing_a_wakeup_waits_until_it_has_returned)
{
    open_both(IO_THREADS);
    remove_while_it_runs(IO_THREADS, false);
    remove_while_it_runs(IO_THREADS, true);
    close_both();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {each_op_completes_exactly_once,
                                  a_failed_start_gives_no_op_and_no_event,
                                  a_queue_of_another_client_is_refused,
                                  nothing_completes_inside_start,
                                  nothing_completes_inside_start_that_cannot_go_well,
                                  wait_tells_a_timeout_from_the_ops_own_end,
                                  the_descriptor_is_readable_while_events_wait,
                                  wake_ends_a_poll,
                                  a_callback_must_not_wait,
                                  removing_a_wakeup_waits_until_it_has_returned,
                                  NULL};
    return run_modes("api_contract", tests);
}
