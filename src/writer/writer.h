/*
 * writer/writer.h: the bulk writer, inside.
 *
 * The way of a record: put (put.c) checks and encodes it into the open batch, which is closed when it is full, old enough
 * or flushed. A closed batch becomes a send (send.c); service (service.c) starts sends while the limits allow, and what
 * comes of them is judged: stored, sent again later, sent again in halves, or failed (settle.c).
 *
 * Locks: `lock` is taken with the host's lock held (predicates of waits) and never the other way round. With it neither
 * the transport nor user code is called, nor anything that gives memory back.
 */
#ifndef VMX_WRITER_WRITER_H
#define VMX_WRITER_WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <vecmux/writer.h>

#include "core/buffer.h"
#include "core/memory.h"
#include "core/worker.h"
#include "engine/engine.h"
#include "op/op.h"
#include "rpc/call.h"
#include "writer/batch.h"
#include "writer/ids.h"
#include "writer/ledger.h"

/* What a writer needs of the client that it belongs to. */
typedef struct vmx_writer_parts {
    vmx_host *host;
    vmx_caller *caller;
    const vmx_engine *engine;
    vmx_memory *memory;
    vmx_workers *workers;
    vmx_ledger *ledger;
    vmx_str collection; /* both are copied */
    vmx_str name_space;
    int64_t call_timeout_ms;
    uint64_t seed;
} vmx_writer_parts;

/* `options` are checked and copied. Errors: those of vmx_writer_open. */
vmx_status
vmx_writer_new(const vmx_writer_parts *parts, const vmx_writer_options *options, vmx_writer **writer, vmx_error *error);

/* A run of a batch's records on its way: an op of its own, which becomes the report. */
typedef struct vmx_send {
    vmx_op op; /* first */
    vmx_call call;
    vmx_writer *writer; /* holds a reference */
    vmx_batch *batch;   /* holds a reference until it is settled */
    size_t from, to;
    bool begun;                           /* the op runs */
    bool preparing;                       /* the call is the codec's, before the rows can be composed */
    bool halved;                          /* its vectors were sent in a batch that was refused: they count once */
    uint32_t rounds;                      /* calls made so far */
    uint64_t due_us;                      /* while it waits to be sent again */
    struct vmx_send *next;                /* ready, waiting, or failed and to be written down */
    struct vmx_send *fly_prev, *fly_next; /* in flight */
    struct vmx_send *unsent_prev, *unsent_next;
    bool unsent;              /* is in that list, */
    uint64_t unsent_until_us; /* but no longer than this */
    vmx_task start_task, settle_task;
    bool unwritten;                       /* its dead letters could not be written: it is reported whatever the mode */
    struct vmx_delivery_list *deliveries; /* in the op's arena; NULL: not reported */
} vmx_send;

typedef struct vmx_send_list {
    vmx_send *head, *tail;
    size_t count;
} vmx_send_list;

/* References are its op's: the user, the open session, each send, the armed timer hold one. */
struct vmx_writer {
    vmx_op op; /* first; while the writer is open it runs, so that its client waits for it or cancels it */
    vmx_task end_task;
    vmx_writer_parts parts;
    vmx_writer_options options; /* resolved: no zeros that mean a default */
    vmx_retry retry;
    const vmx_row_codec *codec;
    vmx_row_target target;
    size_t overhead_bytes; /* what a request has beside its rows, at most */
    int dead_letters;      /* descriptor, or -1 */
    vmx_worker *worker;    /* writes them; NULL: none yet */
    vmx_task letters_task;
    vmx_loop *loop;
    vmx_memory_listener listener;
    vmx_writer *ledger_prev, *ledger_next; /* the ledger's lock */
    pthread_mutex_t lock;
    struct {
        vmx_batch *open;            /* being filled */
        vmx_batch *oldest, *newest; /* unsettled */
        uint64_t next_seq;
        vmx_ids ids;
        vmx_send_list ready;   /* may be sent */
        vmx_send_list waiting; /* to be sent again at due_us; in no order */
        vmx_send_list letters; /* failed, to be written to the dead letter file */
        bool writing;          /* letters_task is submitted, or runs */
        uint64_t lost_told;    /* of account.dead_letters_lost: flush has told the user */
        vmx_send *flying;
        size_t flying_count;
        vmx_send *unsent_first, *unsent_last; /* in flight, but not on the connection yet; the oldest first */
        size_t unsent_count;
        uint64_t pace_us; /* when the rate limits allow the next send */
        bool closed;      /* takes no more */
        bool freed;       /* what is left fails */
        bool ended;       /* the session is over */
        size_t holds;     /* the op runs until there are none: the session's, and one for each send that starts */
        bool wants_room;  /* a put said WOULD_BLOCK: on_room is owed */
        struct vmx_puller *pullers;
        bool wakes_pullers;  /* at the next service */
        size_t line_waiters; /* puts that wait until the line of `ready` is shorter */
        size_t flushing;     /* flushes that wait for outcomes */
        size_t telling;      /* sends that have theirs, but are not reported yet */
        size_t unread;       /* reports that the user has not freed */
        vmx_writer_account account;
        uint64_t rate_us; /* the sample that the rates are measured from */
        uint64_t rate_stored, rate_bytes;
    } locked;
    pthread_mutex_t timer_lock; /* guards what follows */
    vmx_timer timer;
    bool timed;
    bool dead; /* the op has ended, the transport may be gone: nothing is armed any more */
    uint64_t timer_us;
};

vmx_writer *
vmx_writer_acquire(vmx_writer *writer);
void
vmx_writer_release(vmx_writer *writer);

/* Gives `count` of locked.holds back; with the last one the op ends. Without the lock. */
void
vmx_writer_unhold(vmx_writer *writer, size_t count);

uint64_t
vmx_writer_now(const vmx_writer *writer);

/* --- service.c ----------------------------------------------------------------------------------------------------- */

/* Does what is due: closes an old batch, starts sends, arms the timer. Without the lock. */
void
vmx_writer_service(vmx_writer *writer);

/* Makes service run at that time, or earlier. Any thread, without the lock. */
void
vmx_writer_arm(vmx_writer *writer, uint64_t due_us);

/* Makes service run soon on the loop. Any thread, any locks. */
void
vmx_writer_kick(vmx_writer *writer);

/* Closes the open batch, if any has records: its send is ready, or waits for other batches. */
void
vmx_writer_close_batch_locked(vmx_writer *writer);

/* A closed batch need not wait for others any more. */
void
vmx_batch_ready_locked(vmx_writer *writer, vmx_batch *batch);

/* --- send.c -------------------------------------------------------------------------------------------------------- */

/* NULL when memory is out. */
vmx_send *
vmx_send_new(vmx_writer *writer, vmx_batch *batch, size_t from, size_t to);

/* Whether an op is a send. */
bool
vmx_send_is_op(const vmx_op *op);

/* It is on the connection, or in flight no longer. */
void
vmx_send_note_sent_locked(vmx_send *send);

/* Writes into its error that it was cancelled. */
void
vmx_send_note_cancelled(vmx_send *send);

/* Starts the call; without the lock. */
void
vmx_send_start(vmx_send *send);

void
vmx_send_push(vmx_send_list *list, vmx_send *send);
void
vmx_send_push_front(vmx_send_list *list, vmx_send *send);
vmx_send *
vmx_send_pop(vmx_send_list *list);

/* --- settle.c ------------------------------------------------------------------------------------------------------ */

/* The call has ended: judges it. On the send's strand. */
void
vmx_send_judge(vmx_send *send);

/* The outcome stands in the send's op->error: writes dead letters, if that is asked, and then makes it known. The send
 * may not be touched afterwards. Without the lock. */
void
vmx_send_settle(vmx_send *send);

/* Makes the outcome known: nothing is to be written any more. */
void
vmx_send_make_known(vmx_send *send);

/* --- dead_letter.c ------------------------------------------------------------------------------------------------- */

/* Opens the file, and chooses the worker that writes it. Errors: VMX_ERR_IO, VMX_ERR_NO_MEMORY. */
vmx_status
vmx_dead_letters_open(vmx_writer *writer, vmx_str path, vmx_error *error);

/* The worker appends the records of a failed send to the file, brings them to the disk and makes the outcome known. */
void
vmx_dead_letters_submit(vmx_send *send);

/* --- json.c -------------------------------------------------------------------------------------------------------- */

/* Record `i` of a failed send as a line of JSON, with the reason. False when it could not be made; `json` is then as it
 * was. */
bool
vmx_dead_letter_line(const vmx_send *send, size_t i, vmx_buffer *json);

/* --- report.c ------------------------------------------------------------------------------------------------------ */

/* Writes the log's record of a batch that has its outcome; `account` is as it was then. */
void
vmx_report_batch(const vmx_send *send, const vmx_writer_account *account);

/* Notes the records' deliveries in the op if the user wants to hear of them, before the batch is given up. */
void
vmx_report_prepare(vmx_send *send);

#endif
