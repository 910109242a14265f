/*
 * transport/grpc/internal.h: the objects behind the vtable and what the files of this folder ask of each other.
 *
 * Lifetimes, inside out:
 *  - a stream lives until the caller has closed it, its batches have returned (then its grpc_call is given back) and the
 *    core has destroyed every slice it was lent;
 *  - a channel lives until it is closed, its connectivity watch has ended and its streams are gone;
 *  - a transport lives until shutdown and the end of its channels.
 */
#ifndef VMX_GRPC_INTERNAL_H
#define VMX_GRPC_INTERNAL_H

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/buffer.h"
#include "core/lock.h"
#include "core/sync.h"
#include "core/tsan.h"
#include "transport/timer_heap.h"
#include "transport/transport.h"

typedef struct vmx_grpc_transport vmx_grpc_transport;
typedef struct vmx_grpc_loop vmx_grpc_loop;
typedef struct vmx_grpc_channel vmx_grpc_channel;
typedef struct vmx_grpc_stream vmx_grpc_stream;

/* The struct that `member`, at `pointer`, is part of. */
#define VMX_GRPC_OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

/* With so many streams under way a loop is looked after all the time, and their ends come in groups. With fewer somebody may
 * wait for each of them. */
enum { VMX_GRPC_BUSY_STREAMS = 8 };

/* What a completion queue hands back: every batch and watch has one. */
typedef struct vmx_grpc_tag {
    /* Handles the completion on the loop's thread; returns how many events of it the caller was told. */
    size_t (*done)(struct vmx_grpc_tag *tag, bool ok);
} vmx_grpc_tag;

/* --- loop.c ------------------------------------------------------------------------------------------------------- */

struct vmx_grpc_loop {
    vmx_loop base;
    grpc_completion_queue *queue;
    grpc_call *wake_call; /* never started; empty batches of it post wake_tag */
    vmx_grpc_tag wake_tag;
    _Atomic(vmx_task *) posted; /* newest first */
    atomic_bool woken;          /* vmx_transport_vtable.wake since the last drive */
    pthread_t thread;
    bool leaves_signals; /* vmx_grpc_transport_leave_signals */

    vmx_timer due_timer; /* of the earliest stream->due_us, or before */
    vmx_grpc_tag due_tag;

    vmx_lock lock;
    /* under lock */
    vmx_timer_heap timers;
    /* When the thread in the queue wakes up by itself; 0: it is awake, or will be at once. It says itself that it is awake
     * without the lock: who has not seen that yet wakes it in vain. */
    _Atomic uint64_t sleep_until_us;
    vmx_grpc_stream *streams;                 /* under way, newest first */
    _Atomic size_t stream_count;              /* may be read without the lock */
    vmx_grpc_stream *waiting, **last_waiting; /* to be started, oldest first */
    size_t waiting_count;
};

/* `nowhere` is a channel that connects to nothing. NULL when memory is out. */
vmx_grpc_loop *
vmx_grpc_loop_new(vmx_grpc_transport *transport, grpc_channel *nowhere);

/* Nothing may be under way on the loop. */
void
vmx_grpc_loop_free(vmx_grpc_loop *loop);

void
vmx_grpc_timer_set(vmx_loop *loop, vmx_timer *timer, uint64_t due_us);
/* With loop->lock held. True: vmx_grpc_interrupt must follow, without the lock. */
bool
vmx_grpc_timer_set_locked(vmx_grpc_loop *loop, vmx_timer *timer, uint64_t due_us);
bool
vmx_grpc_timer_cancel(vmx_loop *loop, vmx_timer *timer);

/* Posts `tag` behind the completions that wait in the queue. Any thread. */
void
vmx_grpc_interrupt(vmx_grpc_loop *loop, vmx_grpc_tag *tag);
void
vmx_grpc_post(vmx_loop *loop, vmx_task *task);
size_t
vmx_grpc_drive(vmx_loop *loop, uint64_t deadline_us);
void
vmx_grpc_wake(vmx_loop *loop);

/* True on the thread that is handling this loop's events now. */
bool
vmx_grpc_loop_is_here(const vmx_grpc_loop *loop);

/* A moment of vmx_monotonic_us for the core; VMX_NEVER is its infinite future. */
gpr_timespec
vmx_grpc_time(uint64_t time_us);

/* --- transport.c -------------------------------------------------------------------------------------------------- */

struct vmx_grpc_transport {
    vmx_transport base;
    grpc_channel *nowhere;
    vmx_buffer system_roots; /* under lock; PEM text, read when first needed */
    atomic_bool stopping;
    bool left_to_driver; /* driven: shut down from inside an event */
    pthread_mutex_t lock;
    pthread_cond_t thread_ended;
    /* under lock */
    size_t channel_count; /* opened, not yet gone */
    size_t next_home;     /* loop of the next channel's watch */
    size_t running;       /* io threads */
    bool left_to_threads; /* the last io thread frees the transport */
    int64_t linger_ms;    /* how long a stalled connection may hold slices: the longest keepalive timeout */
};

/* Counts a channel in and names the loop that watches it. */
vmx_grpc_loop *
vmx_grpc_transport_enter(vmx_grpc_transport *transport, int64_t keepalive_timeout_ms);

/* Counts a channel out; the transport may be gone afterwards. */
void
vmx_grpc_transport_leave(vmx_grpc_transport *transport);

/* --- channel.c, credentials.c ------------------------------------------------------------------------------------- */

/* A call's headers as the core wants them. Calls of one channel mostly have the same: they share them. */
typedef struct vmx_grpc_headers {
    _Atomic size_t refs;
    size_t count;
    grpc_metadata items[];
} vmx_grpc_headers;

enum { VMX_GRPC_METHODS = 32, VMX_GRPC_IDLE_STREAMS = 256 };

typedef struct vmx_grpc_method {
    const char *name; /* compared by address */
    void *handle;     /* of grpc_channel_register_call */
} vmx_grpc_method;

struct vmx_grpc_channel {
    vmx_channel base;
    grpc_channel *channel; /* NULL once destroyed */
    vmx_grpc_loop *home;
    vmx_grpc_tag watch_tag;
    vmx_task close_task;
    void (*on_state)(void *user, vmx_channel_state state);
    void *user;
    size_t receive_limit_bytes;
    grpc_connectivity_state watched; /* home's thread */

    vmx_lock lock;
    /* under lock */
    size_t refs;           /* its streams, and 1 until the watch has ended */
    vmx_grpc_stream *idle; /* structs for the next streams */
    size_t idle_count;
    vmx_grpc_headers *headers; /* the latest call's; holds a reference; NULL before the first */
    size_t method_count;
    vmx_grpc_method methods[VMX_GRPC_METHODS];
};

vmx_status
vmx_grpc_channel_open(vmx_transport *transport, const vmx_channel_options *options, vmx_channel **channel,
                      vmx_error *error);
void
vmx_grpc_channel_connect(vmx_channel *channel);
void
vmx_grpc_channel_close(vmx_channel *channel);

/* Counts a stream in: its struct, used or new (then zeroed), with `channel` set, `call` NULL and `headers` (NULL when memory
 * is out), and the method's handle (NULL when there are too many methods). NULL when memory is out. */
vmx_grpc_stream *
vmx_grpc_channel_take_stream(vmx_grpc_channel *channel, const vmx_stream_options *options, void **handle);

/* Counts a stream out; the channel may be gone afterwards. */
void
vmx_grpc_channel_give_stream(vmx_grpc_channel *channel, vmx_grpc_stream *stream);

/* A reference on `options`' headers: the latest ones if they are the same, else new ones, which become the latest. NULL when
 * memory is out. Channel's lock held. */
vmx_grpc_headers *
vmx_grpc_headers_take(vmx_grpc_headers **latest, const vmx_stream_options *options);

/* NULL is no reference. */
void
vmx_grpc_headers_unref(vmx_grpc_headers *headers);

/* The credentials for `options`; NULL with `error` set. */
grpc_channel_credentials *
vmx_grpc_credentials_new(vmx_grpc_transport *transport, const vmx_channel_options *options, vmx_error *error);

/* --- message.c ---------------------------------------------------------------------------------------------------- */

typedef struct vmx_grpc_loan vmx_grpc_loan;

/* One slice that the core holds. */
typedef struct vmx_grpc_lent {
    vmx_block *block;
    vmx_grpc_loan *loan;
} vmx_grpc_lent;

enum { VMX_GRPC_INLINE_SLICES = 4 };

/* The slices of one message that the core holds; each loan keeps its stream's struct alive. */
struct vmx_grpc_loan {
    vmx_grpc_stream *stream;
    _Atomic size_t remaining;
    vmx_grpc_lent *lent; /* `first`, or memory of its own behind the loan */
    vmx_grpc_lent first[VMX_GRPC_INLINE_SLICES];
};

/*
 * Gives an empty buffer of the core room for `count` slices. The core has no function
 * for that, and adding slices one by one costs 60 instructions for each. The fields are public (grpc/impl/codegen/slice.h),
 * but the header leaves base_slices and capacity to the core; relied on, as in gRPC 1.51: base_slices is `inlined`, or
 * memory of gpr_malloc for `capacity` slices that the buffer frees; slices points at the first of `count` in it; length is
 * the sum of theirs. A test of the transport holds the core to it.
 */
void
vmx_grpc_reserve_slices(grpc_slice_buffer *buffer, size_t count);

/* Puts the message's slices into stream->outgoing, which is empty, without copies. False when memory is out. */
bool
vmx_grpc_lend(vmx_grpc_stream *stream, const vmx_message *message);

/* Why a received message is not handed on. */
typedef enum vmx_grpc_loss {
    VMX_GRPC_LOST_NOTHING = 0,
    VMX_GRPC_LOST_NO_MEMORY = 1,
    VMX_GRPC_LOST_TOO_LARGE = 2, /* also of a compressed one, unpacked */
    VMX_GRPC_LOST_DAMAGED = 3    /* it is compressed, and cannot be unpacked */
} vmx_grpc_loss;

/* Makes a message of what was received, without copies unless it is compressed, and takes over `buffer`. */
vmx_grpc_loss
vmx_grpc_message_init(vmx_message *message, grpc_byte_buffer *buffer, size_t limit_bytes);

/* --- inflate.c ---------------------------------------------------------------------------------------------------- */

/* Unpacks a message of gzip or deflate (RFC 1950: zlib's format, as gRPC means it) into one piece, and leaves `packed` to the
 * caller. What follows the format's end is damage. */
vmx_grpc_loss
vmx_grpc_inflate(vmx_message *message, const grpc_byte_buffer *packed, size_t limit_bytes);

/* --- stream.c ----------------------------------------------------------------------------------------------------- */

enum { VMX_GRPC_INLINE_REPLY_HEADERS = 16 };

struct vmx_grpc_stream {
    vmx_stream base;
    vmx_grpc_channel *channel;
    vmx_grpc_loop *loop;
    vmx_grpc_stream *next, **link; /* loop->lock: among its streams; or channel->lock: among its idle structs */
    uint64_t due_us; /* loop->lock; its deadline, or when it is stopped: when its end is overdue; VMX_NEVER: never */
    bool stopped;    /* loop->lock; its call was cancelled, by whomever */
    bool channel_closed; /* loop->lock; channel_close has cancelled it */
    void (*on_event)(void *user, const vmx_stream_event *event);
    void *user;
    grpc_call *call;

    _Atomic uint32_t active; /* the caller's handle and the batches; at 0 the call is given back */
    _Atomic uint32_t refs;   /* 1 while active, and one per loan */
    _Atomic uint32_t gate;   /* VMX_GRPC_GATE_... */
    atomic_bool receiving;   /* a batch for the next message is under way */

    /* loop's thread */
    bool status_known;
    bool unary;
    bool one_batch; /* see stream.c */
    bool tells_sent;
    bool wait_for_ready;
    vmx_grpc_loss loss; /* why a received message could not be kept */
    size_t lost_bytes;  /* its size */
    atomic_bool cancelled;
    bool deadline_passed; /* of a due one: it is to be cancelled, not given up */
    vmx_grpc_stream *next_due;

    /* sending */
    vmx_grpc_tag headers_tag, send_tag;
    vmx_grpc_headers *headers; /* until it has begun */
    vmx_grpc_stream *next_waiting;
    grpc_byte_buffer outgoing;
    bool loan_used;
    vmx_grpc_loan loan; /* of the first message */

    /* receiving */
    vmx_grpc_tag message_tag, status_tag;
    grpc_byte_buffer *incoming;
    grpc_metadata_array initial, trailers;
    grpc_status_code status;
    grpc_slice details;
    const char *debug_text; /* the core's whole error, gpr_free; NULL when the status is OK */
};

vmx_stream *
vmx_grpc_start(vmx_loop *loop, const vmx_stream_options *options);
void
vmx_grpc_send(vmx_stream *stream, const vmx_message *message, bool last);
void
vmx_grpc_recv(vmx_stream *stream);
void
vmx_grpc_cancel(vmx_stream *stream);
void
vmx_grpc_close(vmx_stream *stream);

/* Starts the batches of a stream whose call exists, and drops one of stream->active, which was kept for that. Signals are
 * blocked. */
void
vmx_grpc_stream_begin(vmx_grpc_stream *stream);

/* Drops one of stream->refs. */
void
vmx_grpc_stream_unref(vmx_grpc_stream *stream);

/* Frees a struct that vmx_grpc_channel_take_stream made. */
void
vmx_grpc_stream_free(vmx_grpc_stream *stream);

/* Keeps a listed stream's call alive until vmx_grpc_stream_give_up; false when its end is under way. loop->lock held. */
bool
vmx_grpc_stream_hold(vmx_grpc_stream *stream);

/* The deadline of a stream that is held has come: has the core end it. Loop's thread. */
void
vmx_grpc_stream_expire(vmx_grpc_stream *stream);

/* Ends a stream that is held and overdue, for the caller; the core may take its time. Loop's thread. Returns events told. */
size_t
vmx_grpc_stream_give_up(vmx_grpc_stream *stream);

/* --- under_way.c: the streams of a loop, and their deadlines ------------------------------------------------------- */

/* Lists a stream, whose call exists, and which ends at its deadline. loop->lock held; true: the loop must be woken, without
 * it. */
bool
vmx_grpc_list_locked(vmx_grpc_stream *stream, uint64_t deadline_us);

/* No-op for one that was never listed. */
void
vmx_grpc_unlist(vmx_grpc_stream *stream);

/* A listed stream is about to be cancelled: the caller must hear its end soon. */
void
vmx_grpc_note_stop(vmx_grpc_stream *stream);

/* Cancels the streams of a channel. */
void
vmx_grpc_cancel_streams(vmx_grpc_channel *channel);

/* What is done with loop->due_timer and due_tag. */
void
vmx_grpc_on_due_timer(vmx_timer *timer);
size_t
vmx_grpc_on_due_tag(vmx_grpc_tag *tag, bool ok);

/* --- waiting.c: streams that the loop is to begin ------------------------------------------------------------------- */

/* Lists a new stream, whose call exists. A unary one may then wait until the loop begins it, if that is soon and spares work;
 * false: it does not wait. */
bool
vmx_grpc_enter(vmx_grpc_stream *stream, uint64_t deadline_us);

/* Takes the streams that wait, to be begun; NULL: none. loop->lock held. */
vmx_grpc_stream *
vmx_grpc_take_waiting_locked(vmx_grpc_loop *loop);

/* Begins what was taken. Signals are blocked. */
void
vmx_grpc_begin_waiting(vmx_grpc_stream *first);

/* --- status.c ----------------------------------------------------------------------------------------------------- */

typedef struct vmx_grpc_reply {
    vmx_reply reply;
    char peer[VMX_ERROR_PEER_SIZE];
    char text[96]; /* of a lost message */
    vmx_header first[VMX_GRPC_INLINE_REPLY_HEADERS];
    vmx_header *headers; /* `first`, or an allocation */
} vmx_grpc_reply;

/* Says how a stream ended; borrows from the stream. */
void
vmx_grpc_reply_init(vmx_grpc_reply *reply, const vmx_grpc_stream *stream);

/* The end of a stream for which the core has found none in time; what of the stream is the core's is not looked at. */
void
vmx_grpc_reply_give_up(vmx_grpc_reply *reply, const vmx_grpc_stream *stream);

/* The message that belongs to it was received, and is lost. */
void
vmx_grpc_reply_lose_message(vmx_grpc_reply *reply, const vmx_grpc_stream *stream);

/* gRPC allows a unary call to end with OK only after a message; the core does not see to it. */
void
vmx_grpc_reply_miss_message(vmx_grpc_reply *reply, const vmx_grpc_stream *stream);

void
vmx_grpc_reply_clear(vmx_grpc_reply *reply);

#endif
