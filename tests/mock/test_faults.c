/* Every fault of the mock, seen frame by frame and byte by byte. */
#include <stdio.h>
#include <string.h>

#include "mock/harness.h"
#include "mock/peer.h"

static const uint8_t request[] = {0, 0, 0, 0, 3, 'a', 'b', 'c'};

static vmx_mock *mock;
static peer *client;

static void
setup(void)
{
    mock = start_mock();
    client = peer_open(vmx_mock_port(mock));
}

static void
teardown(void)
{
    peer_close(client);
    vmx_mock_stop(mock);
}

/* One call that is answered so. */
static peer_reply *
call(vmx_mock_answer answer, int64_t wait_ms)
{
    set_script(mock, "/m", &answer, 1);
    peer_reply *reply = peer_call(client, "/m", request, sizeof request, true);
    peer_wait(client, reply, slow_ms(wait_ms));
    return reply;
}

static peer_reply *
call_ok(void)
{
    peer_reply *reply = peer_call(client, "/other", request, sizeof request, true);
    peer_wait(client, reply, slow_ms(5000));
    return reply;
}

START_TEST(an_answer_has_headers_message_and_trailers)
{
    setup();
    vmx_mock_answer answer = answer_ok();
    vmx_header headers[] = {{VMX_STR("x-one"), VMX_STR("1")}, {VMX_STR("x-two-bin"), {"\0\1\377", 3}}};
    vmx_header trailers[] = {{VMX_STR("x-three"), VMX_STR("3")}};
    answer.headers = headers;
    answer.header_count = 2;
    answer.trailers = trailers;
    answer.trailer_count = 1;
    answer.details = VMX_STR("fine, 100 % \n");
    answer.message = VMX_STR("hello");
    peer_reply *reply = call(answer, 5000);
    ck_assert(reply->ended);
    ck_assert_str_eq(reply->headers, ":status=200;content-type=application/grpc;x-one=1;x-two-bin=AAH/;");
    ck_assert_str_eq(reply->trailers, "grpc-status=0;grpc-message=fine, 100 %25 %0A;x-three=3;");
    ck_assert_uint_eq(reply->body_len, 10);
    ck_assert_mem_eq(reply->body, "\0\0\0\0\5hello", 10);
    teardown();
}
END_TEST

START_TEST(a_failure_is_trailers_only)
{
    setup();
    vmx_mock_answer answer = answer_status(8, "slow down");
    vmx_header trailers[] = {{VMX_STR("grpc-retry-pushback-ms"), VMX_STR("100")}};
    answer.trailers = trailers;
    answer.trailer_count = 1;
    peer_reply *reply = call(answer, 5000);
    ck_assert(reply->ended && reply->blocks == 1 && reply->body_len == 0);
    ck_assert_str_eq(reply->headers, ":status=200;content-type=application/grpc;grpc-status=8;grpc-message=slow "
                                     "down;grpc-retry-pushback-ms=100;");
    teardown();
}
END_TEST

START_TEST(echo_http_status_and_unknown_methods)
{
    setup();
    vmx_mock_answer answer = answer_ok();
    answer.echo = true;
    peer_reply *reply = call(answer, 5000);
    ck_assert_uint_eq(reply->body_len, sizeof request);
    ck_assert_mem_eq(reply->body, request, sizeof request);
    answer = answer_ok();
    answer.http_status = 503;
    reply = call(answer, 5000);
    ck_assert(reply->ended && reply->http_status == 503 && reply->grpc_status == -1);
    vmx_mock_clear(mock);
    ck_assert_int_eq(call_ok()->grpc_status, 12);
    teardown();
}
END_TEST

START_TEST(answers_come_late_and_drip)
{
    setup();
    vmx_mock_answer answer = answer_ok();
    answer.delay_ms = 60;
    answer.message = VMX_STR("123456789012345"); /* 20 bytes with the prefix */
    answer.drip_bytes = 4;
    answer.drip_interval_ms = 20;
    peer_reply *reply = call(answer, 5000);
    ck_assert(reply->ended && reply->grpc_status == 0);
    ck_assert_uint_eq(reply->body_len, 20);
    ck_assert_int_ge(reply->first_byte_ms, 59);
    ck_assert_int_ge(reply->last_byte_ms, 135); /* 4 intervals more; that the first is seen late is no fault */
    ck_assert_int_le(reply->last_byte_ms, slow_ms(1000));
    teardown();
}
END_TEST

START_TEST(connections_end_at_the_byte_that_was_asked_for)
{
    for (int reset = 0; reset < 2; reset++) {
        vmx_mock_fault fault = reset ? VMX_MOCK_RESET : VMX_MOCK_CLOSE;
        setup();
        peer_reply *reply = call(answer_fault(fault, VMX_MOCK_BEFORE), 5000);
        ck_assert(client->closed && client->reset == reset && reply->http_status == 0);
        teardown();

        setup();
        vmx_mock_answer answer = answer_fault(fault, VMX_MOCK_INSIDE);
        answer.message = VMX_STR("hello");
        answer.cut_bytes = 7;
        reply = call(answer, 5000);
        peer_wait(client, NULL, slow_ms(5000));
        ck_assert(client->closed && !reply->ended && reply->http_status == 200);
        ck_assert_uint_eq(reply->body_len, 7);
        teardown();

        setup();
        answer.cut_bytes = 1000; /* the whole message, no trailers */
        reply = call(answer, 5000);
        peer_wait(client, NULL, slow_ms(5000));
        ck_assert(client->closed && reply->body_len == 10 && reply->grpc_status == -1);
        teardown();

        setup();
        reply = call(answer_fault(fault, VMX_MOCK_AFTER), 5000);
        ck_assert(reply->ended && reply->grpc_status == 0);
        peer_wait(client, NULL, slow_ms(5000));
        ck_assert(client->closed && client->reset == reset);
        ck_assert_uint_eq(counters_of(mock).connections_open, 0);
        teardown();
    }
}
END_TEST

START_TEST(a_fault_can_come_before_the_request_is_whole)
{
    setup();
    vmx_mock_answer answer = answer_fault(VMX_MOCK_RST_STREAM, VMX_MOCK_AT_HEADERS);
    answer.http2_code = NGHTTP2_REFUSED_STREAM;
    set_script(mock, "/m", &answer, 1);
    peer_reply *reply = peer_call(client, "/m", request, 4, false);
    peer_wait(client, reply, slow_ms(5000));
    ck_assert_int_eq(reply->rst_code, NGHTTP2_REFUSED_STREAM);
    vmx_mock_record record;
    vmx_mock_record_init(&record, sizeof record);
    ck_assert(vmx_mock_call_at(mock, VMX_STR("/m"), 0, &record));
    ck_assert(record.complete_us == -1 && record.message_count == 0);
    teardown();
}
END_TEST

START_TEST(streams_are_reset_with_the_code)
{
    setup();
    vmx_mock_answer answer = answer_fault(VMX_MOCK_RST_STREAM, VMX_MOCK_BEFORE);
    answer.http2_code = NGHTTP2_ENHANCE_YOUR_CALM;
    ck_assert_int_eq(call(answer, 5000)->rst_code, NGHTTP2_ENHANCE_YOUR_CALM);
    answer.when = VMX_MOCK_INSIDE;
    answer.cut_bytes = 3;
    peer_reply *reply = call(answer, 5000);
    ck_assert(reply->rst_code == NGHTTP2_ENHANCE_YOUR_CALM && reply->body_len == 3);
    ck_assert_int_eq(call_ok()->grpc_status, 0); /* the connection goes on */
    teardown();
}
END_TEST

START_TEST(goaway_has_the_code_and_the_last_stream)
{
    static const struct {
        int64_t last;
        int32_t seen;
        bool answered;
    } cases[] = {{VMX_MOCK_THIS_STREAM, 3, true},
                 {VMX_MOCK_STREAM_BEFORE, 1, false},
                 {VMX_MOCK_STREAM_NONE, 0, false},
                 {101, 101, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setup();
        call_ok();
        vmx_mock_answer answer = answer_fault(VMX_MOCK_GOAWAY, VMX_MOCK_BEFORE);
        answer.http2_code = NGHTTP2_ENHANCE_YOUR_CALM;
        answer.last_stream = cases[i].last;
        peer_reply *reply = call(answer, cases[i].answered ? 5000 : 200);
        ck_assert_int_eq(client->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
        ck_assert_int_eq(client->goaway_last, cases[i].seen);
        ck_assert_int_eq(reply->grpc_status, cases[i].answered ? 0 : -1);
        teardown();
    }
    setup();
    vmx_mock_answer answer = answer_fault(VMX_MOCK_GOAWAY_CLOSE, VMX_MOCK_BEFORE);
    call(answer, 5000);
    peer_wait(client, NULL, slow_ms(5000));
    ck_assert(client->goaway_code == 0 && client->goaway_last == 1 && client->closed);
    teardown();
}
END_TEST

START_TEST(silence)
{
    setup();
    peer_reply *reply = call(answer_fault(VMX_MOCK_STALL, VMX_MOCK_BEFORE), 50);
    ck_assert(!client->closed && reply->http_status == 0);
    ck_assert_int_eq(call_ok()->grpc_status, 0);
    vmx_mock_answer answer = answer_fault(VMX_MOCK_STALL, VMX_MOCK_INSIDE);
    answer.cut_bytes = 2;
    reply = call(answer, 50);
    ck_assert(!client->closed && reply->body_len == 2 && !reply->ended);
    reply = call(answer_fault(VMX_MOCK_DEAF, VMX_MOCK_BEFORE), 50);
    for (int64_t limit = now_ms() + slow_ms(5000); vmx_mock_call_count(mock, VMX_STR("/m")) < 3 && now_ms() < limit;)
        sleep_ms(5);
    ck_assert(!client->closed && reply->http_status == 0);
    reply = peer_call(client, "/other", request, sizeof request, true);
    peer_wait(client, reply, 100);
    ck_assert(!client->closed && reply->http_status == 0);
    ck_assert_uint_eq(vmx_mock_call_count(mock, VMX_STR("/other")), 1); /* the second was never read */
    teardown();
}
END_TEST

START_TEST(messages_that_are_wrong)
{
    setup();
    vmx_mock_answer answer = answer_fault(VMX_MOCK_TRUNCATE, VMX_MOCK_BEFORE);
    answer.message = VMX_STR("hello");
    answer.cut_bytes = 8;
    peer_reply *reply = call(answer, 5000);
    ck_assert(reply->ended && reply->grpc_status == 0);
    ck_assert_uint_eq(reply->body_len, 8);
    ck_assert_mem_eq(reply->body, "\0\0\0\0\5hel", 8);
    answer.fault = VMX_MOCK_NO_TRAILERS;
    reply = call(answer, 5000);
    ck_assert(reply->ended && reply->grpc_status == -1 && reply->body_len == 8);
    reply = call(answer_fault(VMX_MOCK_GARBAGE, VMX_MOCK_BEFORE), 5000);
    ck_assert(client->broken || client->closed);
    teardown();
}
END_TEST

START_TEST(a_port_can_be_closed_for_a_time)
{
    setup();
    vmx_mock_refuse(mock, VMX_FOREVER);
    ck_assert_int_eq(call_ok()->grpc_status, 0); /* open connections stay */
    vmx_mock_drop_connections(mock, false);
    peer_wait(client, NULL, slow_ms(5000));
    ck_assert(client->closed);
    vmx_mock_refuse(mock, 50);
    sleep_ms(slow_ms(150));
    peer_close(client);
    client = peer_open(vmx_mock_port(mock));
    ck_assert_int_eq(call_ok()->grpc_status, 0);
    ck_assert_uint_eq(counters_of(mock).connections_accepted, 2);
    teardown();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        an_answer_has_headers_message_and_trailers,
        a_failure_is_trailers_only,
        echo_http_status_and_unknown_methods,
        answers_come_late_and_drip,
        connections_end_at_the_byte_that_was_asked_for,
        a_fault_can_come_before_the_request_is_whole,
        streams_are_reset_with_the_code,
        goaway_has_the_code_and_the_last_stream,
        silence,
        messages_that_are_wrong,
        a_port_can_be_closed_for_a_time,
        NULL,
    };
    return run_suite("mock_faults", tests);
}
