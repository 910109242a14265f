/* What a server can have seen of a call that failed: pinned with raw HTTP/2 frames. */
#include <string.h>

#include "transport/harness.h"
#include "transport/raw_server.h"
#include "transport/suites.h"

static test_harness h;

/* One unary call to a server that behaves like that. */
static void
call_raw(test_record *r, int port, bool wait_for_ready, uint64_t timeout_ms)
{
    char target[64];
    vmx_channel_options options = harness_options(target, port);
    test_channel *own = harness_chan_open(&h, &options);
    vmx_message message = make_message(100, 1);
    record_start(r, &h,
                 (vmx_stream_options){.channel = own->channel,
                                      .method = "/test/Echo",
                                      .request = &message,
                                      .wait_for_ready = wait_for_ready,
                                      .deadline_us = harness_after(&h, timeout_ms)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(r, 10000));
    record_close(r);
    harness_chan_close(own);
}

typedef struct expectation {
    raw_behaviour behaviour;
    int code;
    vmx_reach reach;
    const char *text; /* NULL: depends on who notices first */
} expectation;

static const expectation expectations[] = {
    {RAW_REFUSE_STREAM, VMX_GRPC_UNAVAILABLE, VMX_REACH_NONE, "Received RST_STREAM with error code 7"},
    {RAW_GOAWAY_BELOW, VMX_GRPC_UNAVAILABLE, VMX_REACH_NONE, "GOAWAY received"},
    {RAW_GOAWAY_ABOVE, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, NULL},
    {RAW_RESET_INTERNAL, VMX_GRPC_INTERNAL, VMX_REACH_UNKNOWN, "Received RST_STREAM with error code 2"},
    {RAW_RESET_CANCEL, VMX_GRPC_CANCELLED, VMX_REACH_UNKNOWN, "Received RST_STREAM with error code 8"},
    {RAW_CLOSE, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, NULL},
    {RAW_CLOSE_AT_ONCE, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, NULL},
    {RAW_HEADERS_CLOSE, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, NULL},
    {RAW_HTTP_503, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, "Received http2 header with status: 503"},
    {RAW_STATUS, VMX_GRPC_UNAVAILABLE, VMX_REACH_SERVER, "busy"},
    {RAW_STATUS_SPOOF, VMX_GRPC_UNAVAILABLE, VMX_REACH_UNKNOWN, "Socket closed"},
    {RAW_SETTINGS_ONLY, VMX_GRPC_DEADLINE_EXCEEDED, VMX_REACH_UNKNOWN, "Deadline Exceeded"},
    {RAW_STOP_READING, VMX_GRPC_DEADLINE_EXCEEDED, VMX_REACH_UNKNOWN, "Deadline Exceeded"},
    {RAW_ACCEPT_ONLY, VMX_GRPC_DEADLINE_EXCEEDED, VMX_REACH_NONE, "Deadline Exceeded"},
};

enum { EXPECTATIONS = sizeof expectations / sizeof *expectations };

START_TEST(reach_is_what_the_frames_say)
{
    const expectation *e = &expectations[_i];
    harness_open_bare(&h, GRPC_DRIVEN);
    raw_server *server = raw_server_start(e->behaviour);
    test_record r = {0};
    call_raw(&r, raw_server_port(server), e->behaviour == RAW_ACCEPT_ONLY, 250 + 250 * test_slowness());
    ck_assert_msg(r.code == e->code && r.reach == e->reach, "code %d, reach %d, \"%s\"", r.code, r.reach, r.text);
    if (e->text != NULL)
        ck_assert_str_eq(r.text, e->text);
    if (e->reach == VMX_REACH_SERVER)
        ck_assert_int_eq(strncmp(r.peer, "127.0.0.1:", 10), 0);
    raw_server_stop(server);
    harness_close(&h);
}
END_TEST

START_TEST(refused_port_was_never_reached)
{
    harness_open_bare(&h, GRPC_1);
    test_record r = {0};
    call_raw(&r, raw_refused_port(), false, 5000);
    ck_assert_int_eq(r.code, VMX_GRPC_UNAVAILABLE);
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    ck_assert_int_eq(strncmp(r.text, "failed to connect to all addresses", 34), 0);
    ck_assert_ptr_nonnull(strstr(r.text, "Connection refused"));
    call_raw(&r, raw_refused_port(), true, 300);
    ck_assert_int_eq(r.code, VMX_GRPC_DEADLINE_EXCEEDED);
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    harness_close(&h);
}
END_TEST

START_TEST(unknown_name_was_never_reached)
{
    harness_open_bare(&h, GRPC_1);
    char target[64];
    vmx_channel_options options = harness_options(target, 1);
    options.target = "no-such-host.invalid:443";
    test_channel *own = harness_chan_open(&h, &options);
    vmx_message message = make_message(1, 1);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.channel = own->channel,
                                      .method = "/test/Echo",
                                      .request = &message,
                                      .deadline_us = harness_after(&h, 20000)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 30000));
    ck_assert_int_eq(r.reach, VMX_REACH_NONE);
    if (r.code == VMX_GRPC_UNAVAILABLE)
        ck_assert_int_eq(strncmp(r.text, "DNS resolution failed for no-such-host.invalid:443", 50), 0);
    record_close(&r);
    harness_chan_close(own);
    harness_close(&h);
}
END_TEST

START_TEST(cancelled_before_or_after_it_had_a_connection)
{
    harness_open_bare(&h, GRPC_1);
    raw_server *servers[] = {raw_server_start(RAW_ACCEPT_ONLY), raw_server_start(RAW_SETTINGS_ONLY)};
    for (int i = 0; i < 2; i++) {
        char target[64];
        vmx_channel_options options = harness_options(target, raw_server_port(servers[i]));
        test_channel *own = harness_chan_open(&h, &options);
        vmx_message message = make_message(100, 1);
        test_record r = {0};
        record_start(&r, &h,
                     (vmx_stream_options){.channel = own->channel,
                                          .method = "/test/Echo",
                                          .request = &message,
                                          .wait_for_ready = true,
                                          .deadline_us = VMX_NEVER});
        vmx_message_clear(&message);
        harness_pass(&h, 150);
        h.vtable->cancel(r.stream);
        ck_assert(record_wait_end(&r, 5000));
        ck_assert_int_eq(r.code, VMX_GRPC_CANCELLED);
        ck_assert_msg(r.reach == (i == 0 ? VMX_REACH_NONE : VMX_REACH_UNKNOWN), "%d: reach %d, \"%s\"", i, r.reach,
                      r.text);
        record_close(&r);
        harness_chan_close(own);
    }
    raw_server_stop(servers[0]);
    raw_server_stop(servers[1]);
    harness_close(&h);
}
END_TEST

TCase *
reach_cases(void)
{
    TCase *tcase = tcase_create("reach");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, reach_is_what_the_frames_say, 0, EXPECTATIONS);
    tcase_add_test(tcase, refused_port_was_never_reached);
    tcase_add_test(tcase, unknown_name_was_never_reached);
    tcase_add_test(tcase, cancelled_before_or_after_it_had_a_connection);
    return tcase;
}
