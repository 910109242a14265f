/* Deadlines of the gRPC transport, which its loop keeps; `_i` is the number of io threads. */
#include <stdlib.h>

#include "transport/harness.h"
#include "transport/raw_server.h"
#include "transport/suites.h"

static test_harness h;

/* The core has so long to say how a late call ended (transport/grpc/under_way.c). */
enum { GRACE_US = 50000 };

/* How late an end may be told: the loop's grain, and what a busy machine adds. An end that is forgotten never comes. */
static uint64_t
allowance_us(void)
{
    return 1500000 * test_slowness();
}

static void
check_end(test_record *r, uint64_t deadline_us)
{
    ck_assert(record_wait_end(r, 10000 * test_slowness()));
    ck_assert_int_eq(r->code, VMX_GRPC_DEADLINE_EXCEEDED);
    ck_assert_str_eq(r->text, "Deadline Exceeded");
    ck_assert_uint_ge(r->ended_us, deadline_us);
    ck_assert_uint_le(r->ended_us, deadline_us + allowance_us());
}

/* More than wait in line for the loop, of small and of large requests, each with a deadline of its own. */
START_TEST(every_call_has_its_own_deadline)
{
    enum { CALLS = 60 };
    harness_open(&h, (test_kind)_i);
    test_record *records = calloc(CALLS, sizeof *records);
    uint64_t deadlines[CALLS], first_us = harness_after(&h, 200);
    for (unsigned i = 0; i < CALLS; i++) {
        deadlines[i] = first_us + 1000 * (i * 37 % CALLS * 5);
        vmx_message message = make_message(i % 3 == 0 ? 100000 : 100, i);
        record_start(&records[i], &h,
                     (vmx_stream_options){.method = "/test/Silent", .request = &message, .deadline_us = deadlines[i]});
        vmx_message_clear(&message);
    }
    for (unsigned i = 0; i < CALLS; i++)
        check_end(&records[i], deadlines[i]);
    for (unsigned i = 0; i < CALLS; i++)
        record_close(&records[i]);
    free(records);
    harness_close(&h);
}
END_TEST

START_TEST(a_deadline_ends_a_stream)
{
    harness_open(&h, (test_kind)_i);
    test_record idle = {0}, reading = {0};
    uint64_t deadline_us = harness_after(&h, 250);
    vmx_stream_options options = {.method = "/test/Stream", .streaming = true, .deadline_us = deadline_us};
    record_start(&idle, &h, options);
    record_start(&reading, &h, options);
    h.vtable->recv(reading.stream);
    check_end(&idle, deadline_us);
    check_end(&reading, deadline_us);
    record_close(&idle);
    record_close(&reading);
    harness_close(&h);
}
END_TEST

/* A peer that takes the connection and says nothing: the call has none yet. */
START_TEST(a_deadline_ends_waiting_for_a_connection)
{
    harness_open_bare(&h, (test_kind)_i);
    raw_server *server = raw_server_start(RAW_ACCEPT_ONLY);
    char target[64];
    vmx_channel_options options = harness_options(target, raw_server_port(server));
    h.chan = harness_chan_open(&h, &options);
    vmx_message message = make_message(10, 1);
    test_record r = {0};
    uint64_t deadline_us = harness_after(&h, 250);
    record_start(&r, &h,
                 (vmx_stream_options){
                     .method = "/test/Echo", .request = &message, .wait_for_ready = true, .deadline_us = deadline_us});
    vmx_message_clear(&message);
    check_end(&r, deadline_us);
    /* a core that was not let run in time has not said so */
    ck_assert(r.reach == VMX_REACH_NONE || r.ended_us >= deadline_us + GRACE_US);
    record_close(&r);
    raw_server_stop(server);
    harness_close(&h);
}
END_TEST

/* Calls that end in time leave nothing behind that ends others, or them again. */
START_TEST(deadlines_of_ended_calls_mean_nothing)
{
    enum { CALLS = 40 };
    harness_open(&h, (test_kind)_i);
    for (unsigned round = 0; round < 3; round++) {
        test_record records[CALLS] = {0};
        for (unsigned i = 0; i < CALLS; i++)
            record_start_unary(&records[i], &h, "/test/Echo", 100, i, (i % 4 == 0 ? 150 : 20000) * test_slowness());
        for (unsigned i = 0; i < CALLS; i++) {
            ck_assert(record_wait_end(&records[i], 10000));
            ck_assert_int_eq(records[i].code, VMX_GRPC_OK);
        }
        harness_pass(&h, 200);
        for (unsigned i = 0; i < CALLS; i++)
            record_close(&records[i]);
    }
    harness_close(&h);
}
END_TEST

TCase *
deadline_cases(void)
{
    TCase *tcase = tcase_create("deadline");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_call_has_its_own_deadline, 0, FAKE);
    tcase_add_loop_test(tcase, a_deadline_ends_a_stream, 0, FAKE);
    tcase_add_loop_test(tcase, a_deadline_ends_waiting_for_a_connection, 0, FAKE);
    tcase_add_loop_test(tcase, deadlines_of_ended_calls_mean_nothing, 0, FAKE);
    return tcase;
}
