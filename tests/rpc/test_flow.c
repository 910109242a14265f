/* One streaming RPC on the fake transport: messages both ways, half-close, back-pressure, cancel, failures, time. */
#include <string.h>

#include "core/error.h"
#include "core/suite.h"
#include "rpc/flow_scene.h"
#include "transport/fake/fake_transport.h"

/* --- messages ------------------------------------------------------------------------------------------------------ */

START_TEST(test_messages_both_ways_and_half_close)
{
    scene s = {0};
    scene_begin(&s, 0);
    s.to_send = 3;
    s.to_receive = 4;
    scene_start(&s);
    scene_run_for(&s, 1);
    ck_assert_uint_eq(s.arrived, 3);
    ck_assert_uint_eq(s.last_arrived, 3);
    scene_reply_messages(&s, 2); /* our direction is closed, theirs is not */
    scene_reply_end(&s, VMX_GRPC_OK);
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent sent sent message message ended:0 ");
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_OK);
    ck_assert(!s.dropped);
    scene_end(&s);
}
END_TEST

START_TEST(test_a_full_window_holds_the_sender)
{
    scene s = {.full = true};
    scene_begin(&s, 0);
    s.to_send = 3;
    scene_start(&s);
    scene_run_for(&s, IDLE_MS / 2);
    ck_assert_uint_eq(s.arrived, 1);
    ck_assert_str_eq(s.story, "ready ");
    vmx_fake_take(s.stream);
    scene_run_for(&s, IDLE_MS / 2); /* the idle time counts from what moved */
    ck_assert_uint_eq(s.arrived, 2);
    s.full = false;
    vmx_fake_take(s.stream);
    scene_run_for(&s, 1);
    ck_assert_uint_eq(s.last_arrived, 3);
    scene_reply_end(&s, VMX_GRPC_OK);
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent sent sent ended:0 ");
    scene_end(&s);
}
END_TEST

START_TEST(test_what_is_not_asked_for_does_not_come)
{
    scene s = {0};
    scene_begin(&s, 0);
    s.to_receive = 2;
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_messages(&s, 4);
    scene_reply_end(&s, VMX_GRPC_OK);
    scene_run_for(&s, IDLE_MS / 2);
    ck_assert_str_eq(s.story, "ready sent message message ");
    s.to_receive = 5;
    vmx_flow_recv(&s.flow);
    scene_run_for(&s, IDLE_MS / 2);
    ck_assert_str_eq(s.story, "ready sent message message message message ended:0 ");
    scene_end(&s);
}
END_TEST

/* --- cancelling ---------------------------------------------------------------------------------------------------- */

START_TEST(test_cancelled_while_open)
{
    scene s = {0};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_messages(&s, 1);
    vmx_flow_cancel(&s.flow);
    vmx_flow_cancel(&s.flow);
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:1 ");
    ck_assert(s.dropped);
    ck_assert(!vmx_flow_pause(&s.flow)); /* what was cancelled is not repeated */
    vmx_flow_cancel(&s.flow);            /* nothing happens to an idle one */
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:1 ");
    scene_end(&s);
}
END_TEST

START_TEST(test_cancelled_in_line)
{
    scene s = {.unconnected = true};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, 100);
    ck_assert_int_eq(s.flow.phase, VMX_FLOW_IN_LINE);
    vmx_flow_cancel(&s.flow);
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ended:1 ");
    ck_assert_ptr_null(s.stream);
    scene_end(&s);
}
END_TEST

START_TEST(test_cancelled_while_paused)
{
    scene s = {0};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_end(&s, VMX_GRPC_UNAVAILABLE);
    scene_run_for(&s, 10);
    ck_assert(vmx_flow_pause(&s.flow));
    vmx_flow_cancel(&s.flow);
    scene_run_for(&s, 10000);
    ck_assert_str_eq(s.story, "ready sent ended:14 resumed-cancelled ");
    scene_end(&s);
}
END_TEST

/* --- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(test_a_failure_that_passes_is_paused_after_and_begun_again)
{
    scene s = {0};
    scene_begin(&s, 0);
    for (uint32_t failures = 1; failures <= 2; failures++) {
        s.sent = 0;
        scene_start(&s);
        scene_run_for(&s, 1);
        scene_reply_end(&s, VMX_GRPC_UNAVAILABLE);
        scene_run_for(&s, 10);
        ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_RETRIABLE);
        ck_assert(vmx_flow_pause(&s.flow));
        ck_assert_uint_eq(s.flow.failures, failures);
        scene_run_for(&s, 30000);
    }
    vmx_flow_moved(&s.flow);
    ck_assert_uint_eq(s.flow.failures, 0);
    s.sent = 0;
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_end(&s, VMX_GRPC_OK);
    scene_run_for(&s, 10);
    ck_assert_str_eq(s.story, "ready sent ended:14 resumed ready sent ended:14 resumed ready sent ended:0 ");
    scene_end(&s);
}
END_TEST

START_TEST(test_the_policy_ends_the_attempts_and_the_error_says_all)
{
    scene s = {0};
    vmx_error error = {0};
    uint32_t attempts = 0;
    scene_begin(&s, 0);
    do {
        s.sent = 0;
        scene_start(&s);
        scene_run_for(&s, 1);
        scene_reply_end(&s, VMX_GRPC_UNAVAILABLE);
        scene_run_for(&s, 10);
        attempts++;
    } while (vmx_flow_pause(&s.flow) && (scene_run_for(&s, 30000), attempts < 100));
    ck_assert_uint_gt(attempts, 1);
    ck_assert_uint_lt(attempts, 100);
    vmx_flow_failure(&s.flow, "part 7", &error);
    ck_assert_int_eq(error.code, VMX_ERR_UNAVAILABLE);
    ck_assert_str_eq(error.message, "flow at fake:443: part 7: UNAVAILABLE: not today");
    ck_assert(error.retriable);
    ck_assert_uint_eq(error.attempts, attempts);
    ck_assert_str_eq(error.peer, "203.0.113.1:443");
    scene_end(&s);
}
END_TEST

START_TEST(test_a_refusal_is_final)
{
    scene s = {0};
    vmx_error error = {0};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_end(&s, VMX_GRPC_PERMISSION_DENIED);
    scene_run_for(&s, 10);
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_FINAL);
    ck_assert(!vmx_flow_pause(&s.flow));
    vmx_flow_failure(&s.flow, "", &error);
    ck_assert_str_eq(error.message, "flow at fake:443: PERMISSION_DENIED: not today");
    ck_assert(!error.retriable);
    scene_end(&s);
}
END_TEST

/* --- time ---------------------------------------------------------------------------------------------------------- */

START_TEST(test_a_stream_that_stands_still_is_given_up)
{
    scene s = {0};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, IDLE_MS - 10);
    vmx_flow_touch(&s.flow); /* something else was slow */
    scene_run_for(&s, IDLE_MS - 10);
    ck_assert_str_eq(s.story, "ready sent ");
    scene_run_for(&s, 20);
    ck_assert_str_eq(s.story, "ready sent ended:4 ");
    ck_assert(s.dropped && s.flow.idle);
    ck_assert_int_eq(s.flow.verdict, VMX_VERDICT_RETRIABLE);
    ck_assert(vmx_flow_pause(&s.flow));
    scene_run_for(&s, 30000);
    ck_assert_str_eq(s.story, "ready sent ended:4 resumed ");
    scene_end(&s);
}
END_TEST

/* What an owner does when its chore has ended, perhaps. */
static void
run_late(vmx_task *task)
{
    scene *s = (scene *)((char *)task - offsetof(scene, late));
    vmx_message message;
    vmx_message_init_one(&message, NULL, (const uint8_t *)"up", 2);
    scene_tell(s, "late ");
    vmx_flow_send(&s->flow, &message, false);
    vmx_flow_recv(&s->flow);
    vmx_message_clear(&message);
}

/* Keeps the strand until the stream has ended and its timer has fired. */
static void
run_busy(vmx_task *task)
{
    scene *s = (scene *)((char *)task - offsetof(scene, busy));
    scene_run_for(s, 2);
    vmx_op_submit(&s->op, &s->late);
    scene_run_for(s, IDLE_MS);
    scene_tell(s, "busy ");
}

START_TEST(test_of_a_stream_that_has_ended_nothing_is_asked)
{
    scene s = {.busy = {.run = run_busy}, .late = {.run = run_late}};
    scene_begin(&s, 0);
    scene_start(&s);
    scene_run_for(&s, 1);
    scene_reply_end(&s, VMX_GRPC_OK);
    vmx_op_submit(&s.op, &s.busy);
    ck_assert_str_eq(s.story, "ready sent busy late ended:0 "); /* `ended` waits for the timer's task */
    ck_assert_uint_eq(s.arrived, 1);
    scene_end(&s);
}
END_TEST

START_TEST(test_the_deadline_ends_a_stream_and_its_repetition)
{
    scene s = {0};
    scene_begin(&s, 500);
    scene_start(&s);
    scene_run_for(&s, 490);
    ck_assert_str_eq(s.story, "ready sent ");
    scene_run_for(&s, 20);
    ck_assert_str_eq(s.story, "ready sent ended:4 ");
    ck_assert(s.dropped && !s.flow.idle);
    ck_assert(!vmx_flow_pause(&s.flow));
    scene_end(&s);
}
END_TEST

START_TEST(test_the_deadline_ends_waiting_for_a_connection)
{
    scene s = {.unconnected = true};
    vmx_error error = {0};
    scene_begin(&s, 500);
    scene_start(&s);
    scene_run_for(&s, 600);
    ck_assert_str_eq(s.story, "ended:4 ");
    vmx_flow_failure(&s.flow, "", &error);
    ck_assert_ptr_nonnull(strstr(error.message, "no connection was free in time"));
    scene_end(&s);
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
