/* A client's statistics are what a server over TCP counts for itself, with one io thread, none, and two; and they can be
 * asked for meanwhile, by several threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mock/harness.h"
#include "stats/values.h"

#define CALLERS 4
#define READERS 2

static vmx_mock *mock;
static vmx_client *client;
static vmx_index *index_;

static void
open_all(int io_threads, const char *const *properties)
{
    char endpoint[32];
    mock = start_mock();
    client = open_client(endpoint_of(vmx_mock_port(mock), endpoint), io_threads, properties);
    index_ = open_index(client);
    await_connections(client);
}

static void
close_all(void)
{
    vmx_index_free(index_);
    close_client(client);
    vmx_mock_stop(mock);
}

/* Bytes of the messages of all requests that arrived. */
static double
bytes_arrived(const char *method)
{
    double sum = 0;
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    for (size_t i = 0; vmx_mock_call_at(mock, VMX_STR(method), i, &record); i++)
        sum += (double)record.message.len;
    return sum;
}

static double
calls_arrived(const char *method)
{
    return (double)vmx_mock_call_count(mock, VMX_STR(method));
}

/* Every third is refused twice, and repeated; every seventh is rejected for good. */
static void
script_failures(size_t calls)
{
    size_t count = 0;
    vmx_mock_answer *answers = calloc(3 * calls, sizeof *answers);
    ck_assert_ptr_nonnull(answers);
    for (size_t i = 0; i < calls; i++) {
        for (size_t refused = i % 3 == 0 ? 2 : 0; refused > 0; refused--)
            answers[count++] = answer_status(14, "busy");
        answers[count++] = i % 7 == 0 ? answer_status(3, "bad") : answer_ok();
    }
    set_script(mock, QUERY, answers, count);
    free(answers);
}

START_TEST(calls_attempts_and_bytes)
{
    const char *const properties[] = {"retry.budget.tokens", "0", "retry.initial.backoff.ms", "1", NULL};
    size_t rejected = 0;
    open_all(IO_THREADS, properties);
    script_failures(42);
    for (unsigned i = 0; i < 42; i++) {
        vmx_op *op = start_query(index_, i, NULL);
        rejected += vmx_op_wait(op, slow_ms(20000)) == VMX_ERR_REJECTED;
        vmx_op_free(op);
        finish(start_upsert(index_, i, NULL));
    }
    ck_assert_uint_eq(rejected, 6);
    check_value(client, "vecmux_calls_total", "query", NULL, 42);
    check_value(client, "vecmux_calls_total", "query", "VMX_OK", 36);
    check_value(client, "vecmux_calls_total", "query", "VMX_ERR_REJECTED", 6);
    check_value(client, "vecmux_calls_total", "upsert", "VMX_OK", 42);
    check_value(client, "vecmux_attempts_total", "query", NULL, calls_arrived(QUERY));
    check_value(client, "vecmux_attempts_total", "query", "UNAVAILABLE", 28);
    check_value(client, "vecmux_attempts_total", "query", "INVALID_ARGUMENT", 6);
    check_value(client, "vecmux_attempts_total", "query", "OK", 36);
    check_value(client, "vecmux_retries_total", "query", "status", 28);
    check_value(client, "vecmux_attempts_total", "upsert", "OK", calls_arrived(UPSERT));
    check_value(client, "vecmux_sent_bytes_total", "query", NULL, bytes_arrived(QUERY));
    check_value(client, "vecmux_sent_bytes_total", "upsert", NULL, bytes_arrived(UPSERT));
    check_value(client, "vecmux_call_duration_seconds", "query", NULL, 42);
    check_value(client, "vecmux_stats_lost_total", NULL, NULL, 0);
    close_all();
}
END_TEST

START_TEST(replies_are_counted_in_bytes)
{
    open_all(IO_THREADS, NULL);
    vmx_mock_answer answer = answer_ok();
    answer.message = VMX_STR("\x1a\x03nsp"); /* QueryResponse.namespace */
    set_default(mock, QUERY, answer);
    for (unsigned i = 0; i < 20; i++)
        finish(start_query(index_, i, NULL));
    check_value(client, "vecmux_received_bytes_total", "query", NULL, 20 * 5);
    close_all();
}
END_TEST

/* --- many threads -------------------------------------------------------------------------------------------------- */

static atomic_bool stop;
static unsigned calls_of_each;

static void *
call_on(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < calls_of_each; i++)
        finish(start_query(index_, i, NULL));
    return NULL;
}

/* Counters never go back, and the texts can be made. */
static void *
read_on(void *arg)
{
    (void)arg;
    double last = 0;
    while (!atomic_load(&stop)) {
        double now = value_of(client, "vecmux_calls_total", "query", "VMX_OK");
        ck_assert_double_ge(now, last);
        last = now;
        vmx_stats *stats;
        vmx_str text;
        ck_assert_int_eq(vmx_client_stats(client, &stats, NULL), VMX_OK);
        ck_assert_int_eq(vmx_stats_text(stats, VMX_STATS_PROMETHEUS, &text, NULL), VMX_OK);
        vmx_stats_free(stats);
        sleep_ms(1);
    }
    return NULL;
}

START_TEST(pulled_under_load)
{
    pthread_t callers[CALLERS], readers[READERS];
    open_all(IO_THREADS, NULL);
    calls_of_each = (unsigned)(400 / slow_ms(1));
    atomic_store(&stop, false);
    for (size_t i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_on, NULL), 0);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    check_value(client, "vecmux_calls_total", "query", "VMX_OK", CALLERS * calls_of_each);
    check_value(client, "vecmux_call_duration_seconds", "query", NULL, CALLERS * calls_of_each);
    check_value(client, "vecmux_attempts_total", "query", NULL, calls_arrived(QUERY));
    check_value(client, "vecmux_sent_bytes_total", "query", NULL, bytes_arrived(QUERY));
    close_all();
}
END_TEST

int
main(void)
{
    return run_modes("mock_stats", (const TTest *const[]){calls_attempts_and_bytes, replies_are_counted_in_bytes,
                                                          pulled_under_load, NULL});
}
