/* Messages and connections of the gRPC transport; `_i` is the number of io threads where it matters. */
#include <grpc/slice_buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/grpc/internal.h"
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

static atomic_size_t dropped;

static void
count_drop(void *user)
{
    (void)user;
    atomic_fetch_add(&dropped, 1);
}

/* Room for `count` slices, filled without the core's functions. */
static void
fill_reserved(grpc_slice_buffer *buffer, size_t count)
{
    static uint8_t byte = 7;
    vmx_grpc_reserve_slices(buffer, count);
    ck_assert_uint_ge(buffer->capacity, count);
    for (size_t i = 0; i < count; i++)
        buffer->slices[buffer->count++] = grpc_slice_new_with_user_data(&byte, 1, count_drop, NULL);
    buffer->length = count;
}

/* What vmx_grpc_reserve_slices relies on: the core's functions take such a buffer for one of theirs, and make buffers like
 * it. */
START_TEST(a_reserved_buffer_is_like_the_cores)
{
    grpc_slice_buffer ours, theirs;
    size_t count = (size_t)_i, all = 2 * count + 1;
    atomic_store(&dropped, 0);
    grpc_slice_buffer_init(&ours);
    grpc_slice_buffer_init(&theirs);
    ck_assert(theirs.base_slices == theirs.inlined && theirs.slices == theirs.inlined);
    ck_assert_uint_eq(theirs.capacity, GRPC_SLICE_BUFFER_INLINE_ELEMENTS);
    fill_reserved(&ours, count);
    grpc_slice_buffer_swap(&ours, &theirs);
    ck_assert_uint_eq(theirs.count, count);
    fill_reserved(&ours, count);
    grpc_slice_buffer_add_indexed(&ours, grpc_slice_from_static_string("x")); /* grows it */
    ck_assert_uint_gt(ours.capacity, count);
    ck_assert(ours.slices == ours.base_slices && (ours.count <= 8 || ours.base_slices != ours.inlined));
    grpc_slice_buffer_move_into(&ours, &theirs);
    ck_assert_uint_eq(theirs.count, all);
    ck_assert_uint_eq(theirs.length, all);
    grpc_slice first = grpc_slice_buffer_take_first(&theirs);
    ck_assert_uint_eq(*GRPC_SLICE_START_PTR(first), 7);
    grpc_slice_unref(first);
    ck_assert_uint_eq(atomic_load(&dropped), 1);
    grpc_slice_buffer_reset_and_unref(&theirs);
    ck_assert_uint_eq(atomic_load(&dropped), 2 * count);
    fill_reserved(&theirs, all); /* once more, in what it has */
    grpc_slice_buffer_destroy(&theirs);
    grpc_slice_buffer_destroy(&ours);
    ck_assert_uint_eq(atomic_load(&dropped), 2 * count + all);
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

START_TEST(a_status_that_is_none_is_unknown)
{
    static const char *const codes[] = {"17", "33", "2147483647"};
    harness_open(&h, (test_kind)_i);
    vmx_message message = make_message(10, 1);
    for (size_t i = 0; i < 3; i++) {
        test_record r = {0};
        record_start(&r, &h,
                     (vmx_stream_options){.method = "/test/Status",
                                          .request = &message,
                                          .headers = &(vmx_header){VMX_STR("code"), vmx_str_from(codes[i])},
                                          .header_count = 1,
                                          .deadline_us = VMX_NEVER});
        ck_assert(record_wait_end(&r, 5000));
        ck_assert_int_eq(r.code, VMX_GRPC_UNKNOWN);
        ck_assert_int_eq(r.reach, VMX_REACH_SERVER);
        record_close(&r);
    }
    vmx_message_clear(&message);
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
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 5000)); /* told by another thread, perhaps */
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
    options.keepalive_timeout_ms = (int64_t)(1500 * test_slowness());
    h.chan = harness_chan_open(&h, &options);
    h.vtable->channel_connect(h.chan->channel);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 5000));
    test_record records[CALLS] = {0};
    uint64_t start_us = harness_after(&h, 0), deadline_us = 300000 * test_slowness();
    for (int i = 0; i < CALLS; i++) {
        counted_block *block = calloc(1, sizeof *block + SIZE);
        atomic_init(&block->block.refs, 1);
        block->block.release = count_release;
        vmx_message message;
        vmx_message_init_one(&message, &block->block, block->bytes, SIZE);
        record_start(
            &records[i], &h,
            (vmx_stream_options){.method = "/test/Echo", .request = &message, .deadline_us = start_us + deadline_us});
        vmx_message_clear(&message);
    }
    for (int i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 5000 + deadline_us / 1000));
        ck_assert_int_eq(records[i].code, VMX_GRPC_DEADLINE_EXCEEDED);
        ck_assert_int_eq(records[i].reach, VMX_REACH_UNKNOWN);
        ck_assert_uint_lt(records[i].ended_us - start_us, deadline_us + 100000 * test_slowness());
        record_close(&records[i]);
    }
    ck_assert_uint_lt(atomic_load(&released), CALLS); /* else the peer was not stalled */
    size_t expected = CALLS;
    ck_assert(harness_wait(&h, is_released, &expected, 8000 * test_slowness()));
    raw_server_stop(server);
    harness_close(&h);
}
END_TEST

/* Likewise many calls with small requests, which go out in one batch each: the core keeps the ends of those that it has
 * begun to write. Every fourth is cancelled. */
START_TEST(stalled_peer_delays_no_small_call)
{
    enum { CALLS = 2000, SIZE = 3000 };
    harness_open_bare(&h, (test_kind)_i);
    raw_server *server = raw_server_start(RAW_STOP_READING);
    char target[64];
    vmx_channel_options options = harness_options(target, raw_server_port(server));
    options.keepalive_timeout_ms = (int64_t)(2000 * test_slowness());
    h.chan = harness_chan_open(&h, &options);
    h.vtable->channel_connect(h.chan->channel);
    ck_assert(harness_wait_state(h.chan, VMX_CHANNEL_READY, 5000));
    test_record *records = calloc(CALLS, sizeof *records);
    uint64_t start_us = harness_after(&h, 0), deadline_us = 500000 * test_slowness();
    for (unsigned i = 0; i < CALLS; i++) {
        vmx_message message = make_message(SIZE, i);
        record_start(
            &records[i], &h,
            (vmx_stream_options){.method = "/test/Echo", .request = &message, .deadline_us = start_us + deadline_us});
        vmx_message_clear(&message);
    }
    for (unsigned i = 0; i < CALLS; i += 4)
        h.vtable->cancel(records[i].stream);
    for (unsigned i = 0; i < CALLS; i++) {
        ck_assert(record_wait_end(&records[i], 5000 + deadline_us / 1000));
        ck_assert(records[i].code == VMX_GRPC_DEADLINE_EXCEEDED ||
                  (i % 4 == 0 && records[i].code == VMX_GRPC_CANCELLED));
        ck_assert_uint_lt(records[i].ended_us - start_us, deadline_us + 1000000 * test_slowness());
        record_close(&records[i]);
    }
    free(records);
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

TCase *
grpc_cases(void)
{
    TCase *tcase = tcase_create("grpc");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, large_messages_go_both_ways, 0, FAKE);
    tcase_add_loop_test(tcase, many_slices_go_without_copies_and_come_back, 0, FAKE);
    tcase_add_loop_test(tcase, a_reserved_buffer_is_like_the_cores, 1, 40);
    tcase_add_test(tcase, receive_limit_ends_the_call);
    tcase_add_loop_test(tcase, a_status_that_is_none_is_unknown, 0, FAKE);
    tcase_add_loop_test(tcase, illegal_header_ends_the_call, 0, FAKE);
    tcase_add_loop_test(tcase, wait_for_ready_survives_until_a_server_appears, 0, FAKE);
    tcase_add_test(tcase, channel_comes_back_after_its_server_did);
    tcase_add_loop_test(tcase, each_channel_has_a_socket_of_its_own, 0, FAKE);
    tcase_add_loop_test(tcase, stalled_peer_delays_neither_deadline_nor_memory, 0, FAKE);
    tcase_add_loop_test(tcase, stalled_peer_delays_no_small_call, 0, FAKE);
    tcase_add_loop_test(tcase, shutdown_waits_for_a_stalled_peer, 0, FAKE);
    return tcase;
}
