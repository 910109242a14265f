/* One streaming RPC on the fake transport: messages both ways, half-close, back-pressure, cancel, failures, time. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "core/error.h"
#include "core/suite.h"
#include "rpc/flow.h"
#include "transport/fake/fake_transport.h"

#define IDLE_MS 1000

/* A client with one flow, and the server; `story` is what was told, a word for each event. */
typedef struct scene {
    vmx_client *client;
    vmx_transport *transport;
    vmx_op op;
    vmx_flow flow;
    vmx_task busy, late; /* of the op's strand */
    char story[512];

    /* the client's side */
    size_t to_send;    /* messages; the last one closes our direction */
    size_t to_receive; /* so many are asked for */
    size_t sent, received;

    /* the server's side */
    vmx_stream *stream;
    size_t arrived, last_arrived; /* messages; how many there were when our direction was closed */
    bool full;                    /* the window: nothing is taken */
    bool unconnected;             /* channels never become READY */
    bool dropped;
} scene;

static void
tell(scene *s, const char *format, ...)
{
    size_t len = strlen(s->story);
    va_list args;
    va_start(args, format);
    vsnprintf(s->story + len, sizeof s->story - len, format, args);
    va_end(args);
}

/* --- the client's side --------------------------------------------------------------------------------------------- */

static scene *
scene_of(vmx_flow *flow)
{
    return (scene *)((char *)flow - offsetof(scene, flow));
}

static void
send_next(scene *s)
{
    vmx_message message;
    if (s->sent == s->to_send)
        return;
    vmx_message_init_one(&message, NULL, (const uint8_t *)"up", 2);
    s->sent++;
    vmx_flow_send(&s->flow, &message, s->sent == s->to_send);
    vmx_message_clear(&message);
}

static void
ask_next(scene *s)
{
    if (s->received < s->to_receive)
        vmx_flow_recv(&s->flow);
}

static void
on_ready(vmx_flow *flow)
{
    tell(scene_of(flow), "ready ");
    send_next(scene_of(flow));
    ask_next(scene_of(flow));
}

static void
on_sent(vmx_flow *flow)
{
    tell(scene_of(flow), "sent ");
    send_next(scene_of(flow));
}

static void
on_message(vmx_flow *flow, vmx_message *message)
{
    scene *s = scene_of(flow);
    ck_assert_uint_eq(message->size_bytes, 4);
    s->received++;
    tell(s, "message ");
    ask_next(s);
}

static void
on_ended(vmx_flow *flow)
{
    tell(scene_of(flow), "ended:%d ", flow->reply.grpc_code);
    ck_assert_int_eq(flow->phase, VMX_FLOW_IDLE);
}

static void
on_resumed(vmx_flow *flow)
{
    tell(scene_of(flow), flow->cancelled ? "resumed-cancelled " : "resumed ");
    ck_assert_int_eq(flow->phase, VMX_FLOW_IDLE);
}

static const vmx_flow_hooks hooks = {
    .ready = on_ready, .sent = on_sent, .message = on_message, .ended = on_ended, .resumed = on_resumed};

/* --- the server's side --------------------------------------------------------------------------------------------- */

static void
on_started(void *user, vmx_stream *stream, const vmx_stream_options *options)
{
    scene *s = user;
    ck_assert(options->streaming);
    ck_assert_str_eq(options->method, "/a.Service/Flow");
    s->stream = stream;
}

static bool
on_received(void *user, vmx_stream *stream, const vmx_message *message, bool last)
{
    scene *s = user;
    ck_assert_ptr_eq(stream, s->stream);
    s->arrived += message != NULL;
    if (last)
        s->last_arrived = s->arrived;
    return !s->full;
}

static void
on_dropped(void *user, vmx_stream *stream)
{
    scene *s = user;
    ck_assert_ptr_eq(stream, s->stream);
    s->dropped = true;
}

static void
on_connect(void *user, vmx_channel *channel)
{
    const scene *s = user;
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
    if (!s->unconnected)
        vmx_fake_channel_state(channel, VMX_CHANNEL_READY, 1000);
}

static void
reply_messages(scene *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vmx_message message;
        vmx_message_init_one(&message, NULL, (const uint8_t *)"down", 4);
        ck_assert(vmx_fake_message(s->stream, 1000, &message));
    }
}

static void
reply_end(scene *s, int grpc_code)
{
    vmx_reply reply = {.grpc_code = grpc_code,
                       .reach = VMX_REACH_SERVER,
                       .text = VMX_STR(grpc_code == VMX_GRPC_OK ? "" : "not today"),
                       .peer = VMX_STR("203.0.113.1:443")};
    ck_assert(vmx_fake_end(s->stream, 1000, &reply, NULL));
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void
run_for(scene *s, uint64_t ms)
{
    uint64_t until_us = vmx_client_now(s->client) + 1000 * ms;
    while (vmx_host_drive(&s->client->host, until_us, NULL, NULL) > 0 || vmx_client_now(s->client) < until_us)
        ;
}

static void
nothing(vmx_op *op)
{
    (void)op;
}

static void
begin_scene(scene *s, uint64_t deadline_ms)
{
    static const vmx_op_vtable vtable = {.cancel = nothing, .destroy = nothing};
    vmx_error error = {0};
    vmx_fake_server server = {
        .started = on_started, .received = on_received, .dropped = on_dropped, .connect = on_connect, .user = s};
    ck_assert_int_eq(vmx_fake_transport_new(1, &server, &s->transport, NULL), VMX_OK);
    vmx_config *config = vmx_config_new();
    vmx_config_set(config, VMX_STR("endpoint"), VMX_STR("fake:443"), &error);
    vmx_config_set(config, VMX_STR("worker.threads"), VMX_STR("0"), &error);
    ck_assert_int_eq(vmx_client_open_on(config, s->transport, 1, &s->client, &error), VMX_OK);
    vmx_config_free(config);
    run_for(s, 10);
    vmx_op_init(&s->op, &vtable, "flow", &s->client->host, NULL, NULL);
    ck_assert(vmx_op_begin(&s->op));
    vmx_call_settings settings = {.retry = s->client->retry, .wait_for_ready = true};
    settings.deadline_us = deadline_ms > 0 ? vmx_client_now(s->client) + 1000 * deadline_ms : VMX_NEVER;
    vmx_flow_init(&s->flow, &s->client->caller, &s->op, s->transport->loops[0], &settings, IDLE_MS, &hooks);
    s->to_send = s->to_receive = 1;
}

static void
end_scene(scene *s)
{
    vmx_error error;
    const vmx_fake_counters *counters = vmx_fake_counters_of(s->transport);
    ck_assert_uint_eq(counters->open, 0);
    ck_assert_int_eq(s->flow.phase, VMX_FLOW_IDLE);
    vmx_flow_clear(&s->flow);
    vmx_op_complete(&s->op);
    vmx_op_release(&s->op);
    vmx_arena_reset(&s->op.arena);
    vmx_host *host = vmx_op_fini(&s->op);
    vmx_host_release(host);
    ck_assert_int_eq(vmx_client_close(s->client, 1000, &error), VMX_OK);
    vmx_client_free(s->client);
}

static void
start(scene *s)
{
    vmx_flow_start(&s->flow, "/a.Service/Flow");
}

/* --- messages ------------------------------------------------------------------------------------------------------ */

START_TEST(test_messages_both_ways_and_half_close)
{
    scene s = {0};
    begin_scene(&s, 0);
    s.to_send = 3;
    s.to_receive = 4;
    start(&s);
    run_for(&s, 1);
    ck_assert_uint_eq(s.arrived, 3);
    ck_assert_uint_eq(s.last_arrived, 3);
    reply_messages(&s, 2); /* our direction is closed, theirs is not */
    reply_end(&s, VMX_GRPC_OK);
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent sent sent message message ended:0 ");
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_OK);
    ck_assert(!s.dropped);
    end_scene(&s);
}
END_TEST

START_TEST(test_a_full_window_holds_the_sender)
{
    scene s = {.full = true};
    begin_scene(&s, 0);
    s.to_send = 3;
    start(&s);
    run_for(&s, IDLE_MS / 2);
    ck_assert_uint_eq(s.arrived, 1);
    ck_assert_str_eq(s.story, "ready ");
    vmx_fake_take(s.stream);
    run_for(&s, IDLE_MS / 2); /* the idle time counts from what moved */
    ck_assert_uint_eq(s.arrived, 2);
    s.full = false;
    vmx_fake_take(s.stream);
    run_for(&s, 1);
    ck_assert_uint_eq(s.last_arrived, 3);
    reply_end(&s, VMX_GRPC_OK);
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent sent sent ended:0 ");
    end_scene(&s);
}
END_TEST

START_TEST(test_what_is_not_asked_for_does_not_come)
{
    scene s = {0};
    begin_scene(&s, 0);
    s.to_receive = 2;
    start(&s);
    run_for(&s, 1);
    reply_messages(&s, 4);
    reply_end(&s, VMX_GRPC_OK);
    run_for(&s, IDLE_MS / 2);
    ck_assert_str_eq(s.story, "ready sent message message ");
    s.to_receive = 5;
    vmx_flow_recv(&s.flow);
    run_for(&s, IDLE_MS / 2);
    ck_assert_str_eq(s.story, "ready sent message message message message ended:0 ");
    end_scene(&s);
}
END_TEST

/* --- cancelling ---------------------------------------------------------------------------------------------------- */

START_TEST(test_cancelled_while_open)
{
    scene s = {0};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, 1);
    reply_messages(&s, 1);
    vmx_flow_cancel(&s.flow);
    vmx_flow_cancel(&s.flow);
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:1 ");
    ck_assert(s.dropped);
    ck_assert(!vmx_flow_pause(&s.flow)); /* what was cancelled is not repeated */
    vmx_flow_cancel(&s.flow);            /* nothing happens to an idle one */
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:1 ");
    end_scene(&s);
}
END_TEST

START_TEST(test_cancelled_in_line)
{
    scene s = {.unconnected = true};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, 100);
    ck_assert_int_eq(s.flow.phase, VMX_FLOW_IN_LINE);
    vmx_flow_cancel(&s.flow);
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ended:1 ");
    ck_assert_ptr_null(s.stream);
    end_scene(&s);
}
END_TEST

START_TEST(test_cancelled_while_paused)
{
    scene s = {0};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, 1);
    reply_end(&s, VMX_GRPC_UNAVAILABLE);
    run_for(&s, 10);
    ck_assert(vmx_flow_pause(&s.flow));
    vmx_flow_cancel(&s.flow);
    run_for(&s, 10000);
    ck_assert_str_eq(s.story, "ready sent ended:14 resumed-cancelled ");
    end_scene(&s);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(test_a_failure_that_passes_is_paused_after_and_begun_again)
{
    scene s = {0};
    begin_scene(&s, 0);
    for (uint32_t failures = 1; failures <= 2; failures++) {
        s.sent = 0;
        start(&s);
        run_for(&s, 1);
        reply_end(&s, VMX_GRPC_UNAVAILABLE);
        run_for(&s, 10);
        ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_RETRIABLE);
        ck_assert(vmx_flow_pause(&s.flow));
        ck_assert_uint_eq(s.flow.failures, failures);
        run_for(&s, 30000);
    }
    vmx_flow_moved(&s.flow);
    ck_assert_uint_eq(s.flow.failures, 0);
    s.sent = 0;
    start(&s);
    run_for(&s, 1);
    reply_end(&s, VMX_GRPC_OK);
    run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:14 resumed ready sent ended:14 resumed ready sent ended:0 ");
    end_scene(&s);
}
END_TEST

START_TEST(test_the_policy_ends_the_attempts_and_the_error_says_all)
{
    scene s = {0};
    vmx_error error = {0};
    uint32_t attempts = 0;
    begin_scene(&s, 0);
    do {
        s.sent = 0;
        start(&s);
        run_for(&s, 1);
        reply_end(&s, VMX_GRPC_UNAVAILABLE);
        run_for(&s, 10);
        attempts++;
    } while (vmx_flow_pause(&s.flow) && (run_for(&s, 30000), attempts < 100));
    ck_assert_uint_gt(attempts, 1);
    ck_assert_uint_lt(attempts, 100);
    vmx_flow_failure(&s.flow, "part 7", &error);
    ck_assert_int_eq(error.code, VMX_ERR_UNAVAILABLE);
    ck_assert_str_eq(error.message, "flow at fake:443: part 7: UNAVAILABLE: not today");
    ck_assert(error.retriable);
    ck_assert_uint_eq(error.attempts, attempts);
    ck_assert_str_eq(error.peer, "203.0.113.1:443");
    end_scene(&s);
}
END_TEST

START_TEST(test_a_refusal_is_final)
{
    scene s = {0};
    vmx_error error = {0};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, 1);
    reply_end(&s, VMX_GRPC_PERMISSION_DENIED);
    run_for(&s, 10);
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_FINAL);
    ck_assert(!vmx_flow_pause(&s.flow));
    vmx_flow_failure(&s.flow, "", &error);
    ck_assert_str_eq(error.message, "flow at fake:443: PERMISSION_DENIED: not today");
    ck_assert(!error.retriable);
    end_scene(&s);
}
END_TEST

/* --- time ---------------------------------------------------------------------------------------------------------- */

START_TEST(test_a_stream_that_stands_still_is_given_up)
{
    scene s = {0};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, IDLE_MS - 10);
    vmx_flow_touch(&s.flow); /* something else was slow */
    run_for(&s, IDLE_MS - 10);
    ck_assert_str_eq(s.story, "ready sent ");
    run_for(&s, 20);
    ck_assert_str_eq(s.story, "ready sent ended:4 ");
    ck_assert(s.dropped && s.flow.idle);
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_RETRIABLE);
    ck_assert(vmx_flow_pause(&s.flow));
    run_for(&s, 30000);
    ck_assert_str_eq(s.story, "ready sent ended:4 resumed ");
    end_scene(&s);
}
END_TEST

/* What an owner does when its chore has ended, perhaps. */
static void
run_late(vmx_task *task)
{
    scene *s = (scene *)((char *)task - offsetof(scene, late));
    vmx_message message;
    vmx_message_init_one(&message, NULL, (const uint8_t *)"up", 2);
    tell(s, "late ");
    vmx_flow_send(&s->flow, &message, false);
    vmx_flow_recv(&s->flow);
    vmx_message_clear(&message);
}

/* Keeps the strand until the stream has ended and its timer has fired. */
static void
run_busy(vmx_task *task)
{
    scene *s = (scene *)((char *)task - offsetof(scene, busy));
    run_for(s, 2);
    vmx_op_submit(&s->op, &s->late);
    run_for(s, IDLE_MS);
    tell(s, "busy ");
}

START_TEST(test_of_a_stream_that_has_ended_nothing_is_asked)
{
    scene s = {.busy = {.run = run_busy}, .late = {.run = run_late}};
    begin_scene(&s, 0);
    start(&s);
    run_for(&s, 1);
    reply_end(&s, VMX_GRPC_OK);
    vmx_op_submit(&s.op, &s.busy);
    ck_assert_str_eq(s.story, "ready sent busy late ended:0 "); /* `ended` waits for the timer's task */
    ck_assert_uint_eq(s.arrived, 1);
    end_scene(&s);
}
END_TEST

START_TEST(test_the_deadline_ends_a_stream_and_its_repetition)
{
    scene s = {0};
    begin_scene(&s, 500);
    start(&s);
    run_for(&s, 490);
    ck_assert_str_eq(s.story, "ready sent ");
    run_for(&s, 20);
    ck_assert_str_eq(s.story, "ready sent ended:4 ");
    ck_assert(s.dropped && !s.flow.idle);
    ck_assert(!vmx_flow_pause(&s.flow));
    end_scene(&s);
}
END_TEST

START_TEST(test_the_deadline_ends_waiting_for_a_connection)
{
    scene s = {.unconnected = true};
    vmx_error error = {0};
    begin_scene(&s, 500);
    start(&s);
    run_for(&s, 600);
    ck_assert_str_eq(s.story, "ended:4 ");
    vmx_flow_failure(&s.flow, "", &error);
    ck_assert_ptr_nonnull(strstr(error.message, "no connection was free in time"));
    end_scene(&s);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {test_messages_both_ways_and_half_close,
                                  test_a_full_window_holds_the_sender,
                                  test_what_is_not_asked_for_does_not_come,
                                  test_cancelled_while_open,
                                  test_cancelled_in_line,
                                  test_cancelled_while_paused,
                                  test_a_failure_that_passes_is_paused_after_and_begun_again,
                                  test_the_policy_ends_the_attempts_and_the_error_says_all,
                                  test_a_refusal_is_final,
                                  test_a_stream_that_stands_still_is_given_up,
                                  test_of_a_stream_that_has_ended_nothing_is_asked,
                                  test_the_deadline_ends_a_stream_and_its_repetition,
                                  test_the_deadline_ends_waiting_for_a_connection,
                                  NULL};
    return run_suite("flow", tests);
}
