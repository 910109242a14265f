#include "rpc/flow_scene.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transport/fake/fake_transport.h"

void
scene_tell(scene *s, const char *format, ...)
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
    scene_tell(scene_of(flow), "ready ");
    send_next(scene_of(flow));
    ask_next(scene_of(flow));
}

static void
on_sent(vmx_flow *flow)
{
    scene_tell(scene_of(flow), "sent ");
    send_next(scene_of(flow));
}

static void
on_message(vmx_flow *flow, vmx_message *message)
{
    scene *s = scene_of(flow);
    ck_assert_uint_eq(message->size_bytes, 4);
    s->received++;
    scene_tell(s, "message ");
    ask_next(s);
}

static void
on_ended(vmx_flow *flow)
{
    scene_tell(scene_of(flow), "ended:%d ", flow->reply.grpc_code);
    ck_assert_int_eq(flow->phase, VMX_FLOW_IDLE);
}

static void
on_resumed(vmx_flow *flow)
{
    scene_tell(scene_of(flow), flow->cancelled ? "resumed-cancelled " : "resumed ");
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

void
scene_reply_messages(scene *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vmx_message message;
        vmx_message_init_one(&message, NULL, (const uint8_t *)"down", 4);
        ck_assert(vmx_fake_message(s->stream, 1000, &message));
    }
}

void
scene_reply_end(scene *s, int grpc_code)
{
    vmx_reply reply = {.grpc_code = grpc_code,
                       .reach = VMX_REACH_SERVER,
                       .text = VMX_STR(grpc_code == VMX_GRPC_OK ? "" : "not today"),
                       .peer = VMX_STR("203.0.113.1:443")};
    ck_assert(vmx_fake_end(s->stream, 1000, &reply, NULL));
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

void
scene_run_for(scene *s, uint64_t ms)
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

void
scene_begin(scene *s, uint64_t deadline_ms)
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
    scene_run_for(s, 10);
    vmx_op_init(&s->op, &vtable, "flow", &s->client->host, NULL, NULL);
    ck_assert(vmx_op_begin(&s->op));
    vmx_call_settings settings = {.retry = s->client->retry, .wait_for_ready = true};
    settings.deadline_us = deadline_ms > 0 ? vmx_client_now(s->client) + 1000 * deadline_ms : VMX_NEVER;
    vmx_flow_init(&s->flow, &s->client->caller, &s->op, s->transport->loops[0], &settings, IDLE_MS, &hooks);
    s->to_send = s->to_receive = 1;
}

void
scene_end(scene *s)
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

void
scene_start(scene *s)
{
    vmx_flow_start(&s->flow, "/a.Service/Flow");
}
