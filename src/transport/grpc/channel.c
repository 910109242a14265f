#include <grpc/grpc_security.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "transport/grpc/internal.h"

/* --- arguments ---------------------------------------------------------------------------------------------------- */

enum { MAX_ARGS = 32, PROXY_SIZE = 512 };

typedef struct arguments {
    grpc_arg args[MAX_ARGS];
    size_t count;
} arguments;

/* The core's argument struct wants writable texts, and copies them. */
static char *
text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void
add_int(arguments *list, const char *key, int64_t value)
{
    int clipped = value > INT_MAX ? INT_MAX : value < INT_MIN ? INT_MIN : (int)value;
    list->args[list->count++] = (grpc_arg){.type = GRPC_ARG_INTEGER, .key = text_of(key), .value.integer = clipped};
}

static void
add_text(arguments *list, const char *key, const char *value)
{
    list->args[list->count++] =
        (grpc_arg){.type = GRPC_ARG_STRING, .key = text_of(key), .value.string = text_of(value)};
}

/*
 * Without pings the timeout still matters: the core sets it as TCP_USER_TIMEOUT, the only thing that ends a write to a
 * peer that has stopped reading. So "off" is a time that never comes, not the core's own "off". Pings without calls are
 * not sent: servers answer them with GOAWAY "too_many_pings" (grpc/proposal:A8-client-side-keepalive.md).
 */
static void
add_keepalive(arguments *list, const vmx_channel_options *options)
{
    int64_t time_ms = options->keepalive_time_ms > 0 ? options->keepalive_time_ms : INT_MAX - 1;
    add_int(list, GRPC_ARG_KEEPALIVE_TIME_MS, time_ms < INT_MAX ? time_ms : INT_MAX - 1);
    add_int(list, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
    add_int(list, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
    add_int(list, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

static void
add_reconnect(arguments *list, const vmx_channel_options *options)
{
    add_int(list, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, options->reconnect_initial_ms);
    add_int(list, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, options->reconnect_max_ms);
    /* Asking the name service again must not be slower than connecting again. */
    add_int(list, GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, options->reconnect_initial_ms);
    /* A connection stays, however idle the channel is. */
    add_int(list, GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX);
}

/*
 * How far the peer may get with what nobody has asked for. The core's own way is to probe for bandwidth times delay and to
 * open the windows of all streams accordingly: on a fast network to 4 MiB and more for each, which it then holds. Without
 * the probe a stream's window is what was announced, and for a message that is awaited what is missing of it, up to 1 MiB
 * at a time (1.51.1: chttp2/transport/flow_control.cc, DesiredAnnounceSize); the connection's grows and shrinks with that.
 *
 * The probe also enlarged the frames, which otherwise have 16 KiB: of larger ones the core makes fewer slices. The core
 * reads into pieces of up to 4 MiB, and a message keeps all pieces in which it has a byte: smaller ones waste less.
 */
static void
add_windows(arguments *list, const vmx_channel_options *options)
{
    if (options->receive_ahead_bytes == 0)
        return;
    add_int(list, GRPC_ARG_HTTP2_BDP_PROBE, 0);
    add_int(list, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, options->receive_ahead_bytes);
    add_int(list, GRPC_ARG_HTTP2_MAX_FRAME_SIZE, options->receive_ahead_bytes);
    add_int(list, GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, options->receive_ahead_bytes);
}

/* `proxy` is memory for the proxy's URI that lives until the channel is made. */
static void
add_names(arguments *list, const vmx_channel_options *options, char *proxy, size_t proxy_size)
{
    if (options->user_agent != NULL)
        add_text(list, GRPC_ARG_PRIMARY_USER_AGENT_STRING, options->user_agent);
    if (options->server_name != NULL) {
        add_text(list, GRPC_ARG_DEFAULT_AUTHORITY, options->server_name);
        add_text(list, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, options->server_name);
    }
    add_int(list, GRPC_ARG_ENABLE_HTTP_PROXY, options->proxy != NULL);
    if (options->proxy != NULL) {
        snprintf(proxy, proxy_size, "http://%s", options->proxy);
        add_text(list, GRPC_ARG_HTTP_PROXY, proxy);
    }
}

static grpc_channel *
create(vmx_grpc_transport *transport, const vmx_channel_options *options, vmx_error *error)
{
    grpc_channel_credentials *credentials = vmx_grpc_credentials_new(transport, options, error);
    if (credentials == NULL)
        return NULL;
    char proxy[PROXY_SIZE];
    arguments list = {.count = 0};
    if (strncmp(options->target, "dns:///", 7) == 0)
        add_text(&list, GRPC_ARG_LB_POLICY_NAME, "round_robin"); /* to all addresses of the name, in turns */
    /* Without the core's filters for deadlines, for a message's length and for compression, of which this folder does the work
     * (under_way.c, message.c, inflate.c) at a fraction of their cost for each call. */
    add_int(&list, GRPC_ARG_MINIMAL_STACK, 1);
    add_int(&list, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1); /* a connection of its own */
    add_int(&list, GRPC_ARG_ENABLE_RETRIES, 0);            /* rpc/ owns retries */
    add_int(&list, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    add_int(&list, GRPC_ARG_ENABLE_CHANNELZ, 0);
    add_int(&list, GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
    add_keepalive(&list, options);
    add_reconnect(&list, options);
    add_windows(&list, options);
    add_names(&list, options, proxy, sizeof proxy);
    sigset_t old = vmx_signals_block();
    grpc_channel *channel =
        grpc_channel_create(options->target, credentials, &(grpc_channel_args){list.count, list.args});
    vmx_signals_restore(old);
    grpc_channel_credentials_release(credentials);
    if (channel == NULL)
        vmx_error_set(error, VMX_ERR_INVALID, "endpoint \"%.*s\": gRPC cannot read it; write host:port",
                      vmx_error_clip(vmx_str_from(options->target)), options->target);
    return channel;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* Drops one of channel->refs, with the lock held; the channel may be gone afterwards. */
static void
unref_and_unlock(vmx_grpc_channel *channel)
{
    bool last = --channel->refs == 0;
    vmx_lock_release(&channel->lock);
    if (!last)
        return;
    while (channel->idle != NULL) {
        vmx_grpc_stream *stream = channel->idle;
        channel->idle = stream->next;
        vmx_grpc_stream_free(stream);
    }
    vmx_grpc_headers_unref(channel->headers);
    vmx_grpc_transport *transport = (vmx_grpc_transport *)channel->base.transport;
    vmx_lock_destroy(&channel->lock);
    vmx_dealloc(channel);
    vmx_grpc_transport_leave(transport);
}

static vmx_channel_state
state_of(grpc_connectivity_state state)
{
    switch (state) {
    case GRPC_CHANNEL_IDLE:
        return VMX_CHANNEL_IDLE;
    case GRPC_CHANNEL_CONNECTING:
        return VMX_CHANNEL_CONNECTING;
    case GRPC_CHANNEL_READY:
        return VMX_CHANNEL_READY;
    case GRPC_CHANNEL_TRANSIENT_FAILURE:
        return VMX_CHANNEL_FAILING;
    case GRPC_CHANNEL_SHUTDOWN:
        break;
    }
    return VMX_CHANNEL_CLOSED;
}

static void
watch(vmx_grpc_channel *channel)
{
    grpc_channel *watched = channel->channel;
    grpc_connectivity_state state = channel->watched;
    grpc_completion_queue *queue = channel->home->queue;
    vmx_tsan_release(&channel->watch_tag); /* from here on the channel is the home thread's */
    grpc_channel_watch_connectivity_state(watched, state, gpr_inf_future(GPR_CLOCK_MONOTONIC), queue,
                                          &channel->watch_tag);
}

/* Home's thread, as is run_close: so a watch is never started on a channel that is destroyed. */
static size_t
on_watch(vmx_grpc_tag *tag, bool ok)
{
    (void)ok;
    vmx_grpc_channel *channel = VMX_GRPC_OWNER(vmx_grpc_channel, watch_tag, tag);
    if (channel->channel == NULL) {
        channel->on_state(channel->user, VMX_CHANNEL_CLOSED);
        vmx_lock_acquire(&channel->lock);
        unref_and_unlock(channel);
        return 1;
    }
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->channel, 0);
    bool changed = state != channel->watched;
    channel->watched = state;
    watch(channel);
    if (changed)
        channel->on_state(channel->user, state_of(state));
    return changed;
}

static void
run_close(vmx_task *task)
{
    vmx_grpc_channel *channel = VMX_GRPC_OWNER(vmx_grpc_channel, close_task, task);
    grpc_channel *dying = channel->channel;
    channel->channel = NULL;
    grpc_channel_destroy(dying); /* ends the watch */
}

/* --- the vtable --------------------------------------------------------------------------------------------------- */

vmx_status
vmx_grpc_channel_open(vmx_transport *base, const vmx_channel_options *options, vmx_channel **out, vmx_error *error)
{
    vmx_grpc_transport *transport = (vmx_grpc_transport *)base;
    vmx_grpc_channel *channel = vmx_calloc(1, sizeof *channel);
    if (channel == NULL)
        return vmx_error_no_memory(error);
    vmx_error made;
    channel->channel = create(transport, options, &made);
    if (channel->channel == NULL) {
        vmx_dealloc(channel);
        if (error != NULL)
            *error = made;
        return made.code;
    }
    channel->base.transport = base;
    channel->home = vmx_grpc_transport_enter(transport, options->keepalive_timeout_ms);
    channel->watch_tag.done = on_watch;
    channel->close_task.run = run_close;
    channel->on_state = options->on_state;
    channel->user = options->user;
    channel->receive_limit_bytes = (size_t)options->receive_limit_bytes;
    channel->watched = GRPC_CHANNEL_IDLE;
    channel->refs = 1;
    vmx_lock_init(&channel->lock);
    *out = &channel->base;
    watch(channel);
    return VMX_OK;
}

void
vmx_grpc_channel_connect(vmx_channel *base)
{
    sigset_t old = vmx_signals_block();
    grpc_channel_check_connectivity_state(((vmx_grpc_channel *)base)->channel, 1);
    vmx_signals_restore(old);
}

void
vmx_grpc_channel_close(vmx_channel *base)
{
    vmx_grpc_channel *channel = (vmx_grpc_channel *)base;
    vmx_grpc_cancel_streams(channel);
    vmx_grpc_post((vmx_loop *)channel->home, &channel->close_task);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

/* With the lock held. */
static void *
find_method(vmx_grpc_channel *channel, const char *name)
{
    for (size_t i = 0; i < channel->method_count; i++) {
        if (channel->methods[i].name == name)
            return channel->methods[i].handle;
    }
    if (channel->method_count == VMX_GRPC_METHODS)
        return NULL;
    void *handle = grpc_channel_register_call(channel->channel, name, NULL, NULL);
    channel->methods[channel->method_count++] = (vmx_grpc_method){name, handle};
    return handle;
}

vmx_grpc_stream *
vmx_grpc_channel_take_stream(vmx_grpc_channel *channel, const vmx_stream_options *options, void **handle)
{
    vmx_lock_acquire(&channel->lock);
    vmx_grpc_stream *stream = channel->idle;
    if (stream != NULL) {
        channel->idle = stream->next;
        channel->idle_count--;
    } else {
        stream = vmx_calloc(1, sizeof *stream);
    }
    if (stream != NULL) {
        *handle = find_method(channel, options->method);
        channel->refs++;
        stream->channel = channel;
        stream->call = NULL;
        stream->link = NULL;
        stream->headers = vmx_grpc_headers_take(&channel->headers, options);
    }
    vmx_lock_release(&channel->lock);
    return stream;
}

void
vmx_grpc_channel_give_stream(vmx_grpc_channel *channel, vmx_grpc_stream *stream)
{
    vmx_lock_acquire(&channel->lock);
    if (channel->idle_count < VMX_GRPC_IDLE_STREAMS) {
        stream->next = channel->idle;
        channel->idle = stream;
        channel->idle_count++;
        stream = NULL;
    }
    if (stream != NULL)
        vmx_grpc_stream_free(stream);
    unref_and_unlock(channel);
}
