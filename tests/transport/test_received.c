/* What is done with received messages: their limit, and those that a peer compresses; `_i` is the number of io threads. */
#include <isa-l/igzip_lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vecmux/mock.h>

#include "transport/harness.h"
#include "transport/suites.h"

enum { LIMIT = 100000 };

static test_harness h;
static vmx_mock *mock;

static void
open_with_limit(int i)
{
    harness_open_bare(&h, (test_kind)i);
    ck_assert_int_eq(vmx_mock_start(NULL, &mock, NULL), VMX_OK);
    char target[64];
    vmx_channel_options options = harness_options(target, vmx_mock_port(mock));
    options.receive_limit_bytes = LIMIT;
    h.chan = harness_chan_open(&h, &options);
}

static void
close_all(void)
{
    harness_close(&h);
    vmx_mock_stop(mock);
}

/* The reply of a call that is answered with `bytes`; `encoding` NULL: not compressed. */
static void
call(test_record *r, vmx_str bytes, const char *encoding, bool streaming)
{
    vmx_header header = {VMX_STR("grpc-encoding"), vmx_str_from(encoding)};
    vmx_mock_answer answer;
    vmx_mock_answer_init(&answer, sizeof answer);
    answer.message = bytes;
    answer.compressed = encoding != NULL;
    answer.headers = &header;
    answer.header_count = encoding != NULL;
    ck_assert_int_eq(vmx_mock_default(mock, VMX_STR(""), &answer, NULL), VMX_OK);
    vmx_message message = make_message(10, 1);
    memset(r, 0, sizeof *r);
    record_start(r, &h,
                 (vmx_stream_options){.method = "/test/Any",
                                      .request = &message,
                                      .streaming = streaming,
                                      .wait_for_ready = true,
                                      .deadline_us = harness_after(&h, 10000)});
    if (streaming) {
        h.vtable->send(r->stream, &message, true);
        h.vtable->recv(r->stream);
    }
    vmx_message_clear(&message);
}

static void
check_fault(test_record *r, bool streaming, int code, const char *text)
{
    ck_assert(record_wait_end(r, 10000));
    ck_assert_int_eq(r->code, code);
    ck_assert_str_eq(r->text, text);
    ck_assert_int_eq(r->reach, VMX_REACH_UNKNOWN);
    ck_assert(!r->has_message);
    ck_assert(streaming || strncmp(r->peer, "127.0.0.1:", 10) == 0); /* of a stream the core does not know it */
    record_close(r);
}

START_TEST(the_limit_holds_to_the_byte)
{
    open_with_limit(_i);
    char *bytes = calloc(1, LIMIT + 1);
    test_record r;
    for (int streaming = 0; streaming < 2; streaming++) {
        call(&r, (vmx_str){bytes, LIMIT}, NULL, streaming);
        ck_assert(streaming ? record_wait_messages(&r, 1, 10000) : record_wait_end(&r, 10000));
        ck_assert_uint_eq(r.len, LIMIT);
        record_close(&r);
        call(&r, (vmx_str){bytes, LIMIT + 1}, NULL, streaming);
        check_fault(&r, streaming, VMX_GRPC_RESOURCE_EXHAUSTED, "Received message larger than max (100001 vs. 100000)");
    }
    free(bytes);
    close_all();
}
END_TEST

/* Compresses `len` bytes that differ by `seed`; the result is freed by the caller. */
static vmx_str
pack(size_t len, unsigned seed, bool gzip)
{
    vmx_message plain = make_message(len, seed);
    char *packed = malloc(len + 1000);
    struct isal_zstream stream = {0};
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = gzip ? IGZIP_GZIP : IGZIP_ZLIB;
    stream.end_of_stream = 1;
    stream.next_in = (uint8_t *)(uintptr_t)plain.slices[0].data;
    stream.avail_in = (uint32_t)len;
    stream.next_out = (uint8_t *)packed;
    stream.avail_out = (uint32_t)len + 1000;
    ck_assert_int_eq(isal_deflate_stateless(&stream), COMP_OK);
    vmx_message_clear(&plain);
    return (vmx_str){packed, stream.total_out};
}

START_TEST(compressed_messages_are_unpacked)
{
    static const size_t sizes[] = {0, 1, 1000, 65536, LIMIT};
    open_with_limit(_i);
    test_record r;
    for (size_t i = 0; i < 4 * sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i / 4];
        bool gzip = i % 2 == 0, streaming = i % 4 < 2;
        vmx_str packed = pack(size, (unsigned)i, gzip);
        call(&r, packed, gzip ? "gzip" : "deflate", streaming);
        ck_assert(streaming ? record_wait_messages(&r, 1, 10000) : record_wait_end(&r, 10000));
        ck_assert(r.has_message && r.len == size && is_message(r.bytes, size, (unsigned)i));
        record_close(&r);
        free((char *)(uintptr_t)packed.ptr);
    }
    close_all();
}
END_TEST

START_TEST(the_limit_holds_for_what_is_unpacked)
{
    open_with_limit(_i);
    test_record r;
    for (int streaming = 0; streaming < 2; streaming++) {
        char *zeros = calloc(1, 1 << 20), text[64];
        uint8_t packed[8192];
        struct isal_zstream stream = {0};
        isal_deflate_stateless_init(&stream);
        stream.gzip_flag = IGZIP_GZIP;
        stream.end_of_stream = 1;
        stream.next_in = (uint8_t *)zeros;
        stream.avail_in = 1 << 20;
        stream.next_out = packed;
        stream.avail_out = sizeof packed;
        ck_assert_int_eq(isal_deflate_stateless(&stream), COMP_OK);
        snprintf(text, sizeof text, "Received message larger than max (%u compressed vs. %d)", stream.total_out, LIMIT);
        call(&r, (vmx_str){(char *)packed, stream.total_out}, "gzip", streaming);
        check_fault(&r, streaming, VMX_GRPC_RESOURCE_EXHAUSTED, text);
        free(zeros);
    }
    close_all();
}
END_TEST

/* Cut at its end, with a byte too many, with a wrong byte, and what is no such format at all. */
START_TEST(damaged_messages_end_the_call)
{
    open_with_limit(_i);
    vmx_str good = pack(1000, 7, true);
    char *bytes = malloc(good.len + 1), text[64];
    size_t lens[] = {good.len - 1, good.len + 1, good.len, good.len, 1};
    for (size_t i = 0; i < 10; i++) {
        memcpy(bytes, good.ptr, good.len);
        bytes[good.len] = 0;
        if (i / 2 == 2)
            bytes[good.len - 6] ^= 1; /* in the check sum */
        if (i / 2 == 3)
            bytes[0] ^= 1;
        test_record r;
        call(&r, (vmx_str){bytes, lens[i / 2]}, "gzip", i % 2);
        snprintf(text, sizeof text, "the compressed message of %zu bytes is damaged", lens[i / 2]);
        check_fault(&r, i % 2, VMX_GRPC_INTERNAL, text);
    }
    free(bytes);
    free((char *)(uintptr_t)good.ptr);
    close_all();
}
END_TEST

/* The peer of a stream that has been read fast, so that the core believes in a fast reader, and is then left alone. */
START_TEST(what_nobody_asked_for_stays_with_the_peer)
{
    enum { COUNT = 2000, READ = 1000, SIZE = 65536, AHEAD = 2 * SIZE };
    const vmx_header headers[] = {{VMX_STR("count"), VMX_STR("2000")}, {VMX_STR("size"), VMX_STR("65536")}};
    harness_open_bare(&h, (test_kind)_i);
    echo_server *server = echo_server_start(0, NULL, NULL);
    char target[64];
    vmx_channel_options options = harness_options(target, echo_server_port(server));
    options.receive_ahead_bytes = AHEAD;
    h.chan = harness_chan_open(&h, &options);
    test_record r = {0};
    record_start(&r, &h,
                 (vmx_stream_options){.method = "/test/Source",
                                      .streaming = true,
                                      .wait_for_ready = true,
                                      .headers = headers,
                                      .header_count = 2,
                                      .deadline_us = harness_after(&h, 50000)});
    h.vtable->send(r.stream, &(vmx_message){0}, true);
    for (size_t i = 0; i < READ; i++) {
        h.vtable->recv(r.stream);
        ck_assert(record_wait_messages(&r, i + 1, 10000));
    }
    harness_pass(&h, 300);
    ck_assert_uint_le(echo_server_messages_sent(server), READ + AHEAD / SIZE);
    record_close(&r);
    harness_close(&h);
    echo_server_stop(server);
}
END_TEST

TCase *
received_cases(void)
{
    TCase *tcase = tcase_create("received");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_limit_holds_to_the_byte, 0, FAKE);
    tcase_add_loop_test(tcase, compressed_messages_are_unpacked, 0, FAKE);
    tcase_add_loop_test(tcase, the_limit_holds_for_what_is_unpacked, 0, FAKE);
    tcase_add_loop_test(tcase, damaged_messages_end_the_call, 0, FAKE);
    tcase_add_loop_test(tcase, what_nobody_asked_for_stays_with_the_peer, 0, FAKE);
    return tcase;
}
