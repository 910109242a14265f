#include <assert.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/sync.h"
#include "transport/fake/internal.h"

enum { CONNECT_US = 1000 };

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint64_t
fake_now(vmx_transport *transport)
{
    return ((fake_transport *)transport)->now_us;
}

void
vmx_fake_timer_set(fake_transport *transport, vmx_timer *timer, uint64_t due_us)
{
    if (timer->armed)
        vmx_timer_heap_remove(&transport->timers, timer);
    vmx_timer_heap_add(&transport->timers, timer, due_us);
}

bool
vmx_fake_timer_cancel(fake_transport *transport, vmx_timer *timer)
{
    bool armed = timer->armed;
    if (armed)
        vmx_timer_heap_remove(&transport->timers, timer);
    return armed;
}

static void
fake_timer_set(vmx_loop *loop, vmx_timer *timer, uint64_t due_us)
{
    vmx_fake_timer_set((fake_transport *)loop->transport, timer, due_us);
}

static bool
fake_timer_cancel(vmx_loop *loop, vmx_timer *timer)
{
    return vmx_fake_timer_cancel((fake_transport *)loop->transport, timer);
}

static void
fake_post(vmx_loop *loop, vmx_task *task)
{
    fake_transport *transport = (fake_transport *)loop->transport;
    task->next = NULL;
    *transport->last_task = task;
    transport->last_task = &task->next;
}

static void
fake_wake(vmx_loop *loop)
{
    ((fake_transport *)loop->transport)->woken = true;
}

static bool
run_task(fake_transport *transport)
{
    vmx_task *task = transport->first_task;
    if (task == NULL)
        return false;
    transport->first_task = task->next;
    if (transport->first_task == NULL)
        transport->last_task = &transport->first_task;
    task->run(task);
    return true;
}

static size_t
fake_drive(vmx_loop *loop, uint64_t deadline_us)
{
    fake_transport *transport = (fake_transport *)loop->transport;
    bool woken = transport->woken;
    transport->woken = false;
    if (run_task(transport))
        return 1;
    vmx_timer *timer = transport->timers.first;
    uint64_t until_us = woken ? transport->now_us : deadline_us;
    if (timer == NULL || timer->due_us > until_us) {
        if (until_us != VMX_NEVER && until_us > transport->now_us)
            transport->now_us = until_us;
        return 0;
    }
    if (timer->due_us > transport->now_us)
        transport->now_us = timer->due_us;
    vmx_timer_heap_remove(&transport->timers, timer);
    timer->fire(timer);
    return 1;
}

/* --- channels ----------------------------------------------------------------------------------------------------- */

void
vmx_fake_channel_unref(fake_channel *channel)
{
    if (--channel->refs == 0)
        vmx_dealloc(channel);
}

static void
drop_change(fake_change *change)
{
    fake_change **at = &change->channel->changes;
    while (*at != change)
        at = &(*at)->next;
    *at = change->next;
    vmx_dealloc(change);
}

static void
change_state(vmx_timer *timer)
{
    fake_change *change = VMX_FAKE_OWNER(fake_change, timer, timer);
    fake_channel *channel = change->channel;
    bool changed = channel->state != change->state;
    channel->state = change->state;
    drop_change(change);
    if (changed)
        channel->on_state(channel->user, channel->state);
    if (channel->state == VMX_CHANNEL_CLOSED)
        vmx_fake_channel_unref(channel);
}

void
vmx_fake_channel_state(vmx_channel *base, vmx_channel_state state, uint64_t delay_us)
{
    fake_transport *transport = (fake_transport *)base->transport;
    fake_channel *channel = (fake_channel *)base;
    fake_change *change = vmx_calloc(1, sizeof *change);
    assert(change != NULL);
    *change = (fake_change){.timer.fire = change_state, .channel = channel, .next = channel->changes, .state = state};
    channel->changes = change;
    vmx_fake_timer_set(transport, &change->timer, transport->now_us + delay_us);
}

static vmx_status
fake_channel_open(vmx_transport *transport, const vmx_channel_options *options, vmx_channel **out, vmx_error *error)
{
    fake_channel *channel = vmx_calloc(1, sizeof *channel);
    if (channel == NULL)
        return vmx_error_no_memory(error);
    channel->base.transport = transport;
    channel->on_state = options->on_state;
    channel->user = options->user;
    channel->refs = 1;
    *out = &channel->base;
    return VMX_OK;
}

static void
fake_channel_connect(vmx_channel *channel)
{
    const vmx_fake_server *server = &((fake_transport *)channel->transport)->server;
    if (server->connect != NULL) {
        server->connect(server->user, channel);
        return;
    }
    vmx_fake_channel_state(channel, VMX_CHANNEL_CONNECTING, 0);
    vmx_fake_channel_state(channel, VMX_CHANNEL_READY, CONNECT_US);
}

/* CLOSED comes before the streams' ends: the contract promises nothing of their order. */
static void
fake_channel_close(vmx_channel *base)
{
    fake_channel *channel = (fake_channel *)base;
    while (channel->changes != NULL) {
        vmx_fake_timer_cancel((fake_transport *)base->transport, &channel->changes->timer);
        drop_change(channel->changes);
    }
    vmx_fake_channel_state(base, VMX_CHANNEL_CLOSED, 0);
    for (fake_stream *stream = channel->streams; stream != NULL; stream = stream->next)
        vmx_fake_cancel(&stream->base);
}

/* --- the transport ------------------------------------------------------------------------------------------------ */

/* `wait` makes no difference. What is due now still happens: tasks, the CLOSED of channels and their streams' ends.
 * A stream whose op is busy further up the stack is closed later: it frees the transport. */
static void
fake_shutdown(vmx_transport *base, bool wait)
{
    (void)wait;
    fake_transport *transport = (fake_transport *)base;
    while (fake_drive(&transport->loop, transport->now_us) > 0)
        ;
    transport->left = transport->counters.open > 0;
    if (!transport->left)
        vmx_dealloc(transport);
}

static const vmx_transport_vtable vtable = {
    .now = fake_now,
    .timer_set = fake_timer_set,
    .timer_cancel = fake_timer_cancel,
    .post = fake_post,
    .drive = fake_drive,
    .wake = fake_wake,
    .channel_open = fake_channel_open,
    .channel_connect = fake_channel_connect,
    .channel_close = fake_channel_close,
    .start = vmx_fake_start,
    .send = vmx_fake_send,
    .recv = vmx_fake_recv,
    .cancel = vmx_fake_cancel,
    .close = vmx_fake_close,
    .shutdown = fake_shutdown,
};

vmx_status
vmx_fake_transport_new(uint64_t seed, const vmx_fake_server *server, vmx_transport **out, vmx_error *error)
{
    fake_transport *transport = vmx_calloc(1, sizeof *transport);
    if (transport == NULL)
        return vmx_error_no_memory(error);
    transport->base = (vmx_transport){&vtable, transport->loops, 1, true};
    transport->loop.transport = &transport->base;
    transport->loops[0] = &transport->loop;
    transport->server = *server;
    transport->last_task = &transport->first_task;
    vmx_random_seed(&transport->random, seed);
    *out = &transport->base;
    return VMX_OK;
}

void
vmx_fake_advance(vmx_transport *transport, uint64_t us)
{
    ((fake_transport *)transport)->now_us += us;
}

const vmx_fake_counters *
vmx_fake_counters_of(const vmx_transport *transport)
{
    return &((const fake_transport *)transport)->counters;
}

vmx_random *
vmx_fake_random(vmx_transport *transport)
{
    return &((fake_transport *)transport)->random;
}
