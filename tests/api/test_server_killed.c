/* The server is killed and comes back: nothing hangs, and nothing is lost without a word. */
#include <stdio.h>
#include <string.h>

#include "api/harness.h"

enum { UPSERTS = 200, RECORDS = 50, WIDE = 1000, DOWN_MS = 300 };

/* Waits, takes the events that come, until `until` have come or `limit_ms`; returns how many have. */
static size_t
take(vmx_queue *queue, vmx_event *events, size_t taken, size_t until, int64_t limit_ms)
{
    for (int64_t limit = now_ms() + limit_ms; taken < until && now_ms() < limit;)
        taken += vmx_queue_poll(queue, events + taken, until - taken, 20);
    return taken;
}

/* An upsert that failed says so clearly, and what is known of it. */
static void
check_failure(const vmx_op *op)
{
    const vmx_error *error = vmx_op_error(op);
    bool says_unknown = strstr(error->message, "it may or may not have taken effect") != NULL;
    ck_assert_msg(error->code == VMX_ERR_UNAVAILABLE || error->code == VMX_ERR_DEADLINE, "%s", error->message);
    ck_assert_msg(error->retriable || error->code == VMX_ERR_DEADLINE, "%s", error->message);
    ck_assert_msg(error->outcome == VMX_OUTCOME_NOT_SENT || error->outcome == VMX_OUTCOME_UNKNOWN, "%d: %s",
                  (int)error->outcome, error->message);
    ck_assert_msg(says_unknown == (error->outcome == VMX_OUTCOME_UNKNOWN), "%s", error->message);
    ck_assert_ptr_nonnull(strstr(error->message, "upsert at 127.0.0.1:"));
}

/* Sorts out how the upserts ended; the failed ones are repeated, and succeed. Returns how many had failed. */
static size_t
check_ends(vmx_index *records, const vmx_event *events)
{
    size_t failed = 0, repeated = 0;
    for (size_t i = 0; i < UPSERTS; i++) {
        const vmx_error *error = vmx_op_error(events[i].op);
        uint64_t stored = 0;
        repeated += error->attempts > 1;
        if (events[i].status != VMX_OK) {
            check_failure(events[i].op);
            finish(start_wide_upsert(records, (unsigned)(uintptr_t)events[i].user, RECORDS, WIDE, NULL));
            failed++;
        } else {
            ck_assert(vmx_op_count(events[i].op, &stored));
            ck_assert_uint_eq(stored, RECORDS);
        }
        vmx_op_free(events[i].op);
    }
    printf("%d upserts: %zu repeated by the library, %zu failed and were repeated by the caller\n", UPSERTS, repeated,
           failed);
    ck_assert_uint_gt(repeated + failed, 0);
    return failed;
}

static size_t
upsert_meanwhile(int io_threads, const char *const *properties, const vmx_retry *retry)
{
    static vmx_event events[UPSERTS];
    server s = server_start(0);
    int port = s.port;
    vmx_client *client = open_client(s.endpoint, io_threads, properties);
    vmx_index *records = open_index(client);
    vmx_queue *queue = make_queue(client);
    vmx_call_options options = to_queue(queue, NULL);
    options.timeout_ms = slow_ms(10000);
    options.retry = retry;
    int64_t begin = now_ms();
    size_t taken = 0;
    for (unsigned i = 0; i < UPSERTS; i++) {
        if (i == UPSERTS / 2) {
            taken = take(queue, events, 0, UPSERTS / 8, slow_ms(10000));
            server_kill(&s);
        }
        options.user = (void *)(uintptr_t)i;
        start_wide_upsert(records, i, RECORDS, WIDE, &options);
    }
    taken = take(queue, events, taken, UPSERTS, DOWN_MS);
    s = server_start(port);
    taken = take(queue, events, taken, UPSERTS, slow_ms(15000));
    ck_assert_uint_eq(taken, UPSERTS);
    ck_assert_int_lt(now_ms() - begin, slow_ms(12000));
    size_t failed = check_ends(records, events);
    finish(start_wide_upsert(records, 0, 1, WIDE, NULL));
    vmx_queue_free(queue);
    vmx_index_free(records);
    close_client(client);
    server_kill(&s);
    return failed;
}

START_TEST(every_upsert_succeeds_or_says_what_is_known)
{
    upsert_meanwhile(IO_THREADS, NULL, NULL);
}
END_TEST

START_TEST(patient_upserts_outlive_a_restart)
{
    static const char *const properties[] = {"retry.budget.tokens", "0", NULL};
    vmx_retry patient;
    vmx_retry_init(&patient, sizeof patient, VMX_RETRY_BULK);
    patient.initial_backoff_ms = 50;
    patient.max_backoff_ms = 400;
    ck_assert_uint_eq(upsert_meanwhile(IO_THREADS, properties, &patient), 0);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {every_upsert_succeeds_or_says_what_is_known, patient_upserts_outlive_a_restart, NULL};
    return run_first_modes("api_server_killed", tests, 2);
}
