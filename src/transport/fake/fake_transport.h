/*
 * transport/fake/fake_transport.h: a transport without sockets, threads or waiting, for deterministic tests of
 * everything above the vtable.
 *
 * Time is virtual: it stands still but in `drive`, which runs posted tasks at once and else jumps to the next thing that
 * is due. With nothing due before the deadline it jumps there and returns 0 (with VMX_NEVER: returns 0, time stands).
 * One loop, driven, single-threaded: all functions belong to one thread.
 *
 * The server's side is the test's: a vmx_fake_server hears of streams and answers them with vmx_fake_message and
 * vmx_fake_end, now or later, or never.
 */
#ifndef VMX_FAKE_TRANSPORT_H
#define VMX_FAKE_TRANSPORT_H

#include "core/random.h"
#include "transport/transport.h"

typedef struct vmx_fake_server {
    /*
     * A stream has started, inside the caller's vtable start. `options` is borrowed. Its headers and request may be read;
     * a unary call's request stays readable until its end (see vmx_fake_request). NULL: nothing is ever answered.
     */
    void (*started)(void *user, vmx_stream *stream, const vmx_stream_options *options);
    /*
     * A message of the client's (NULL: none) and whether it was the last. True: taken, SENT follows. False: the window is
     * full until vmx_fake_take; the message is taken over all the same. NULL: everything is taken.
     */
    bool (*received)(void *user, vmx_stream *stream, const vmx_message *message, bool last);
    /* The client cancelled the stream, closed it before its end, or its deadline passed. May be NULL. */
    void (*dropped)(void *user, vmx_stream *stream);
    /* channel_connect was called. NULL: CONNECTING at once, READY after a millisecond. */
    void (*connect)(void *user, vmx_channel *channel);
    void *user;
} vmx_fake_server;

typedef struct vmx_fake_counters {
    size_t started;
    size_t cancelled; /* ended by cancel, or closed before their end */
    size_t expired;   /* ended by their deadline */
    size_t open;      /* not yet closed by the caller */
} vmx_fake_counters;

/* `server` is copied. The same seed and the same calls give the same events. Errors: VMX_ERR_NO_MEMORY. */
vmx_status
vmx_fake_transport_new(uint64_t seed, const vmx_fake_server *server, vmx_transport **transport, vmx_error *error);

/* Time passes with nobody driving: what has become due meanwhile happens late. */
void
vmx_fake_advance(vmx_transport *transport, uint64_t us);

const vmx_fake_counters *
vmx_fake_counters_of(const vmx_transport *transport);

/* For servers that want chance: seeded with the transport's seed. */
vmx_random *
vmx_fake_random(vmx_transport *transport);

/* The unary request; empty for streams. Borrowed until the stream's end. */
const vmx_message *
vmx_fake_request(const vmx_stream *stream);

/* The channel changes its state after `delay_us`, unless it is closed before; with the same delay, in order. */
void
vmx_fake_channel_state(vmx_channel *channel, vmx_channel_state state, uint64_t delay_us);

/* A message (moved) for a stream's client, in `delay_us`, not before the earlier ones; it waits there until the client asks. Nothing happens when
 * the stream has ended by then. False when memory is out. */
bool
vmx_fake_message(vmx_stream *stream, uint64_t delay_us, vmx_message *message);

/*
 * Ends the stream after `delay_us`, when the client has read what came before. `reply` is copied, with what it borrows.
 * A unary call's `message` (moved; may be NULL) comes with it. Only the first call counts. False when memory is out.
 */
bool
vmx_fake_end(vmx_stream *stream, uint64_t delay_us, const vmx_reply *reply, vmx_message *message);

/* The window has room again: SENT follows. */
void
vmx_fake_take(vmx_stream *stream);

#endif
