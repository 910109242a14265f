/* A good guest in the host's process: forks, signals, locales, exit. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/harness.h"
#include "core/comma_locale.h"

/* In a forked child most threads are gone, and an exit while busy frees nothing: the leak sanitizer asks here. */
static bool is_child;

__attribute__((visibility("default"))) int
__lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
    return is_child;
}

#if defined(__SANITIZE_ADDRESS__)
#define SETTLE_MS 200
#else
#define SETTLE_MS 0
#endif

/* fork, once what was printed is out. The address sanitizer's own locks stay held in a child for ever if another thread has
 * one of them just then: under it all threads come to rest first. */
static pid_t
fork_child(void)
{
    fflush(NULL);
    sleep_ms(SETTLE_MS);
    pid_t child = fork();
    is_child = child == 0;
    return child;
}

/* --- fork ---------------------------------------------------------------------------------------------------------- */

typedef struct handles {
    vmx_client *client;
    vmx_index *records;
    vmx_queue *queue;
    vmx_op *running, *finished;
} handles;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return __LINE__ % 256;                                                                                     \
    } while (0)

/* Every call that can fail answers VMX_ERR_FORKED, with a message; the others return at once. Gives 0, or a line. */
static int
use_in_child(const handles *all)
{
    vmx_error error = {0};
    vmx_op *op;
    vmx_index *records;
    vmx_queue *queue;
    vmx_client *client;
    vmx_event event;
    vmx_query query;
    vmx_config *config = vmx_config_new();
    vmx_query_init(&query, sizeof query);
    EXPECT(vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("127.0.0.1:1"), &error) == VMX_OK);
    EXPECT(vmx_client_open(config, &client, &error) == VMX_ERR_FORKED && strstr(error.message, "fork") != NULL);
    EXPECT(vmx_index_open(all->client, VMX_STR(""), VMX_STR(""), &records, &error) == VMX_ERR_FORKED);
    EXPECT(vmx_queue_new(all->client, &queue, &error) == VMX_ERR_FORKED);
    EXPECT(vmx_index_stats(all->records, NULL, &op, &error) == VMX_ERR_FORKED && op == NULL);
    EXPECT(vmx_index_query(all->records, &query, NULL, &op, &error) == VMX_ERR_FORKED);
    EXPECT(vmx_op_wait(all->running, VMX_FOREVER) == VMX_ERR_FORKED);
    EXPECT(vmx_op_wait(all->finished, VMX_FOREVER) == VMX_OK);
    EXPECT(vmx_queue_poll(all->queue, &event, 1, VMX_FOREVER) == 0);
    EXPECT(vmx_client_poll(all->client, VMX_FOREVER) == 0);
    vmx_queue_wake(all->queue);
    vmx_queue_set_wakeup(all->queue, NULL, NULL);
    EXPECT(vmx_queue_fd(all->queue) >= 0);
    vmx_op_cancel(all->running);
    EXPECT(vmx_client_close(all->client, VMX_FOREVER, &error) == VMX_ERR_FORKED);
    vmx_op_free(all->running);
    vmx_op_free(all->finished);
    vmx_queue_free(all->queue);
    vmx_index_free(all->records);
    vmx_client_free(all->client);
    vmx_config_free(config);
    return 0;
}

static int
await_exit(pid_t child, int64_t limit_ms)
{
    int status = -1;
    int64_t limit = now_ms() + limit_ms;
    while (waitpid(child, &status, WNOHANG) == 0)
        if (now_ms() > limit) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            ck_abort_msg("the child did not end within %d ms", (int)limit_ms);
        } else {
            sleep_ms(2);
        }
    return status;
}

START_TEST(a_forked_child_is_told_so_and_the_parent_goes_on)
{
    server s = server_start(0);
    handles all = {.client = open_client(s.endpoint, IO_THREADS, NULL)};
    all.records = open_index(all.client);
    all.queue = make_queue(all.client);
    vmx_call_options options = to_queue(all.queue, NULL);
    finish(start_upsert(all.records, 1, NULL));
    all.finished = start_query(all.records, 1, NULL);
    ck_assert_int_eq(vmx_op_wait(all.finished, slow_ms(5000)), VMX_OK);
    server_pause(&s);
    all.running = start_query(all.records, 1, &options);
    pid_t child = fork_child();
    if (child == 0)
        exit(use_in_child(&all)); /* with every exit handler */
    int status = await_exit(child, slow_ms(1000));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x, line %d (modulo 256)", (unsigned)status,
                  WEXITSTATUS(status));
    server_resume(&s);
    ck_assert_int_eq(vmx_op_wait(all.running, slow_ms(10000)), VMX_OK);
    for (unsigned i = 0; i < 100; i++)
        finish(start_query(all.records, i, NULL));
    vmx_op_free(all.running);
    vmx_op_free(all.finished);
    vmx_queue_free(all.queue);
    vmx_index_free(all.records);
    close_client(all.client);
    server_kill(&s);
}
END_TEST

START_TEST(a_child_leaves_the_descriptor_to_the_parent)
{
    server s = server_start(0);
    vmx_event event;
    vmx_client *client = open_client(s.endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_op *op = start_query(records, 1, &options);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(5000)), VMX_OK);
    pid_t child = fork_child();
    if (child == 0)
        _exit(vmx_queue_fd(queue) < 0);
    ck_assert_int_eq(await_exit(child, slow_ms(1000)), 0);
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, slow_ms(5000)), 1);
    struct pollfd readable = {.fd = vmx_queue_fd(queue), .events = POLLIN};
    ck_assert_int_eq(poll(&readable, 1, 0), 0);
    vmx_op_free(op);
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
    server_kill(&s);
}
END_TEST

START_TEST(a_child_that_touches_nothing_just_exits)
{
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    finish(start_upsert(records, 1, NULL));
    pid_t child = fork_child();
    if (child == 0)
        exit(7);
    ck_assert_int_eq(WEXITSTATUS(await_exit(child, slow_ms(1000))), 7);
    finish(start_query(records, 1, NULL));
    vmx_index_free(records);
    close_client(client);
}
END_TEST

/* --- signals ------------------------------------------------------------------------------------------------------- */

static pthread_t main_thread;
static _Atomic int handled, handled_elsewhere;

static void
on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
    if (!pthread_equal(pthread_self(), main_thread))
        atomic_fetch_add(&handled_elsewhere, 1);
}

static void *
send_signals(void *running)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (atomic_load((_Atomic int *)running)) {
        kill(getpid(), SIGUSR1);
        sleep_ms(1);
    }
    return NULL;
}

/* While the host's own thread has the signal blocked it may only wait: no thread of the library may take it. */
static void
check_blocked_signal(vmx_index *records)
{
    sigset_t usr1, old, pending;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &old);
    int before = atomic_load(&handled);
    kill(getpid(), SIGUSR1);
    for (unsigned i = 0; i < 50; i++)
        finish(start_query(records, i, NULL));
    sigpending(&pending);
    ck_assert(sigismember(&pending, SIGUSR1));
    ck_assert_int_eq(atomic_load(&handled), before);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    ck_assert_int_eq(atomic_load(&handled), before + 1);
}

static void
check_poll_takes(vmx_queue *queue, int64_t timeout_ms)
{
    vmx_event event;
    int64_t begin = now_ms();
    ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, timeout_ms), 0);
    ck_assert_int_ge(now_ms() - begin, timeout_ms - 5);
    ck_assert_int_lt(now_ms() - begin, timeout_ms + slow_ms(1000));
}

START_TEST(signals_are_the_hosts_own)
{
    _Atomic int running = 1;
    pthread_t sender;
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits are interrupted */
    main_thread = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&sender, NULL, send_signals, (void *)&running);
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    vmx_event event;
    finish(start_upsert(records, 1, NULL));
    for (unsigned i = 0; i < 200; i++) {
        start_query(records, i, &options);
        ck_assert_uint_eq(vmx_queue_poll(queue, &event, 1, slow_ms(10000)), 1);
        ck_assert_int_eq(event.status, VMX_OK);
        vmx_op_free(event.op);
    }
    check_poll_takes(queue, 200);
    atomic_store(&running, 0);
    pthread_join(sender, NULL);
    check_poll_takes(queue, 50);
    check_blocked_signal(records);
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
    ck_assert_int_gt(atomic_load(&handled), 10);
    ck_assert_int_eq(atomic_load(&handled_elsewhere), 0);
}
END_TEST

/* --- locale -------------------------------------------------------------------------------------------------------- */

START_TEST(numbers_do_not_follow_the_locale)
{
    if (!comma_locale_set())
        return;
    char text[16];
    snprintf(text, sizeof text, "%.1f", 1.5);
    ck_assert_str_eq(text, "1,5");
    static const char *const properties[] = {"retry.multiplier", "2.5", NULL};
    vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, properties);
    vmx_index *records = open_index(client);
    static const float values[DIMENSION] = {1, 2, 3, 4};
    vmx_vector vector;
    vmx_vector_init(&vector, sizeof vector);
    vector.id = VMX_STR("locale");
    vector.values = (vmx_floats){values, DIMENSION};
    vector.metadata = VMX_STR("{\"price\": 1234.5625}");
    vmx_vectors vectors = {.ptr = &vector, .count = 1};
    vmx_op *op;
    vmx_error error;
    ck_assert_msg(vmx_index_upsert(records, &vectors, NULL, &op, &error) == VMX_OK, "%s", error.message);
    finish(op);
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.id = vector.id;
    query.top_k = 1;
    query.filter = VMX_STR("{\"price\": {\"$gt\": 1234.5, \"$lt\": 1234.75}}");
    query.include_metadata = true;
    ck_assert_msg(vmx_index_query(records, &query, NULL, &op, &error) == VMX_OK, "%s", error.message);
    ck_assert_int_eq(vmx_op_wait(op, slow_ms(5000)), VMX_OK);
    ck_assert_uint_eq(vmx_op_match_count(op), 1);
    vmx_str json = vmx_op_match_metadata(op, 0);
    ck_assert_msg(json.ptr != NULL && strstr(json.ptr, "1234.5625") != NULL, "%.*s", (int)json.len, json.ptr);
    vmx_op_free(op);
    vmx_index_free(records);
    close_client(client);
}
END_TEST

/* --- exit ---------------------------------------------------------------------------------------------------------- */

START_TEST(exit_while_busy)
{
    pid_t child = fork_child(); /* before the library is used here */
    if (child == 0) {
        vmx_client *client = open_client(shared_server()->endpoint, IO_THREADS, NULL);
        vmx_index *records = open_index(client);
        for (unsigned i = 0; i < 500; i++)
            start_query(records, i, NULL);
        exit(3);
    }
    int status = await_exit(child, slow_ms(5000));
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status %x", (unsigned)status);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {a_forked_child_is_told_so_and_the_parent_goes_on,
                                  a_child_leaves_the_descriptor_to_the_parent,
                                  a_child_that_touches_nothing_just_exits,
                                  signals_are_the_hosts_own,
                                  numbers_do_not_follow_the_locale,
                                  exit_while_busy,
                                  NULL};
    return run_modes("api_guest", tests);
}
