/*
 * transport/transport.h: what rpc/ asks of a transport. Two implementations: grpc/ (gRPC C core) and fake/ (no sockets,
 * a virtual clock).
 *
 * Objects
 *  - A transport owns its loops and the process's use of the library behind it.
 *  - A loop is where events come from: completions of streams, timers, posted tasks. With io.threads = 0 there is one
 *    loop and nobody runs it but vmx_transport_drive; else each loop has a thread.
 *  - A channel is one connection (one TCP socket) to one target. Any loop may start streams on any channel.
 *  - A stream is one attempt of one RPC, unary or streaming, with a home loop.
 *
 * Threads
 *  - Every function may be called from any thread, but calls on one stream must not overlap (its op's strand serves).
 *  - Events of one stream never overlap and come on its loop's thread (or the driving one). No function of the vtable
 *    calls back before it returns, so a caller may hold its own state half-changed.
 *  - Blocks of sent slices are released on whatever thread the transport drops them, perhaps long after the end.
 *
 * Times are microseconds of the transport's clock (`now`); VMX_NEVER is no limit.
 */
#ifndef VMX_TRANSPORT_H
#define VMX_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vecmux/client.h>
#include <vecmux/types.h>

#include "core/reply.h"
#include "core/slice.h"
#include "core/strand.h"
#include "core/sync.h"

typedef struct vmx_transport vmx_transport;
typedef struct vmx_loop vmx_loop;
typedef struct vmx_channel vmx_channel;
typedef struct vmx_stream vmx_stream;

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Copied by channel_open. Texts are NUL-terminated; NULL means none. */
typedef struct vmx_channel_options {
    const char *target; /* "host:port", "ipv4:...", "dns:///name:port", "unix:path" */
    bool tls;
    vmx_str ca_pem;          /* roots; empty: the system's */
    const char *server_name; /* expected in the certificate and sent as authority; NULL: the target's host */
    const char *user_agent;  /* prefix of the user-agent header */
    const char *proxy;       /* "host:port" of an HTTP CONNECT proxy; NULL: none */
    int64_t receive_limit_bytes;
    /* What a stream may hold of bytes that nobody has asked for (vmx_transport_vtable.recv), and messages together beyond
     * their own bytes; 0: as the library likes. */
    int64_t receive_ahead_bytes;
    int64_t keepalive_time_ms; /* 0: off */
    int64_t keepalive_timeout_ms;
    int64_t reconnect_initial_ms;
    int64_t reconnect_max_ms;
    /* Called when the state changes, on a loop's thread, never overlapping itself. VMX_CHANNEL_CLOSED comes exactly
     * once, after channel_close, and is the last call. */
    void (*on_state)(void *user, vmx_channel_state state);
    void *user;
} vmx_channel_options;

/* --- streams ------------------------------------------------------------------------------------------------------ */

typedef enum vmx_stream_event_kind {
    VMX_STREAM_SENT = 0,    /* the last vmx_stream_send was taken over; the next may follow. Of a unary call: see
                               tells_sent */
    VMX_STREAM_MESSAGE = 1, /* answers vmx_stream_recv; `message` may be moved out (else it is dropped) */
    VMX_STREAM_END = 2      /* exactly one, the last event; `reply` is set. Of a unary call: `message` too, if any */
} vmx_stream_event_kind;

typedef struct vmx_stream_event {
    vmx_stream_event_kind kind;
    vmx_message *message; /* END of a stream without a message: NULL */
    const vmx_reply *reply;
} vmx_stream_event;

/* Larger unary requests are told of when they are sent. */
#define VMX_SENT_TOLD_BYTES 16384

typedef struct vmx_stream_options {
    vmx_channel *channel;
    const char *method; /* "/VectorService/Upsert"; static (it may be registered with the channel) */
    uint64_t deadline_us;
    bool wait_for_ready;       /* the library waits for a connection; else it fails at once while connecting fails */
    bool streaming;            /* false: unary, `request` is sent and one reply read without further calls */
    bool tells_sent;           /* unary: SENT when a request above VMX_SENT_TOLD_BYTES has left for the connection */
    const vmx_header *headers; /* borrowed during start */
    size_t header_count;
    const vmx_message *request; /* unary: sent whole; the transport acquires the blocks. Borrowed during start */
    void (*on_event)(void *user, const vmx_stream_event *event);
    void *user;
} vmx_stream_options;

/* --- timers ------------------------------------------------------------------------------------------------------- */

/* Part of a larger struct. Zeroed before its first use; its memory must live until it has fired or cancel said so. */
typedef struct vmx_timer {
    void (*fire)(struct vmx_timer *timer); /* on the loop's thread; may set the timer again, or free it */
    /* the loop's */
    uint64_t due_us;
    uint64_t order; /* among timers due at the same time */
    struct vmx_timer *child, *next, *prev;
    bool armed;
} vmx_timer;

/* --- the vtable --------------------------------------------------------------------------------------------------- */

typedef struct vmx_transport_vtable {
    uint64_t (*now)(vmx_transport *transport);

    /* (Re)arms a timer; one that is armed already is moved. */
    void (*timer_set)(vmx_loop *loop, vmx_timer *timer, uint64_t due_us);
    /* True: it was armed and will not fire. False: it was idle, or its fire function has begun or is about to. */
    bool (*timer_cancel)(vmx_loop *loop, vmx_timer *timer);
    /* Runs `task->run` soon on the loop's thread, never inside this call. */
    void (*post)(vmx_loop *loop, vmx_task *task);
    /*
     * Handles events until at least one was handled, or `deadline_us`, or vmx_loop_wake; returns how many. One thread
     * at a time. Only for a transport without threads.
     */
    size_t (*drive)(vmx_loop *loop, uint64_t deadline_us);
    /* Makes a drive that is running, or the next one, return. Any thread. */
    void (*wake)(vmx_loop *loop);

    vmx_status (*channel_open)(vmx_transport *transport, const vmx_channel_options *options, vmx_channel **channel,
                               vmx_error *error);
    /* Starts connecting if it is idle. */
    void (*channel_connect)(vmx_channel *channel);
    /* Cancels the channel's streams (they END with CANCELLED), ends on_state, gives the channel back. */
    void (*channel_close)(vmx_channel *channel);

    /*
     * Starts an attempt. NULL when memory is out (nothing follows). Else exactly one END follows, also when the
     * deadline has passed already; on the loop's thread it may come before start has returned in this one.
     */
    vmx_stream *(*start)(vmx_loop *loop, const vmx_stream_options *options);
    /* Streaming: hands over one message (blocks are acquired) and/or closes our direction (`last`; `message` may then
     * be NULL). Wait for SENT before the next: that is the flow control of sending. */
    void (*send)(vmx_stream *stream, const vmx_message *message, bool last);
    /* Streaming: asks for the next message; answered by MESSAGE, or by END when there is none. Not asking is the flow
     * control of receiving: the peer gets no further than receive_ahead_bytes. */
    void (*recv)(vmx_stream *stream);
    /* Asks for an early END (CANCELLED, unless another status was already on its way). Idempotent. */
    void (*cancel)(vmx_stream *stream);
    /* Gives the stream back. Before its END: cancels it too. When close returns, no event of the stream is running or
     * will come, but for the one that it may be called from. */
    void (*close)(vmx_stream *stream);

    /*
     * Stops the transport: every channel must have been closed by the caller before; streams that still end (the losers
     * of a hedge) are waited for. With `wait`, joins the
     * threads and returns when nothing of the transport is left; else (also from one of its own threads) the rest is
     * done in the background. The transport may not be used afterwards.
     */
    void (*shutdown)(vmx_transport *transport, bool wait);
} vmx_transport_vtable;

/* Every implementation's structs begin with these members. */
struct vmx_transport {
    const vmx_transport_vtable *vtable;
    vmx_loop **loops;
    size_t loop_count;
    bool driven; /* no threads: somebody must call drive */
};

struct vmx_loop {
    vmx_transport *transport;
};

struct vmx_channel {
    vmx_transport *transport;
};

struct vmx_stream {
    vmx_transport *transport;
};

#endif
