/* Cancel, free and close: at any time, in any order, from any thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/harness.h"

#define MANY 100

/* A client whose server has answered once and now is silent: what is started stays on its way. */
typedef struct silent {
    server s;
    vmx_client *client;
    vmx_index *records;
} silent;

static silent
open_silent(int io_threads)
{
    silent all = {.s = server_start(0)};
    all.client = open_client(all.s.endpoint, io_threads, NULL);
    all.records = open_index(all.client);
    finish(start_upsert(all.records, 1, NULL));
    await_connections(all.client);
    server_pause(&all.s);
    return all;
}

/* A client that cannot connect: what is started waits in line. */
static vmx_client *
open_unconnected(int io_threads)
{
    char endpoint[32];
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", free_port());
    static const char *const properties[] = {"wait.for.ready", "true", NULL};
    return open_client(endpoint, io_threads, properties);
}

static void
start_some(vmx_index *records, vmx_op *ops[MANY], vmx_queue *queue)
{
    vmx_call_options options = to_queue(queue, NULL);
    for (unsigned i = 0; i < MANY; i++)
        ops[i] = i % 2 == 0 ? start_upsert(records, i, &options) : start_query(records, i, &options);
}

/* --- cancel -------------------------------------------------------------------------------------------------------- */

static void
cancel_all(vmx_op *ops[MANY])
{
    for (size_t i = 0; i < MANY; i++) {
        vmx_op_cancel(ops[i]);
        vmx_op_cancel(ops[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(vmx_op_wait(ops[i], slow_ms(5000)), VMX_ERR_CANCELLED);
        const vmx_error *error = vmx_op_error(ops[i]);
        ck_assert_int_eq(error->code, VMX_ERR_CANCELLED);
        ck_assert_ptr_nonnull(strstr(error->message, "cancelled"));
        vmx_op_cancel(ops[i]);
        ck_assert_int_eq(vmx_op_status(ops[i]), VMX_ERR_CANCELLED);
    }
}

/* With many under way the last ones wait for the loop to send them, and may be taken back before. */
static bool
was_on_its_way(size_t i, vmx_outcome outcome)
{
    enum { SENT_AT_ONCE = 8 };
    return outcome == VMX_OUTCOME_UNKNOWN || (i >= SENT_AT_ONCE && outcome == VMX_OUTCOME_NOT_SENT);
}

START_TEST(cancel_ends_calls_on_their_way)
{
    vmx_op *ops[MANY];
    silent all = open_silent(IO_THREADS);
    start_some(all.records, ops, NULL);
    vmx_client_poll(all.client, 50);
    cancel_all(ops);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_msg(i % 2 != 0 || was_on_its_way(i, vmx_op_error(ops[i])->outcome), "op %zu: %s", i,
                      vmx_op_error(ops[i])->message);
        vmx_op_free(ops[i]);
    }
    vmx_index_free(all.records);
    close_client(all.client);
    server_kill(&all.s);
}
END_TEST

START_TEST(cancel_ends_calls_in_line)
{
    vmx_op *ops[MANY];
    vmx_client *client = open_unconnected(IO_THREADS);
    vmx_index *records = open_index(client);
    start_some(records, ops, NULL);
    cancel_all(ops);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(vmx_op_error(ops[i])->outcome, VMX_OUTCOME_NOT_SENT);
        vmx_op_free(ops[i]);
    }
    vmx_index_free(records);
    close_client(client);
}
END_TEST

START_TEST(cancel_races_with_success)
{
    vmx_op *ops[MANY];
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    for (unsigned round = 0; round < 10; round++) {
        start_some(records, ops, NULL);
        for (size_t i = 0; i < MANY; i++)
            vmx_op_cancel(ops[(i * 37) % MANY]);
        for (size_t i = 0; i < MANY; i++) {
            vmx_status status = vmx_op_wait(ops[i], slow_ms(10000));
            ck_assert_msg(status == VMX_OK || status == VMX_ERR_CANCELLED, "%s", vmx_op_error(ops[i])->message);
            vmx_op_free(ops[i]);
        }
    }
    vmx_index_free(records);
    close_client(client);
}
END_TEST

/* --- free ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_freed_op_gives_no_event)
{
    vmx_op *ops[MANY];
    vmx_event event;
    silent all = open_silent(IO_THREADS);
    vmx_queue *queue = make_queue(all.client);
    start_some(all.records, ops, queue);
    for (size_t i = 0; i < MANY; i++)
        vmx_op_free(ops[i]);
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 200), 0);
    vmx_queue_free(queue);
    vmx_index_free(all.records);
    close_client(all.client);
    server_kill(&all.s);
}
END_TEST

START_TEST(an_event_that_waits_goes_with_its_op)
{
    vmx_op *ops[MANY];
    vmx_event event;
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    start_some(records, ops, queue);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(vmx_op_wait(ops[i], slow_ms(10000)), VMX_OK);
    for (size_t i = 0; i < MANY; i += 2)
        vmx_op_free(ops[i]);
    for (size_t i = 1; i < MANY; i += 2) {
        ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, slow_ms(5000)), 1);
        ck_assert_str_eq(vmx_op_name(event.op), "query");
        vmx_op_free(event.op);
    }
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 50), 0);
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
}
END_TEST

/* Frees client, index, queue and an op in the order that `order`'s four digits say. */
static void
free_in_order(unsigned order, vmx_client *client, vmx_index *records, vmx_queue *queue, vmx_op *op)
{
    for (unsigned i = 0; i < 4; i++, order /= 4) {
        switch (order % 4) {
        case 0:
            vmx_client_free(client);
            break;
        case 1:
            vmx_index_free(records);
            break;
        case 2:
            vmx_queue_free(queue);
            break;
        default:
            vmx_op_free(op);
        }
    }
}

static bool
is_permutation(unsigned order)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++, order /= 4)
        seen |= 1u << order % 4;
    return seen == 15;
}

/* `state` 0: the op runs, 1: it has finished and its event waits, 2: its event was taken. */
static void
free_everything(const char *endpoint, int io_threads, unsigned order, int state)
{
    static const char *const properties[] = {"channel.count", "1", NULL};
    vmx_client *client = open_client(endpoint, io_threads, properties);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_op *op = start_query(records, 1, &options);
    vmx_event event;
    if (state == 1)
        ck_assert_int_eq(vmx_op_wait(op, slow_ms(5000)), VMX_OK);
    if (state == 2)
        ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, slow_ms(5000)), 1);
    free_in_order(order, client, records, queue, op);
}

/* What is freed without close ends in the background. */
static void
await_no_threads(void)
{
    int64_t limit = now_ms() + slow_ms(10000);
    while (count_threads("vmx-") > 0 && now_ms() < limit)
        sleep_ms(5);
    ck_assert_uint_eq(count_threads("vmx-"), 0);
}

START_TEST(everything_may_be_freed_in_any_order)
{
    vmx_client *client = open_client(shared_server()->endpoint, 1, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    vmx_index_free(records);
    close_client(client);
    for (int state = 0; state < 3; state++)
        for (unsigned order = 0; order < 256; order++)
            if (is_permutation(order))
                free_everything(shared_server()->endpoint, IO_THREADS, order, state);
    await_no_threads();
}
END_TEST

typedef struct owned {
    vmx_client *client;
    vmx_index *records;
    vmx_queue *queue;
    vmx_op *op;
    bool with_queue;
    _Atomic int started; /* `op` is set */
    _Atomic int freed;
} owned;

static void
free_inside(void *user)
{
    owned *all = user;
    while (atomic_load(&all->started) == 0)
        sleep_ms(1);
    vmx_op_free(all->op);
    vmx_index_free(all->records);
    vmx_client_free(all->client);
    if (all->with_queue)
        vmx_queue_free(all->queue);
    atomic_store(&all->freed, 1);
}

/* The one who drives the client has nothing of it left when the drive returns. */
static void
free_all_inside(const char *endpoint, int io_threads, bool with_queue)
{
    owned all = {.client = open_client(endpoint, io_threads, NULL), .with_queue = with_queue};
    all.records = open_index(all.client);
    all.queue = make_queue(all.client);
    await_connections(all.client);
    vmx_call_options options = to_queue(all.queue, NULL);
    vmx_queue_set_wakeup(all.queue, free_inside, &all);
    vmx_client *client = all.client;
    all.op = start_query(all.records, 1, &options);
    atomic_store(&all.started, 1);
    int64_t limit = now_ms() + slow_ms(10000);
    while (atomic_load(&all.freed) == 0 && now_ms() < limit) {
        if (io_threads == 0)
            vmx_client_poll(client, slow_ms(5000));
        else
            sleep_ms(1);
    }
    ck_assert_int_eq(atomic_load(&all.freed), 1);
    if (!with_queue)
        vmx_queue_free(all.queue);
}

START_TEST(everything_may_be_freed_inside_a_callback)
{
    for (int i = 0; i < 10; i++)
        free_all_inside(shared_server()->endpoint, IO_THREADS, i % 2 != 0);
    await_no_threads();
}
END_TEST

START_TEST(null_may_be_freed)
{
    vmx_op_free(NULL);
    vmx_queue_free(NULL);
    vmx_index_free(NULL);
    vmx_client_free(NULL);
    vmx_config_free(NULL);
}
END_TEST

/* --- close --------------------------------------------------------------------------------------------------------- */

START_TEST(close_waits_and_says_what_runs)
{
    vmx_op *ops[MANY];
    vmx_error error;
    silent all = open_silent(IO_THREADS);
    start_some(all.records, ops, NULL);
    int64_t begin = now_ms();
    ck_assert_int_eq(vmx_client_close(all.client, 150, &error), VMX_ERR_TIMEOUT);
    ck_assert_int_ge(now_ms() - begin, 145);
    ck_assert_int_lt(now_ms() - begin, slow_ms(2000));
    ck_assert_ptr_nonnull(strstr(error.message, "150 ms"));
    ck_assert_msg(strstr(error.message, "50 upsert") && strstr(error.message, "50 query"), "%s", error.message);
    server_resume(&all.s);
    ck_assert_int_eq(vmx_client_close(all.client, slow_ms(10000), &error), VMX_OK);
    ck_assert_uint_eq(count_threads("vmx-"), 0);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(vmx_op_status(ops[i]), VMX_OK);
        vmx_op_free(ops[i]);
    }
    ck_assert_int_eq(vmx_client_close(all.client, 0, &error), VMX_OK);
    vmx_index_free(all.records);
    vmx_client_free(all.client);
    server_kill(&all.s);
}
END_TEST

START_TEST(a_closed_client_starts_nothing)
{
    vmx_error error;
    vmx_op *op;
    vmx_index *other;
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    finish(start_upsert(records, 1, NULL));
    vmx_op *finished = start_query(records, 1, &options);
    ck_assert_int_eq(vmx_client_close(client, slow_ms(10000), &error), VMX_OK);
    ck_assert_int_eq(vmx_index_stats(records, NULL, &op, &error), VMX_ERR_CLOSED);
    ck_assert_ptr_null(op);
    ck_assert_ptr_nonnull(strstr(error.message, "closed; open a new one"));
    ck_assert_int_eq(vmx_index_open(client, VMX_STR(""), VMX_STR(""), &other, &error), VMX_ERR_CLOSED);
    ck_assert_int_eq(vmx_op_wait(finished, 0), VMX_OK);
    ck_assert_uint_ge(vmx_op_match_count(finished), 1);
    vmx_event event;
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 0), 1);
    ck_assert_ptr_eq(event.op, finished);
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, 20), 0);
    ck_assert_uint_eq(vmx_client_poll(client, 20), 0);
    vmx_op_free(finished);
    vmx_queue_free(queue);
    vmx_index_free(records);
    vmx_client_free(client);
}
END_TEST

static void *
close_later(void *client)
{
    vmx_error error;
    sleep_ms(20);
    vmx_status status = vmx_client_close(client, slow_ms(10000), &error);
    return (void *)(intptr_t)status;
}

START_TEST(several_threads_may_close)
{
    pthread_t closers[3];
    void *status;
    vmx_op *ops[MANY];
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    start_some(records, ops, NULL);
    for (size_t i = 0; i < 3; i++)
        pthread_create(&closers[i], NULL, close_later, client);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(closers[i], &status);
        ck_assert_int_eq((int)(intptr_t)status, VMX_OK);
    }
    ck_assert_uint_eq(count_threads("vmx-"), 0);
    for (size_t i = 0; i < MANY; i++)
        vmx_op_free(ops[i]);
    vmx_index_free(records);
    vmx_client_free(client);
}
END_TEST

static void
slow_wakeup(void *user)
{
    _Atomic int *running = user;
    atomic_store(running, 1);
    sleep_ms(300);
    atomic_store(running, 2);
}

typedef struct closing {
    vmx_client *client;
    _Atomic int running; /* the wake-up: 1, and when it has returned 2 */
    _Atomic int early;   /* who was told OK while it ran */
} closing;

static void *
close_now(void *user)
{
    closing *all = user;
    ck_assert_int_eq(vmx_client_close(all->client, slow_ms(10000), NULL), VMX_OK);
    atomic_fetch_add(&all->early, atomic_load(&all->running) == 1);
    return NULL;
}

START_TEST(each_of_those_who_close_finds_all_ended)
{
    enum { CLOSERS = 3 };
    pthread_t closers[CLOSERS];
    closing all = {.client = open_client(shared_server()->endpoint, IO_THREADS, NULL)};
    vmx_index *records = open_index(all.client);
    vmx_queue *queue = make_queue(all.client);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_queue_set_wakeup(queue, slow_wakeup, (void *)&all.running);
    vmx_op *op = start_query(records, 1, &options);
    while (IO_THREADS > 0 && atomic_load(&all.running) == 0)
        sleep_ms(1);
    for (size_t i = 0; i < CLOSERS; i++)
        pthread_create(&closers[i], NULL, close_now, &all);
    for (size_t i = 0; i < CLOSERS; i++)
        pthread_join(closers[i], NULL);
    ck_assert_int_eq(atomic_load(&all.early), 0);
    vmx_op_free(op);
    vmx_queue_free(queue);
    vmx_index_free(records);
    vmx_client_free(all.client);
}
END_TEST

START_TEST(a_client_is_freed_while_its_calls_run)
{
    vmx_op *ops[MANY];
    silent all = open_silent(IO_THREADS);
    start_some(all.records, ops, NULL);
    int64_t begin = now_ms();
    vmx_client_free(all.client);
    ck_assert_int_lt(now_ms() - begin, slow_ms(5000));
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(vmx_op_wait(ops[i], slow_ms(5000)), VMX_ERR_CANCELLED);
        vmx_op_free(ops[i]);
    }
    vmx_op *op;
    ck_assert_int_eq(vmx_index_stats(all.records, NULL, &op, NULL), VMX_ERR_CLOSED);
    vmx_index_free(all.records);
    await_no_threads();
    server_kill(&all.s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {cancel_ends_calls_on_their_way,
                                  cancel_ends_calls_in_line,
                                  cancel_races_with_success,
                                  a_freed_op_gives_no_event,
                                  an_event_that_waits_goes_with_its_op,
                                  everything_may_be_freed_in_any_order,
                                  everything_may_be_freed_inside_a_callback,
                                  null_may_be_freed,
                                  close_waits_and_says_what_runs,
                                  a_closed_client_starts_nothing,
                                  several_threads_may_close,
                                  each_of_those_who_close_finds_all_ended,
                                  a_client_is_freed_while_its_calls_run,
                                  NULL};
    return run_modes("api_ends", tests);
}
