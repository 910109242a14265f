/* Connections are sockets, counted by the kernel; threads are counted too, and shared by those who wait. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/harness.h"

/* --- several servers ----------------------------------------------------------------------------------------------- */

START_TEST(listed_endpoints_share_the_connections)
{
    server other = server_start(0);
    char both[80];
    snprintf(both, sizeof both, "%s, %s", shared_server()->endpoint, other.endpoint);
    vmx_client *client = open_client(both, IO_THREADS, (const char *const[]){"channel.count", "4", NULL});
    await_connections(client);
    vmx_index *records = open_index(client);
    for (unsigned i = 0; i < 40; i++)
        finish(start_upsert(records, i, NULL));
    uint64_t served[2] = {0, 0};
    for (size_t i = 0; i < 4; i++) {
        vmx_channel_info info;
        vmx_channel_info_init(&info, sizeof info);
        ck_assert(vmx_client_channel(client, i, &info));
        served[i % 2] += info.calls_started;
    }
    ck_assert_uint_ge(served[0], 10);
    ck_assert_uint_ge(served[1], 10);
    vmx_index_free(records);
    close_client(client);
    server_kill(&other);
}
END_TEST

/* --- sockets ------------------------------------------------------------------------------------------------------- */

static size_t
count_in(const char *table, int port)
{
    char line[256];
    unsigned remote_port, state;
    size_t count = 0;
    FILE *file = fopen(table, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, " %*d: %*[0-9A-F]:%*x %*[0-9A-F]:%x %x", &remote_port, &state) == 2)
            count += (int)remote_port == port && state == 1;
    fclose(file);
    return count;
}

/* Established TCP connections of this machine whose remote end is the port; gRPC's sockets may be of either family. */
static size_t
count_sockets(int port)
{
    return count_in("/proc/net/tcp", port) + count_in("/proc/net/tcp6", port);
}

enum { CALLS = 2000, CONCURRENT = 64 };

/* Makes CALLS queries, always CONCURRENT at a time. */
static void
keep_busy(vmx_client *client, vmx_index *records)
{
    vmx_event events[CONCURRENT];
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    unsigned started = 0, finished = 0;
    while (finished < CALLS) {
        while (started < CALLS && started - finished < CONCURRENT)
            start_query(records, started++, &options);
        size_t taken = vmx_queue_poll(queue, events, CONCURRENT, slow_ms(10000));
        ck_assert_uint_gt(taken, 0);
        for (size_t i = 0; i < taken; i++) {
            ck_assert_msg(events[i].status == VMX_OK, "%s", vmx_op_error(events[i].op)->message);
            vmx_op_free(events[i].op);
        }
        finished += (unsigned)taken;
    }
    vmx_queue_free(queue);
}

START_TEST(four_channels_are_four_sockets_that_share_the_calls)
{
    int port = shared_server()->port;
    ck_assert_uint_eq(count_sockets(port), 0);
    static const char *const properties[] = {"channel.count", "4", NULL};
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, properties);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    await_connections(client);
    keep_busy(client, records);
    ck_assert_uint_eq(count_sockets(port), 4);
    ck_assert_uint_eq(vmx_client_channel_count(client), 4);
    uint64_t all = 0;
    for (size_t i = 0; i < 4; i++) {
        vmx_channel_info info;
        vmx_channel_info_init(&info, sizeof info);
        ck_assert(vmx_client_channel(client, i, &info));
        ck_assert_msg(info.calls_started >= CALLS * 15 / 100, "channel %zu: %d of %d calls", i, (int)info.calls_started,
                      CALLS);
        ck_assert_uint_eq(info.calls_in_flight, 0);
        ck_assert_uint_eq(info.reconnects, 0);
        all += info.calls_started;
    }
    ck_assert_uint_eq(all, CALLS + 1);
    vmx_channel_info none;
    vmx_channel_info_init(&none, sizeof none);
    ck_assert(!vmx_client_channel(client, 4, &none));
    vmx_index_free(records);
    close_client(client);
    for (int64_t limit = now_ms() + slow_ms(5000); count_sockets(port) > 0 && now_ms() < limit;)
        sleep_ms(5);
    ck_assert_uint_eq(count_sockets(port), 0);
}
END_TEST

START_TEST(a_cap_of_streams_holds)
{
    static const char *const properties[] = {"channel.count", "2", "channel.max.streams", "3", NULL};
    server own = server_start(0);
    vmx_op *ops[20];
    vmx_client *client = open_client(own.endpoint, IO_THREADS, properties);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    await_connections(client);
    server_pause(&own);
    for (unsigned i = 0; i < 20; i++)
        ops[i] = start_query(records, i, NULL);
    vmx_client_poll(client, 50);
    for (size_t i = 0; i < 2; i++) {
        vmx_channel_info info;
        vmx_channel_info_init(&info, sizeof info);
        ck_assert(vmx_client_channel(client, i, &info));
        ck_assert_uint_eq(info.calls_in_flight, 3);
    }
    server_resume(&own);
    for (size_t i = 0; i < 20; i++)
        finish(ops[i]);
    vmx_index_free(records);
    close_client(client);
    server_kill(&own);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------- */

START_TEST(a_client_has_the_threads_it_was_told_to)
{
    ck_assert_uint_eq(count_threads("vmx-"), 0);
    size_t before = count_threads("");
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    keep_busy(client, records);
    ck_assert_uint_eq(count_threads("vmx-"), IO_THREADS);
    printf("io.threads=%d: %zu threads more, %zu of them ours, the others gRPC's\n", IO_THREADS,
           count_threads("") - before, count_threads("vmx-"));
    vmx_index_free(records);
    close_client(client);
    ck_assert_uint_eq(count_threads("vmx-"), 0);
}
END_TEST

START_TEST(a_thousand_queries_at_once_by_one_poller)
{
    enum { AT_ONCE = 1000 };
    static vmx_event events[AT_ONCE];
    vmx_client *client = open_client(shared_server()->endpoint, 0, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    for (unsigned i = 0; i < AT_ONCE; i++)
        start_query(records, i, &options);
    size_t taken = 0;
    for (int64_t limit = now_ms() + slow_ms(20000); taken < AT_ONCE && now_ms() < limit;)
        taken += vmx_queue_poll(queue, events + taken, AT_ONCE - taken, 1000);
    ck_assert_uint_eq(taken, AT_ONCE);
    ck_assert_uint_eq(count_threads("vmx-"), 0);
    for (size_t i = 0; i < AT_ONCE; i++) {
        ck_assert_msg(events[i].status == VMX_OK, "%s", vmx_op_error(events[i].op)->message);
        ck_assert_uint_ge(vmx_op_match_count(events[i].op), 1);
        vmx_op_free(events[i].op);
    }
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
}
END_TEST

/* --- many who wait ------------------------------------------------------------------------------------------------- */

static void *
wait_for_op(void *op)
{
    return (void *)(intptr_t)vmx_op_wait(op, slow_ms(15000));
}

START_TEST(two_threads_wait_for_one_op)
{
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    for (unsigned i = 0; i < 50; i++) {
        pthread_t waiters[2];
        void *status;
        vmx_op *op = start_query(records, i, NULL);
        for (size_t k = 0; k < 2; k++)
            pthread_create(&waiters[k], NULL, wait_for_op, op);
        for (size_t k = 0; k < 2; k++) {
            pthread_join(waiters[k], &status);
            ck_assert_int_eq((int)(intptr_t)status, VMX_OK);
        }
        vmx_op_free(op);
    }
    vmx_index_free(records);
    close_client(client);
}
END_TEST

static void *
call_and_wait(void *records)
{
    for (unsigned i = 0; i < 200; i++)
        finish(i % 4 == 0 ? start_upsert(records, i, NULL) : start_query(records, i, NULL));
    return NULL;
}

START_TEST(threads_of_their_own_calls)
{
    pthread_t callers[4];
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    for (size_t i = 0; i < 4; i++)
        pthread_create(&callers[i], NULL, call_and_wait, records);
    for (size_t i = 0; i < 4; i++)
        pthread_join(callers[i], NULL);
    vmx_index_free(records);
    close_client(client);
}
END_TEST

typedef struct pollers {
    vmx_queue *queue;
    _Atomic size_t taken;
    size_t expected;
} pollers;

static void *
take_until_all(void *user)
{
    pollers *all = user;
    vmx_event events[8];
    int64_t limit = now_ms() + slow_ms(15000);
    while (atomic_load(&all->taken) < all->expected && now_ms() < limit) {
        size_t count = vmx_queue_poll(all->queue, events, 8, 100);
        for (size_t i = 0; i < count; i++)
            vmx_op_free(events[i].op);
        atomic_fetch_add(&all->taken, count);
    }
    return NULL;
}

START_TEST(several_pollers_share_a_queue)
{
    pthread_t threads[4];
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    pollers all = {.queue = make_queue(client), .expected = 1000};
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, take_until_all, &all);
    vmx_call_options options = to_queue(all.queue, NULL);
    for (unsigned i = 0; i < all.expected; i++)
        start_query(records, i, &options);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&all.taken), all.expected);
    vmx_queue_free(all.queue);
    vmx_index_free(records);
    close_client(client);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {listed_endpoints_share_the_connections,
                                  four_channels_are_four_sockets_that_share_the_calls,
                                  a_cap_of_streams_holds,
                                  a_client_has_the_threads_it_was_told_to,
                                  a_thousand_queries_at_once_by_one_poller,
                                  two_threads_wait_for_one_op,
                                  threads_of_their_own_calls,
                                  several_pollers_share_a_queue,
                                  NULL};
    return run_modes("api_connections", tests);
}
