/*
 * transport/fake/internal.h: the fake's objects. Everything that happens is a timer of its one loop, so that time alone
 * orders it.
 */
#ifndef VMX_FAKE_INTERNAL_H
#define VMX_FAKE_INTERNAL_H

#include "core/arena.h"
#include "transport/fake/fake_transport.h"
#include "transport/timer_heap.h"

/* The struct that `member`, at `pointer`, is part of. */
#define VMX_FAKE_OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

typedef struct fake_transport {
    vmx_transport base;
    vmx_loop loop;
    vmx_loop *loops[1];
    vmx_fake_server server;
    vmx_fake_counters counters;
    vmx_random random;
    uint64_t now_us;
    vmx_timer_heap timers;
    vmx_task *first_task, **last_task;
    bool woken;
    bool left; /* shut down: the last stream to be closed frees it */
} fake_transport;

typedef struct fake_channel {
    vmx_channel base;
    void (*on_state)(void *user, vmx_channel_state state);
    void *user;
    vmx_channel_state state;
    size_t refs;                 /* its streams, and 1 until CLOSED */
    struct fake_change *changes; /* of its state, to come */
    struct fake_stream *streams;
} fake_channel;

typedef struct fake_change {
    vmx_timer timer;
    fake_channel *channel;
    struct fake_change *next;
    vmx_channel_state state;
} fake_change;

typedef struct fake_message {
    vmx_timer timer;
    struct fake_stream *stream;
    struct fake_message *next;
    bool arrived;
    vmx_message message;
} fake_message;

typedef struct fake_stream {
    vmx_stream base;
    fake_channel *channel;
    struct fake_stream *next, **link; /* among the channel's */
    void (*on_event)(void *user, const vmx_stream_event *event);
    void *user;
    bool ended, closed;
    bool delivering; /* an event runs; the struct must outlive it */
    bool asked;      /* recv without an answer yet */
    bool over;       /* the server's end has come */
    bool answered;   /* vmx_fake_end was called */
    vmx_message request;
    fake_message *messages; /* for the client, in order */
    vmx_timer sent_timer;
    vmx_timer read_timer; /* looks what the client may be given */
    vmx_timer end_timer;
    vmx_timer stop_timer; /* the deadline, or a cancel */
    int stop_code;
    vmx_arena arena; /* of the reply */
    vmx_reply reply;
    vmx_message last;
} fake_stream;

/* (Re)arms a timer; as the vtable's functions. */
void
vmx_fake_timer_set(fake_transport *transport, vmx_timer *timer, uint64_t due_us);
bool
vmx_fake_timer_cancel(fake_transport *transport, vmx_timer *timer);

/* Drops one of channel->refs. */
void
vmx_fake_channel_unref(fake_channel *channel);

/* For the vtable. */
vmx_stream *
vmx_fake_start(vmx_loop *loop, const vmx_stream_options *options);
void
vmx_fake_send(vmx_stream *stream, const vmx_message *message, bool last);
void
vmx_fake_recv(vmx_stream *stream);
void
vmx_fake_cancel(vmx_stream *stream);
void
vmx_fake_close(vmx_stream *stream);

#endif
