/* The contract of transport.h, by every implementation: `_i` is the kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/harness.h"
#include "transport/suites.h"

static test_harness h;

static void
open_kind(int i)
{
    harness_open(&h, (test_kind)i);
}

/* --- unary calls -------------------------------------------------------------------------------------------------- */

START_TEST(unary_call_returns_message_and_metadata)
{
    open_kind(_i);
    const vmx_header headers[] = {
        {VMX_STR("x-text"), VMX_STR("some value")},
        {VMX_STR("x-raw-bin"), {"\0\1\377\n", 4}},
        {VMX_STR("x-empty"), VMX_STR("")},
        {VMX_STR("x-long"), VMX_STR("a value that is longer than what a slice keeps inline")}};
    vmx_message message = make_message(100, 1);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.method = "/test/Echo",
                                      .request = &message,
                                      .headers = headers,
                                      .header_count = 4,
                                      .deadline_us = VMX_NEVER});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    ck_assert_int_eq(r.reach, VMX_REACH_SERVER);
    ck_assert(r.has_message && r.len == 100 && is_message(r.bytes, 100, 1));
    static const char once[] =
        "x-text=some value;x-raw-bin=\0\1\377\n;x-empty=;x-long=a value that is longer than what a "
        "slice keeps inline;";
    ck_assert_uint_eq(r.headers_len, 2 * (sizeof once - 1) + 1);
    ck_assert_mem_eq(r.headers, once, sizeof once - 1);
    ck_assert_int_eq(r.headers[sizeof once - 1], '|');
    ck_assert_mem_eq(r.headers + sizeof once, once, sizeof once - 1);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(many_headers_both_ways)
{
    open_kind(_i);
    vmx_header headers[20];
    char keys[20][16], values[20][16];
    for (int i = 0; i < 20; i++) {
        snprintf(keys[i], sizeof keys[i], "x-key-%02d", i);
        snprintf(values[i], sizeof values[i], "value-%02d", i);
        headers[i] = (vmx_header){VMX_STR(keys[i]), VMX_STR(values[i])};
    }
    vmx_message message = make_message(10, 1);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.method = "/test/Echo",
                                      .request = &message,
                                      .headers = headers,
                                      .header_count = 20,
                                      .deadline_us = VMX_NEVER});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_uint_eq(r.headers_len, 2 * 20 * 18 + 1);
    ck_assert_ptr_nonnull(strstr(r.headers, "x-key-19=value-19;|x-key-00=value-00;"));
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(many_calls_at_once)
{
    enum { CALLS = 200 };
    open_kind(_i);
    test_record *records = calloc(CALLS, sizeof *records);
    for (unsigned i = 0; i < CALLS; i++)
        record_start_unary(&records[i], &h, "/test/Echo", i * 17, i, 10000);
    for (unsigned i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 10000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_OK);
        ck_assert_uint_eq(records[i].len, i * 17);
        ck_assert(is_message(records[i].bytes, records[i].len, i));
        record_close(&records[i]);
    }
    free(records);
    harness_close(&h);
}
END_TEST

START_TEST(server_status_has_code_text_and_trailers)
{
    open_kind(_i);
    const vmx_header headers[] = {{VMX_STR("code"), VMX_STR("5")},
                                  {VMX_STR("text"), VMX_STR("no such thing: 7 %")},
                                  {VMX_STR("x-hint"), VMX_STR("later")}};
    vmx_message message = make_message(3, 0);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.method = "/test/Status",
                                      .request = &message,
                                      .headers = headers,
                                      .header_count = 3,
                                      .deadline_us = harness_after(&h, 5000)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_NOT_FOUND);
    ck_assert_int_eq(r.reach, VMX_REACH_SERVER);
    ck_assert_str_eq(r.text, "no such thing: 7 %");
    ck_assert_str_eq(r.headers, "x-hint=later;|x-hint=later;");
    ck_assert(!r.has_message);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(deadline_ends_a_call)
{
    open_kind(_i);
    test_record r = {0};
    uint64_t before_us = harness_after(&h, 0);
    record_start_unary(&r, &h, "/test/Silent", 10, 0, 200);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_DEADLINE_EXCEEDED);
    ck_assert_int_eq(r.reach, VMX_REACH_UNKNOWN);
    ck_assert_uint_ge(r.ended_us - before_us, 199000);
    ck_assert_uint_le(r.ended_us - before_us, 3000000);
    record_close(&r);

    record_start_unary(&r, &h, "/test/Silent", 10, 0, 0);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_DEADLINE_EXCEEDED);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(cancel_ends_a_call_once)
{
    open_kind(_i);
    test_record r = {0};
    record_start_unary(&r, &h, "/test/Silent", 10, 0, 60000);
    harness_pass(&h, 50);
    ck_assert_uint_eq(atomic_load(&r.ended), 0);
    h.vtable->cancel(r.stream);
    h.vtable->cancel(r.stream);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_CANCELLED);
    ck_assert_int_eq(r.reach, VMX_REACH_UNKNOWN);
    h.vtable->cancel(r.stream);
    harness_pass(&h, 20);
    record_close(&r);

    record_start_unary(&r, &h, "/test/Silent", 10, 0, 60000);
    h.vtable->cancel(r.stream);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_CANCELLED);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(closed_before_its_end_says_nothing)
{
    enum { CALLS = 50 };
    open_kind(_i);
    test_record *records = calloc(CALLS, sizeof *records);
    for (unsigned i = 0; i < CALLS; i++)
        record_start_unary(&records[i], &h, i % 2 ? "/test/Silent" : "/test/Echo", 1000, i, 60000);
    size_t ended = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        h.vtable->close(records[i].stream);
        ended += atomic_load(&records[i].ended);
    }
    harness_pass(&h, 100);
    for (unsigned i = 0; i < CALLS; i++) {
        ended -= atomic_load(&records[i].ended);
        free(records[i].bytes);
    }
    ck_assert_uint_eq(ended, 0);
    free(records);
    harness_close(&h);
}
END_TEST

START_TEST(closed_inside_its_end)
{
    open_kind(_i);
    /* Not a call that ends at once: its event would need the handle before start has returned it. */
    test_record r = {.close_in_end = true};
    record_start_unary(&r, &h, "/test/Silent", 1000, 1, 100);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_DEADLINE_EXCEEDED);
    record_close(&r);
    harness_close(&h);
}
END_TEST

/* --- streaming ---------------------------------------------------------------------------------------------------- */

static void
start_stream(test_record *r, const char *method, const vmx_header *headers, size_t count)
{
    record_start(r, &h,
                 (vmx_stream_options){.method = method,
                                      .streaming = true,
                                      .headers = headers,
                                      .header_count = count,
                                      .deadline_us = harness_after(&h, 20000)});
}

static void
send_bytes(test_record *r, size_t len, unsigned seed, bool last)
{
    vmx_message message = make_message(len, seed);
    h.vtable->send(r->stream, &message, last);
    vmx_message_clear(&message);
}

START_TEST(both_directions_stream)
{
    open_kind(_i);
    test_record r = {0};
    start_stream(&r, "/test/Stream", &(vmx_header){VMX_STR("x-a"), VMX_STR("b")}, 1);
    for (unsigned i = 0; i < 30; i++) {
        send_bytes(&r, i * 100, i, false);
        ck_assert(record_wait_sent(&r, i + 1, 5000));
        h.vtable->recv(r.stream);
        ck_assert(record_wait_messages(&r, i + 1, 5000));
        ck_assert_uint_eq(r.len, i * 100);
        ck_assert(is_message(r.bytes, r.len, i));
    }
    h.vtable->recv(r.stream);
    harness_pass(&h, 20);
    ck_assert_uint_eq(atomic_load(&r.ended), 0);
    h.vtable->send(r.stream, NULL, true);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_uint_eq(atomic_load(&r.messages), 30);
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    ck_assert_str_eq(r.headers, "x-a=b;|x-a=b;");
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(client_streams)
{
    open_kind(_i);
    test_record r = {0};
    start_stream(&r, "/test/Sink", NULL, 0);
    for (unsigned i = 0; i < 20; i++) {
        send_bytes(&r, 100000, i, i == 19);
        ck_assert(record_wait_sent(&r, i + 1, 5000));
    }
    h.vtable->recv(r.stream);
    ck_assert(record_wait_messages(&r, 1, 5000));
    ck_assert_uint_eq(r.len, 7);
    ck_assert_mem_eq(r.bytes, "2000000", 7);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(server_streams_no_faster_than_it_is_read)
{
    enum { COUNT = 200, SIZE = 100000 };
    open_kind(_i);
    const vmx_header headers[] = {{VMX_STR("count"), VMX_STR("200")}, {VMX_STR("size"), VMX_STR("100000")}};
    test_record r = {0};
    start_stream(&r, "/test/Source", headers, 2);
    send_bytes(&r, 1, 0, true);
    harness_pass(&h, 300);
    ck_assert_uint_eq(atomic_load(&r.messages), 0);
    ck_assert_uint_eq(atomic_load(&r.ended), 0);
    if (h.server != NULL)
        ck_assert_uint_lt(echo_server_messages_sent(h.server), COUNT / 2);
    for (unsigned i = 0; i < COUNT; i++) {
        h.vtable->recv(r.stream);
        ck_assert(record_wait_messages(&r, i + 1, 5000));
        ck_assert_uint_eq(r.len, SIZE);
        ck_assert_uint_eq(r.bytes[0] + 256u * r.bytes[1], i);
    }
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    ck_assert_uint_eq(r.total, (size_t)COUNT * SIZE);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(sending_waits_for_a_deaf_server)
{
    enum { MAX = 1000 };
    open_kind(_i);
    test_record r = {0};
    start_stream(&r, "/test/Deaf", NULL, 0);
    size_t sent = 0;
    while (sent < MAX) {
        send_bytes(&r, 100000, 0, false);
        if (!record_wait_sent(&r, sent + 1, 300))
            break;
        sent++;
    }
    ck_assert_uint_lt(sent, MAX);
    ck_assert_uint_eq(atomic_load(&r.ended), 0);
    h.vtable->cancel(r.stream);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_CANCELLED);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(channel_close_cancels_streams)
{
    open_kind(_i);
    test_record unary = {0}, stream = {0};
    record_start_unary(&unary, &h, "/test/Silent", 10, 0, 60000);
    start_stream(&stream, "/test/Stream", NULL, 0);
    h.vtable->recv(stream.stream);
    harness_pass(&h, 50);
    harness_chan_close(h.chan);
    h.chan = NULL;
    ck_assert(record_wait_end(&unary, 5000));
    ck_assert_int_eq(unary.code, VMX_GRPC_CANCELLED);
    ck_assert(record_wait_end(&stream, 5000));
    ck_assert_int_eq(stream.code, VMX_GRPC_CANCELLED);
    record_close(&unary);
    record_close(&stream);
    harness_close(&h);
}
END_TEST

/* --- channels ----------------------------------------------------------------------------------------------------- */

START_TEST(idle_channel_opens_and_closes)
{
    open_kind(_i);
    char target[64];
    vmx_channel_options options = harness_options(target, h.server != NULL ? echo_server_port(h.server) : 1);
    test_channel *idle = harness_chan_open(&h, &options);
    harness_pass(&h, 30);
    ck_assert_uint_eq(atomic_load(&idle->changes), 0);
    harness_chan_close(idle);
    harness_close(&h);
}
END_TEST

TCase *
contract_cases(void)
{
    TCase *tcase = tcase_create("contract");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, unary_call_returns_message_and_metadata, 0, KINDS);
    tcase_add_loop_test(tcase, many_headers_both_ways, 0, KINDS);
    tcase_add_loop_test(tcase, many_calls_at_once, 0, KINDS);
    tcase_add_loop_test(tcase, server_status_has_code_text_and_trailers, 0, KINDS);
    tcase_add_loop_test(tcase, deadline_ends_a_call, 0, KINDS);
    tcase_add_loop_test(tcase, cancel_ends_a_call_once, 0, KINDS);
    tcase_add_loop_test(tcase, closed_before_its_end_says_nothing, 0, KINDS);
    tcase_add_loop_test(tcase, closed_inside_its_end, 0, KINDS);
    tcase_add_loop_test(tcase, both_directions_stream, 0, KINDS);
    tcase_add_loop_test(tcase, client_streams, 0, KINDS);
    tcase_add_loop_test(tcase, server_streams_no_faster_than_it_is_read, 0, KINDS);
    tcase_add_loop_test(tcase, sending_waits_for_a_deaf_server, 0, KINDS);
    tcase_add_loop_test(tcase, channel_close_cancels_streams, 0, KINDS);
    tcase_add_loop_test(tcase, idle_channel_opens_and_closes, 0, KINDS);
    return tcase;
}
