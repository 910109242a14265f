#include "transport/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sync.h"
#include "transport/fake_echo.h"
#include "transport/grpc/grpc_transport.h"

enum { LONG_MS = 10000 };

/* Guards records; signalled at every event. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void
signal_change(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

uint64_t
harness_after(test_harness *harness, uint64_t ms)
{
    return harness->vtable->now(harness->transport) + ms * 1000;
}

static void
wait_a_little(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&lock);
    pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
}

bool
harness_wait(test_harness *harness, bool (*done)(void *arg), void *arg, uint64_t timeout_ms)
{
    uint64_t deadline_us = harness_after(harness, timeout_ms);
    while (!done(arg)) {
        if (harness->vtable->now(harness->transport) >= deadline_us)
            return false;
        if (harness->transport->driven)
            harness->vtable->drive(harness->loop, deadline_us);
        else
            wait_a_little();
    }
    return true;
}

static bool
never(void *arg)
{
    (void)arg;
    return false;
}

void
harness_pass(test_harness *harness, uint64_t ms)
{
    harness_wait(harness, never, NULL, ms);
}

/* --- channels ----------------------------------------------------------------------------------------------------- */

void
harness_on_state(void *user, vmx_channel_state state)
{
    test_channel *chan = user;
    if (atomic_load(&chan->closed) > 0)
        atomic_store(&chan->after_closed, true);
    atomic_store(&chan->state, (int)state);
    atomic_fetch_add(&chan->changes, 1);
    if (state == VMX_CHANNEL_READY)
        atomic_fetch_add(&chan->ready, 1);
    if (state == VMX_CHANNEL_CLOSED)
        atomic_fetch_add(&chan->closed, 1);
    signal_change();
}

vmx_channel_options
harness_options(char target[64], int port)
{
    snprintf(target, 64, "127.0.0.1:%d", port);
    return (vmx_channel_options){.target = target,
                                 .user_agent = "vecmux-test/1",
                                 .receive_limit_bytes = 8 << 20,
                                 .keepalive_time_ms = 300000,
                                 .keepalive_timeout_ms = 2000,
                                 .reconnect_initial_ms = 50,
                                 .reconnect_max_ms = 200};
}

test_channel *
harness_chan_open(test_harness *harness, const vmx_channel_options *options)
{
    test_channel *result = calloc(1, sizeof *result);
    result->harness = harness;
    vmx_channel_options own = *options;
    own.on_state = harness_on_state;
    own.user = result;
    vmx_error error;
    if (harness->vtable->channel_open(harness->transport, &own, &result->channel, &error) != VMX_OK)
        ck_abort_msg("%s", error.message);
    return result;
}

static bool
is_closed(void *arg)
{
    return atomic_load(&((test_channel *)arg)->closed) > 0;
}

void
harness_chan_close(test_channel *chan)
{
    chan->harness->vtable->channel_close(chan->channel);
    ck_assert(harness_wait(chan->harness, is_closed, chan, LONG_MS));
    harness_pass(chan->harness, 5);
    ck_assert_uint_eq(atomic_load(&chan->closed), 1);
    ck_assert(!atomic_load(&chan->after_closed));
    free(chan);
}

typedef struct state_wait {
    test_channel *chan;
    int state;
} state_wait;

static bool
has_state(void *arg)
{
    const state_wait *wait = arg;
    return atomic_load(&wait->chan->state) == wait->state;
}

bool
harness_wait_state(test_channel *chan, vmx_channel_state state, uint64_t timeout_ms)
{
    return harness_wait(chan->harness, has_state, &(state_wait){chan, (int)state}, timeout_ms);
}

/* --- transports --------------------------------------------------------------------------------------------------- */

void
harness_open_bare(test_harness *harness, test_kind kind)
{
    memset(harness, 0, sizeof *harness);
    harness->kind = kind;
    vmx_error error;
    if (kind == FAKE)
        harness->fake = fake_echo_new(&harness->transport);
    else if (vmx_grpc_transport_new((size_t)kind, &harness->transport, &error) != VMX_OK)
        ck_abort_msg("%s", error.message);
    harness->vtable = harness->transport->vtable;
    harness->loop = harness->transport->loops[0];
}

void
harness_open(test_harness *harness, test_kind kind)
{
    harness_open_bare(harness, kind);
    if (kind != FAKE)
        harness->server = echo_server_start(0, NULL, NULL);
    char target[64];
    vmx_channel_options options = harness_options(target, kind == FAKE ? 1 : echo_server_port(harness->server));
    harness->chan = harness_chan_open(harness, &options);
    harness->vtable->channel_connect(harness->chan->channel);
    ck_assert(harness_wait_state(harness->chan, VMX_CHANNEL_READY, LONG_MS));
}

void
harness_close(test_harness *harness)
{
    if (harness->chan != NULL)
        harness_chan_close(harness->chan);
    harness->vtable->shutdown(harness->transport, true);
    if (harness->server != NULL)
        echo_server_stop(harness->server);
    fake_echo_free(harness->fake);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void
keep_message(test_record *record, const vmx_message *message)
{
    free(record->bytes);
    record->has_message = true;
    record->len = message->size_bytes;
    record->total += message->size_bytes;
    record->bytes = malloc(message->size_bytes + 1);
    size_t at = 0;
    for (size_t i = 0; i < message->count; i++) {
        memcpy(record->bytes + at, message->slices[i].data, message->slices[i].len);
        at += message->slices[i].len;
    }
    ck_assert_uint_eq(at, message->size_bytes);
}

static void
append(test_record *record, vmx_str text)
{
    ck_assert_uint_lt(record->headers_len + text.len, sizeof record->headers);
    memcpy(record->headers + record->headers_len, text.ptr, text.len);
    record->headers_len += text.len;
    record->headers[record->headers_len] = '\0';
}

static void
keep_reply(test_record *record, const vmx_reply *reply)
{
    record->code = reply->grpc_code;
    record->reach = reply->reach;
    snprintf(record->text, sizeof record->text, "%.*s", (int)reply->text.len, reply->text.ptr);
    snprintf(record->peer, sizeof record->peer, "%.*s", (int)reply->peer.len, reply->peer.ptr);
    for (size_t i = 0; i <= reply->header_count; i++) {
        if (i == reply->initial_count)
            append(record, VMX_STR("|"));
        if (i == reply->header_count)
            break;
        append(record, reply->headers[i].key);
        append(record, VMX_STR("="));
        append(record, reply->headers[i].value);
        append(record, VMX_STR(";"));
    }
}

/* Another thread is about to leave `start`. */
static void
await_start(test_record *record)
{
    for (int i = 0; i < 10000 && !atomic_load(&record->started); i++)
        usleep(1000);
    ck_assert(atomic_load(&record->started));
}

uint64_t
test_slowness(void)
{
    const char *text = getenv("VMX_TEST_SLOW");
    long slowness = text != NULL ? strtol(text, NULL, 10) : 1;
    return slowness > 1 ? (uint64_t)slowness : 1;
}

static void
on_event(void *user, const vmx_stream_event *event)
{
    test_record *record = user;
    ck_assert_uint_eq(atomic_load(&record->ended), 0);
    if (event->message != NULL)
        keep_message(record, event->message);
    if (event->kind == VMX_STREAM_SENT) {
        atomic_fetch_add(&record->sent, 1);
    } else if (event->kind == VMX_STREAM_MESSAGE) {
        ck_assert_ptr_nonnull(event->message);
        atomic_fetch_add(&record->messages, 1);
    } else {
        keep_reply(record, event->reply);
        record->ended_us = record->harness->vtable->now(record->harness->transport);
        if (record->close_in_end) {
            await_start(record);
            record->harness->vtable->close(record->stream);
        }
        atomic_fetch_add(&record->ended, 1);
    }
    signal_change();
}

void
record_start(test_record *record, test_harness *harness, vmx_stream_options options)
{
    bool close_in_end = record->close_in_end;
    memset(record, 0, sizeof *record);
    record->close_in_end = close_in_end;
    record->harness = harness;
    if (options.channel == NULL)
        options.channel = harness->chan->channel;
    options.on_event = on_event;
    options.user = record;
    record->stream = harness->vtable->start(harness->loop, &options);
    ck_assert_ptr_nonnull(record->stream);
    atomic_store(&record->started, true);
}

void
record_start_unary(test_record *record, test_harness *harness, const char *method, size_t len, unsigned seed,
                   uint64_t timeout_ms)
{
    vmx_message message = make_message(len, seed);
    record_start(
        record, harness,
        (vmx_stream_options){.method = method, .request = &message, .deadline_us = harness_after(harness, timeout_ms)});
    vmx_message_clear(&message);
}

typedef struct count_wait {
    atomic_size_t *value;
    size_t count;
} count_wait;

static bool
is_reached(void *arg)
{
    const count_wait *wait = arg;
    return atomic_load(wait->value) >= wait->count;
}

bool
record_wait_end(test_record *record, uint64_t timeout_ms)
{
    return harness_wait(record->harness, is_reached, &(count_wait){&record->ended, 1}, timeout_ms);
}

bool
record_wait_sent(test_record *record, size_t count, uint64_t timeout_ms)
{
    return harness_wait(record->harness, is_reached, &(count_wait){&record->sent, count}, timeout_ms);
}

bool
record_wait_messages(test_record *record, size_t count, uint64_t timeout_ms)
{
    return harness_wait(record->harness, is_reached, &(count_wait){&record->messages, count}, timeout_ms);
}

void
record_close(test_record *record)
{
    if (!record->close_in_end)
        record->harness->vtable->close(record->stream);
    free(record->bytes);
    record->bytes = NULL;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static unsigned char
byte_at(size_t i, unsigned seed)
{
    return (unsigned char)((i * 31 + (i >> 8) * 7 + seed * 13) & 0xff);
}

vmx_message
make_message(size_t len, unsigned seed)
{
    uint8_t *data;
    vmx_block *block = vmx_block_new(len, &data);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(i, seed);
    /* Not in `one`: a message that points into itself cannot be returned. */
    vmx_slice *slices = vmx_calloc(1, sizeof *slices);
    slices[0] = (vmx_slice){data, len, block};
    return (vmx_message){.slices = slices, .count = 1, .size_bytes = len};
}

bool
is_message(const unsigned char *bytes, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_at(i, seed))
            return false;
    }
    return true;
}

static void *
do_nothing(void *arg)
{
    return arg;
}

size_t
count_threads(void)
{
    static bool started;
    pthread_t thread;
    if (!started && vmx_thread_start(&thread, "first", do_nothing, NULL))
        pthread_join(thread, NULL);
    started = true;
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}
