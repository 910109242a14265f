/* What only a transport with sockets and threads must do; `_i` is the number of io threads where it matters. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sync.h"
#include "transport/grpc/grpc_transport.h"
#include "transport/harness.h"
#include "transport/raw_server.h"
#include "transport/suites.h"

static test_harness h;

/* --- messages ----------------------------------------------------------------------------------------------------- */

START_TEST(large_messages_go_both_ways)
{
    harness_open(&h, (test_kind)_i);
    test_record records[4] = {0};
    for (unsigned i = 0; i < 4; i++)
        record_start_unary(&records[i], &h, "/test/Echo", 2000000, i, 20000);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(record_wait_end(&records[i], 20000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_OK);
        ck_assert(records[i].len == 2000000 && is_message(records[i].bytes, 2000000, i));
        record_close(&records[i]);
    }
    harness_close(&h);
}
END_TEST

/* A block that counts its release. */
typedef struct counted_block {
    vmx_block block;
    unsigned char bytes[1000];
} counted_block;

static atomic_size_t released;

static void
count_release(vmx_block *block)
{
    atomic_fetch_add(&released, 1);
    free(block);
}

static bool
is_released(void *arg)
{
    return atomic_load(&released) == *(size_t *)arg;
}

START_TEST(many_slices_go_without_copies_and_come_back)
{
    enum { SLICES = 10 };
    harness_open(&h, (test_kind)_i);
    vmx_slice slices[SLICES + 2];
    const char *text = "static";
    slices[0] = (vmx_slice){(const uint8_t *)text, 6, NULL};
    slices[1] = (vmx_slice){NULL, 0, NULL};
    for (size_t i = 0; i < SLICES; i++) {
        counted_block *block = calloc(1, sizeof *block);
        atomic_init(&block->block.refs, 1);
        block->block.release = count_release;
        memset(block->bytes, 'a' + (int)i, sizeof block->bytes);
        slices[i + 2] = (vmx_slice){block->bytes, 1 + i * 100, &block->block};
    }
    vmx_message message = {.slices = slices, .count = SLICES + 2, .size_bytes = 6 + 10 + 4500};
    test_record r = {0};
    record_start(&r, &h, (vmx_stream_options){.method = "/test/Echo", .request = &message, .deadline_us = VMX_NEVER});
    for (size_t i = 2; i < SLICES + 2; i++)
        vmx_block_release(slices[i].block);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    ck_assert_uint_eq(r.len, message.size_bytes);
    ck_assert_mem_eq(r.bytes, "staticabbb", 10);
    ck_assert_int_eq(r.bytes[r.len - 1], 'j');
    record_close(&r);
    size_t expected = SLICES;
    ck_assert(harness_wait(&h, is_released, &expected, 5000));
    harness_close(&h);
}
END_TEST

START_TEST(receive_limit_ends_the_call)
{
    harness_open(&h, GRPC_1);
    char target[64];
    vmx_channel_options options = harness_options(target, echo_server_port(h.server));
    options.receive_limit_bytes = 1000;
    test_channel *small = harness_chan_open(&h, &options);
    vmx_message message = make_message(1001, 1);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.channel = small->channel,
                                      .method = "/test/Echo",
                                      .request = &message,
                                      .wait_for_ready = true,
                                      .deadline_us = harness_after(&h, 5000)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 5000));
    ck_assert_int_eq(r.code, VMX_GRPC_RESOURCE_EXHAUSTED);
    ck_assert_str_eq(r.text, "Received message larger than max (1001 vs. 1000)");
    ck_assert_int_eq(r.reach, VMX_REACH_UNKNOWN);
    record_close(&r);
    harness_chan_close(small);
    harness_close(&h);
}
END_TEST

START_TEST(illegal_header_ends_the_call)
{
    harness_open(&h, (test_kind)_i);
    vmx_message message = make_message(10, 1);
    for (int streaming = 0; streaming < 2; streaming++) {
        test_record r = {0};
        record_start(&r, &h,
                     (vmx_stream_options){.method = "/test/Echo",
                                          .request = &message,
                                          .streaming = streaming != 0,
                                          .headers = &(vmx_header){VMX_STR("Not Legal"), VMX_STR("1")},
                                          .header_count = 1,
                                          .deadline_us = VMX_NEVER});
        ck_assert(record_wait_end(&r, 5000));
        ck_assert_int_eq(r.code, VMX_GRPC_INTERNAL);
        ck_assert_int_eq(r.reach, VMX_REACH_NONE);
        ck_assert_str_eq(r.text, "a header's name or value has bytes that are not allowed");
        record_close(&r);
    }
    vmx_message_clear(&message);
    harness_close(&h);
}
END_TEST

/* --- connections -------------------------------------------------------------------------------------------------- */

START_TEST(wait_for_ready_survives_until_a_server_appears)
{
    harness_open_bare(&h, (test_kind)_i);
    int port = raw_refused_port();
    char target[64];
    vmx_channel_options options = harness_options(target, port);
    h.chan = harness_chan_open(&h, &options);
    vmx_message message = make_message(10, 1);
    test_record waits = {0}, fails = {0};
    vmx_stream_options stream = {
        .method = "/test/Echo", .request = &message, .wait_for_ready = true, .deadline_us = harness_after(&h, 15000)};
    record_start(&waits, &h, stream);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_FAILING, 5000));
    stream.wait_for_ready = false;
    uint64_t before_us = harness_after(&h, 0);
    record_start(&fails, &h, stream);
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&fails, 5000));
    ck_assert_uint_lt(fails.ended_us - before_us, 1000000);
    ck_assert_int_eq(fails.code, VMX_GRPC_UNAVAILABLE);
    ck_assert_int_eq(strncmp(fails.text, "failed to connect to all addresses; last error: ", 48), 0);
    ck_assert_uint_eq(atomic_load(&waits.ended), 0);
    h.server = echo_server_start(port, NULL, NULL);
    ck_assert(record_wait_end(&waits, 10000));
    ck_assert_int_eq(waits.code, VMX_GRPC_OK);
    ck_assert_int_eq(atomic_load(&h.chan->state), VMX_CHANNEL_READY);
    record_close(&waits);
    record_close(&fails);
    harness_close(&h);
}
END_TEST

START_TEST(channel_comes_back_after_its_server_did)
{
    harness_open(&h, GRPC_1);
    int port = echo_server_port(h.server);
    echo_server_stop(h.server);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_IDLE, 5000));
    h.server = echo_server_start(port, NULL, NULL);
    h.vtable->channel_connect(h.chan->channel);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 10000));
    test_record r = {0};
    vmx_message message = make_message(10, 1);
    record_start(&r, &h,
                 (vmx_stream_options){.method = "/test/Echo",
                                      .request = &message,
                                      .wait_for_ready = true,
                                      .deadline_us = harness_after(&h, 10000)});
    vmx_message_clear(&message);
    ck_assert(record_wait_end(&r, 10000));
    ck_assert_int_eq(r.code, VMX_GRPC_OK);
    record_close(&r);
    harness_close(&h);
}
END_TEST

START_TEST(each_channel_has_a_socket_of_its_own)
{
    enum { CHANNELS = 4 };
    harness_open_bare(&h, (test_kind)_i);
    raw_server *server = raw_server_start(RAW_SETTINGS_ONLY);
    char target[64];
    vmx_channel_options options = harness_options(target, raw_server_port(server));
    test_channel *channels[CHANNELS];
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = harness_chan_open(&h, &options);
        h.vtable->channel_connect(channels[i]->channel);
    }
    for (int i = 0; i < CHANNELS; i++)
        ck_assert(harness_wait_state(channels[i], VMX_CHANNEL_READY, 5000));
    harness_pass(&h, 100);
    ck_assert_uint_eq(raw_server_accepted(server), CHANNELS);
    for (int i = 0; i < CHANNELS; i++)
        harness_chan_close(channels[i]);
    raw_server_stop(server);
    harness_close(&h);
}
END_TEST

/* A peer that stops reading: deadlines hold all the same, and its bytes come back when the connection is given up. */
START_TEST(stalled_peer_delays_neither_deadline_nor_memory)
{
    enum { CALLS = 8, SIZE = 2000000 };
    harness_open_bare(&h, (test_kind)_i);
    raw_server *server = raw_server_start(RAW_STOP_READING);
    char target[64];
    vmx_channel_options options = harness_options(target, raw_server_port(server));
    options.keepalive_timeout_ms = 1500;
    h.chan = harness_chan_open(&h, &options);
    h.vtable->channel_connect(h.chan->channel);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 5000));
    test_record records[CALLS] = {0};
    uint64_t start_us = harness_after(&h, 0);
    for (int i = 0; i < CALLS; i++) {
        counted_block *block = calloc(1, sizeof *block + SIZE);
        atomic_init(&block->block.refs, 1);
        block->block.release = count_release;
        vmx_message message;
        vmx_message_init_one(&message, &block->block, block->bytes, SIZE);
        record_start(
            &records[i], &h,
            (vmx_stream_options){.method = "/test/Echo", .request = &message, .deadline_us = start_us + 300000});
        vmx_message_clear(&message);
    }
    for (int i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 5000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_DEADLINE_EXCEEDED);
        ck_assert_int_eq(records[i].reach, VMX_REACH_UNKNOWN);
        ck_assert_uint_lt(records[i].ended_us - start_us, 400000);
        record_close(&records[i]);
    }
    ck_assert_uint_lt(atomic_load(&released), CALLS); /* else the peer was not stalled */
    size_t expected = CALLS;
    ck_assert(harness_wait(&h, is_released, &expected, 8000));
    raw_server_stop(server);
    harness_close(&h);
}
END_TEST

/* The same, but shut down at once: shutdown returns when the core has let go of everything. */
START_TEST(shutdown_waits_for_a_stalled_peer)
{
    harness_open_bare(&h, (test_kind)_i);
    raw_server *server = raw_server_start(RAW_STOP_READING);
    char target[64];
    vmx_channel_options options = harness_options(target, raw_server_port(server));
    options.keepalive_time_ms = 0; /* off, which must not mean for ever */
    options.keepalive_timeout_ms = 1000;
    h.chan = harness_chan_open(&h, &options);
    h.vtable->channel_connect(h.chan->channel);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 5000));
    enum { SIZE = 8000000 };
    counted_block *block = calloc(1, sizeof *block + SIZE);
    atomic_init(&block->block.refs, 1);
    block->block.release = count_release;
    vmx_message message;
    vmx_message_init_one(&message, &block->block, block->bytes, SIZE);
    test_record r = {0};
    record_start(&r, &h, (vmx_stream_options){.method = "/test/Echo", .request = &message, .deadline_us = VMX_NEVER});
    vmx_message_clear(&message);
    harness_pass(&h, 100);
    record_close(&r);
    ck_assert_uint_eq(atomic_load(&released), 0);
    harness_close(&h);
    ck_assert_uint_eq(atomic_load(&released), 1);
    raw_server_stop(server);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------ */

static atomic_size_t ran;

static void
count_run(vmx_task *task)
{
    free(task);
    atomic_fetch_add(&ran, 1);
}

enum { POSTERS = 4, POSTS = 2000 };

static void *
post_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < POSTS; i++) {
        vmx_task *task = calloc(1, sizeof *task);
        task->run = count_run;
        h.vtable->post(h.loop, task);
    }
    return NULL;
}

static bool
all_ran(void *arg)
{
    (void)arg;
    return atomic_load(&ran) == POSTERS * POSTS;
}

START_TEST(tasks_come_from_many_threads)
{
    harness_open_bare(&h, (test_kind)_i);
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++)
        ck_assert(vmx_thread_start(&threads[i], "poster", post_many, NULL));
    ck_assert(harness_wait(&h, all_ran, NULL, 20000));
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    harness_close(&h);
}
END_TEST

static void *
wake_later(void *arg)
{
    (void)arg;
    usleep(100000);
    h.vtable->wake(h.loop);
    return NULL;
}

static void
fire(vmx_timer *timer)
{
    (void)timer;
    atomic_fetch_add(&ran, 1);
}

static vmx_timer other_timer = {.fire = fire};

static void *
set_timer_later(void *arg)
{
    (void)arg;
    usleep(100000);
    h.vtable->timer_set(h.loop, &other_timer, harness_after(&h, 50));
    return NULL;
}

START_TEST(driver_is_woken)
{
    harness_open_bare(&h, GRPC_DRIVEN);
    uint64_t before_us = harness_after(&h, 0);
    h.vtable->wake(h.loop); /* the next drive, too */
    h.vtable->wake(h.loop);
    ck_assert_uint_eq(h.vtable->drive(h.loop, harness_after(&h, 20000)), 0);
    ck_assert_uint_lt(harness_after(&h, 0) - before_us, 5000000);

    before_us = harness_after(&h, 0);
    ck_assert_uint_eq(h.vtable->drive(h.loop, harness_after(&h, 150)), 0);
    ck_assert_uint_ge(harness_after(&h, 0) - before_us, 150000);

    pthread_t thread;
    ck_assert(vmx_thread_start(&thread, "waker", wake_later, NULL));
    ck_assert_uint_eq(h.vtable->drive(h.loop, VMX_NEVER), 0);
    pthread_join(thread, NULL);

    ck_assert(vmx_thread_start(&thread, "setter", set_timer_later, NULL));
    ck_assert_uint_eq(h.vtable->drive(h.loop, VMX_NEVER), 1);
    ck_assert_uint_eq(atomic_load(&ran), 1);
    pthread_join(thread, NULL);
    harness_close(&h);
}
END_TEST

/* Calls started on all loops of a transport from many threads, on one channel. */
enum { CALLERS = 4, CALLS = 200 };

static void *
call_many(void *arg)
{
    size_t own = (size_t)(uintptr_t)arg;
    test_harness view = h;
    view.loop = h.transport->loops[own % h.transport->loop_count];
    test_record *records = calloc(CALLS, sizeof *records);
    for (unsigned i = 0; i < CALLS; i++)
        record_start_unary(&records[i], &view, "/test/Echo", i * 50, i, 30000);
    for (unsigned i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 30000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_OK);
        ck_assert(records[i].len == i * 50 && is_message(records[i].bytes, records[i].len, i));
        record_close(&records[i]);
    }
    free(records);
    return NULL;
}

START_TEST(calls_come_from_many_threads)
{
    harness_open(&h, (test_kind)_i);
    pthread_t threads[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert(vmx_thread_start(&threads[i], "caller", call_many, (void *)(uintptr_t)i));
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    harness_close(&h);
}
END_TEST

static size_t
count_named(const char *name)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL && fgets(text, sizeof text, file) != NULL)
            count += strncmp(text, name, strlen(name)) == 0;
        if (file != NULL)
            fclose(file);
    }
    closedir(dir);
    return count;
}

/* The last instructions of a thread that has been waited for may still be under way. */
static bool
threads_are(size_t count)
{
    for (int i = 0; i < 500; i++) {
        if (count_threads() == count)
            return true;
        usleep(10000);
    }
    return false;
}

START_TEST(shutdown_ends_every_thread)
{
    size_t before = count_threads();
    for (int i = 0; i < 20; i++) {
        harness_open(&h, (test_kind)(i % 3));
        ck_assert_uint_eq(count_named("vmx-io-"), (size_t)(i % 3));
        test_record r = {0};
        record_start_unary(&r, &h, "/test/Echo", 100, 1, 5000);
        ck_assert(record_wait_end(&r, 5000));
        record_close(&r);
        harness_close(&h);
        ck_assert(threads_are(before));
    }
}
END_TEST

START_TEST(shutdown_need_not_wait)
{
    size_t before = count_threads();
    harness_open(&h, (test_kind)_i);
    test_record r = {0};
    record_start_unary(&r, &h, "/test/Silent", 100, 1, 60000);
    harness_pass(&h, 50);
    record_close(&r);
    /* CLOSED comes in the background, or never. */
    h.vtable->channel_close(h.chan->channel);
    uint64_t start_us = vmx_monotonic_us();
    h.vtable->shutdown(h.transport, false);
    ck_assert_uint_lt(vmx_monotonic_us() - start_us, 500000);
    for (int i = 0; i < 500 && atomic_load(&h.chan->closed) == 0; i++)
        usleep(10000);
    ck_assert_uint_eq(atomic_load(&h.chan->closed), 1);
    echo_server_stop(h.server);
    ck_assert(threads_are(before));
    free(h.chan);
}
END_TEST

static atomic_bool has_shut_down;

static void
shut_down_from_loop(vmx_task *task)
{
    (void)task;
    h.vtable->shutdown(h.transport, true);
    atomic_store(&has_shut_down, true);
}

START_TEST(shutdown_comes_from_the_loop_itself)
{
    size_t before = count_threads();
    harness_open_bare(&h, (test_kind)_i);
    vmx_task task = {.run = shut_down_from_loop};
    h.vtable->post(h.loop, &task);
    if (_i == GRPC_DRIVEN)
        h.vtable->drive(h.loop, VMX_NEVER);
    ck_assert(threads_are(before));
    ck_assert(atomic_load(&has_shut_down));
}
END_TEST

/* --- signals ------------------------------------------------------------------------------------------------------ */

static pthread_t main_thread;
static atomic_size_t handled_here, handled_elsewhere;

static void
on_signal(int number)
{
    (void)number;
    atomic_fetch_add(pthread_equal(pthread_self(), main_thread) ? &handled_here : &handled_elsewhere, 1);
}

static void
block_signal(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

START_TEST(no_signal_handler_runs_on_our_threads)
{
    main_thread = pthread_self();
    signal(SIGUSR1, on_signal);
    harness_open(&h, (test_kind)_i);
    harness_pass(&h, 200);
    block_signal(SIG_BLOCK); /* so that only another thread could take it */
    for (int i = 0; i < 20; i++) {
        kill(getpid(), SIGUSR1);
        test_record r = {0};
        record_start_unary(&r, &h, "/test/Echo", 100, 1, 5000);
        ck_assert(record_wait_end(&r, 5000));
        record_close(&r);
    }
    harness_close(&h);
    ck_assert_uint_eq(atomic_load(&handled_elsewhere), 0);
    block_signal(SIG_UNBLOCK);
    ck_assert_uint_ge(atomic_load(&handled_here), 1);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------------------------- */

static atomic_long allocations_left;

static void *
failing_malloc(size_t size, void *user)
{
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) <= 0 ? NULL : malloc(size);
}

static void *
failing_realloc(void *ptr, size_t size, void *user)
{
    (void)user;
    return atomic_fetch_sub(&allocations_left, 1) <= 0 ? NULL : realloc(ptr, size);
}

static void
failing_free(void *ptr, void *user)
{
    (void)user;
    free(ptr);
}

enum { NO_END = -2 };

static void
note_end(void *user, const vmx_stream_event *event)
{
    *(int *)user = event->reply->grpc_code;
}

static bool
is_set(void *arg)
{
    return *(int *)arg != NO_END;
}

/* One transport, channel and call with only `count` allocations; true when they were enough. */
static bool
call_with(long count, int port, const vmx_message *message)
{
    atomic_store(&allocations_left, count);
    vmx_transport *transport;
    vmx_error error;
    if (vmx_grpc_transport_new(0, &transport, &error) != VMX_OK) {
        ck_assert_int_eq(error.code, VMX_ERR_NO_MEMORY);
        return false;
    }
    test_harness own = {.transport = transport, .vtable = transport->vtable, .loop = transport->loops[0]};
    char target[64];
    vmx_channel_options options = harness_options(target, port);
    test_channel state = {.harness = &own};
    options.on_state = harness_on_state;
    options.user = &state;
    int code = NO_END;
    vmx_status status = own.vtable->channel_open(transport, &options, &state.channel, &error);
    if (status == VMX_OK) {
        vmx_stream_options stream = {.channel = state.channel,
                                     .method = "/test/Echo",
                                     .request = message,
                                     .wait_for_ready = true,
                                     .deadline_us = VMX_NEVER,
                                     .on_event = note_end,
                                     .user = &code};
        vmx_stream *call = own.vtable->start(own.loop, &stream);
        if (call != NULL) {
            ck_assert_msg(harness_wait(&own, is_set, &code, 10000), "%ld allocations: no end in state %d", count,
                          atomic_load(&state.state));
            ck_assert(code == VMX_GRPC_OK || code == -1);
            own.vtable->close(call);
        }
        own.vtable->channel_close(state.channel);
    } else {
        ck_assert_int_eq(error.code, VMX_ERR_NO_MEMORY);
    }
    own.vtable->shutdown(transport, true);
    return code == VMX_GRPC_OK;
}

START_TEST(any_allocation_may_fail)
{
    enum { SLICES = 6, MAX = 100 };
    echo_server *server = echo_server_start(0, NULL, NULL);
    vmx_message message = make_message(300000, 1);
    vmx_slice *parts = calloc(SLICES, sizeof *parts);
    for (size_t i = 0; i < SLICES; i++)
        parts[i] = (vmx_slice){message.slices[0].data + i * 50000, 50000, message.slices[0].block};
    vmx_message in_parts = {.slices = parts, .count = SLICES, .size_bytes = SLICES * 50000};
    vmx_set_allocator(&(vmx_allocator){failing_malloc, failing_realloc, failing_free, NULL});
    long count = 0;
    while (count < MAX && !call_with(count, echo_server_port(server), &in_parts))
        count++;
    vmx_set_allocator(NULL);
    ck_assert_int_gt(count, 5);
    ck_assert_int_lt(count, MAX);
    free(parts);
    vmx_message_clear(&message);
    echo_server_stop(server);
}
END_TEST

TCase *
grpc_cases(void)
{
    TCase *tcase = tcase_create("grpc");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, large_messages_go_both_ways, 0, FAKE);
    tcase_add_loop_test(tcase, many_slices_go_without_copies_and_come_back, 0, FAKE);
    tcase_add_test(tcase, receive_limit_ends_the_call);
    tcase_add_loop_test(tcase, illegal_header_ends_the_call, 0, FAKE);
    tcase_add_loop_test(tcase, wait_for_ready_survives_until_a_server_appears, 0, FAKE);
    tcase_add_test(tcase, channel_comes_back_after_its_server_did);
    tcase_add_loop_test(tcase, each_channel_has_a_socket_of_its_own, 0, FAKE);
    tcase_add_loop_test(tcase, stalled_peer_delays_neither_deadline_nor_memory, 0, FAKE);
    tcase_add_loop_test(tcase, shutdown_waits_for_a_stalled_peer, 0, FAKE);
    tcase_add_loop_test(tcase, tasks_come_from_many_threads, 0, FAKE);
    tcase_add_test(tcase, driver_is_woken);
    tcase_add_loop_test(tcase, calls_come_from_many_threads, 1, FAKE);
    tcase_add_test(tcase, shutdown_ends_every_thread);
    tcase_add_loop_test(tcase, shutdown_need_not_wait, 0, FAKE);
    tcase_add_loop_test(tcase, shutdown_comes_from_the_loop_itself, 0, FAKE);
    tcase_add_loop_test(tcase, no_signal_handler_runs_on_our_threads, 0, FAKE);
    return tcase;
}

TCase *
memory_cases(void)
{
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, any_allocation_may_fail);
    return tcase;
}
