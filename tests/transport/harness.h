/*
 * tests/transport/harness.h: one transport, a server for it and one channel, whatever the implementation; and records of
 * what its streams were told.
 */
#ifndef TESTS_TRANSPORT_HARNESS_H
#define TESTS_TRANSPORT_HARNESS_H

#include <check.h>
#include <stdatomic.h>

#include "transport/echo_server.h"
#include "transport/transport.h"

/* The implementations that the contract is tested with; the first three are gRPC with so many io threads. */
typedef enum test_kind { GRPC_DRIVEN = 0, GRPC_1 = 1, GRPC_2 = 2, FAKE = 3, KINDS = 4 } test_kind;

typedef struct test_harness {
    test_kind kind;
    vmx_transport *transport;
    const vmx_transport_vtable *vtable;
    vmx_loop *loop;
    echo_server *server; /* NULL with the fake, whose server answers the same methods */
    struct fake_echo *fake;
    struct test_channel *chan;
} test_harness;

/* A channel and what on_state said of it. */
typedef struct test_channel {
    test_harness *harness;
    vmx_channel *channel;
    atomic_int state; /* the last */
    atomic_size_t changes;
    atomic_size_t ready; /* how often */
    atomic_size_t closed;
    atomic_bool after_closed; /* something came after CLOSED */
} test_channel;

/* A stream and what it was told. */
typedef struct test_record {
    test_harness *harness;
    vmx_stream *stream;
    atomic_bool started; /* `stream` is set: the END may come before start returns */
    atomic_size_t sent;
    atomic_size_t messages;
    atomic_size_t ended;
    uint64_t ended_us; /* by the transport's clock */
    int code;
    vmx_reach reach;
    char text[512];
    char peer[VMX_ERROR_PEER_SIZE];
    char headers[2048]; /* "key=value;" of the initial metadata, "|", and of the trailers; bytes as they are */
    size_t headers_len;
    bool has_message;
    unsigned char *bytes; /* the last message */
    size_t len;
    size_t total; /* bytes of all messages */
    bool close_in_end;
} test_record;

/* Starts the implementation, an echo server and a channel that connects to it. */
void
harness_open(test_harness *harness, test_kind kind);
void
harness_close(test_harness *harness);

/* For gRPC, without server or channel. */
void
harness_open_bare(test_harness *harness, test_kind kind);

/* The options of a channel to 127.0.0.1:`port`, whose text is kept in `target`. */
vmx_channel_options
harness_options(char target[64], int port);

/* What harness_chan_open sets as on_state; `user` is the test_channel. */
void
harness_on_state(void *user, vmx_channel_state state);

/* Opens a channel; on_state and user are filled in. Fails the test on errors. */
test_channel *
harness_chan_open(test_harness *harness, const vmx_channel_options *options);

/* Closes the channel, waits for CLOSED and frees the chan. */
void
harness_chan_close(test_channel *chan);

/* Waits for a condition by the transport's clock; drives the transport where nobody else does. False: time is over. */
bool
harness_wait(test_harness *harness, bool (*done)(void *arg), void *arg, uint64_t timeout_ms);

bool
harness_wait_state(test_channel *chan, vmx_channel_state state, uint64_t timeout_ms);

/* Lets `ms` pass. */
void
harness_pass(test_harness *harness, uint64_t ms);

/* Times from now by the transport's clock. */
uint64_t
harness_after(test_harness *harness, uint64_t ms);

/* Starts a stream whose events are recorded; `options` needs no channel, on_event or user (a channel stays if set). */
void
record_start(test_record *record, test_harness *harness, vmx_stream_options options);

/* A unary call of `method`, with `len` bytes that differ by `seed`, and a deadline. */
void
record_start_unary(test_record *record, test_harness *harness, const char *method, size_t len, unsigned seed,
                   uint64_t timeout_ms);

/* Waits until it has ended, been told so many SENT or MESSAGE. */
bool
record_wait_end(test_record *record, uint64_t timeout_ms);
bool
record_wait_sent(test_record *record, size_t count, uint64_t timeout_ms);
bool
record_wait_messages(test_record *record, size_t count, uint64_t timeout_ms);

/* Closes the stream and drops what was recorded. */
void
record_close(test_record *record);

/* A message of `len` bytes that differ by `seed`, in one slice; and whether bytes are those. */
vmx_message
make_message(size_t len, unsigned seed);
bool
is_message(const unsigned char *bytes, size_t len, unsigned seed);

/* Threads of this process now. The thread sanitizer adds one of its own with the first thread that is started; so one is
 * started, and joined, the first time. */
size_t
count_threads(void);

/* How much slower the build under test is than a plain one (VMX_TEST_SLOW). */
uint64_t
test_slowness(void);

#endif
