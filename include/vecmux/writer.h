/*
 * vecmux/writer.h: the bulk writer. It takes vectors from any number of threads and delivers every one of them, in
 * batches, several at a time, in a memory that the user has fixed. What cannot be stored is handed back with the reason:
 * nothing is lost in silence.
 *
 * Memory: what waits and what is on its way counts against the client's memory.limit.bytes until gRPC core has let go
 * of it; lent values do not count. A writer with nothing to send holds no buffer. Behind the batches in flight a
 * quarter as many stand in line: then a put waits too.
 * Order: two writes of one id are never reordered. The second is sent when the first has a known outcome; a batch whose
 * outcome is unknown is sent again until it is known, or until delivery_timeout_ms has passed.
 * Delivery is at least once; upserts are idempotent, so it is exactly once in effect. What a zombie may do: a batch that
 * was given up with an unknown outcome may still take effect later, over a newer write of the same id.
 * Failure: a batch that the server calls invalid is halved until the bad vectors stand alone; the others go on. A batch
 * holds vectors of one dimension: a vector of another one begins a new batch, and the server judges it.
 */
#ifndef VECMUX_WRITER_H
#define VECMUX_WRITER_H

#include <vecmux/index.h>
#include <vecmux/op.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_writer vmx_writer;

/* Which batches come back as events in the queue (vecmux/op.h). */
typedef enum vmx_report_mode {
    VMX_REPORT_FAILURES = 0, /* those of which some vector failed */
    VMX_REPORT_ALL = 1,
    VMX_REPORT_NONE = 2
} vmx_report_mode;

/* All zero: the defaults. */
typedef struct vmx_writer_options {
    size_t size;
    size_t batch_vectors;        /* close a batch at so many; 0: the engine's limit (pinecone: 1000) */
    size_t batch_bytes;          /* ... or before so many encoded bytes; 0: the engine's limit (pinecone: 2,000,000) */
    int64_t linger_ms;           /* ... or after this time; 0: 5 ms; -1: only when full, or flushed */
    uint32_t max_in_flight;      /* batches on their way at once; 0: 8. The client's gate may allow fewer */
    double vectors_per_second;   /* 0: no limit. The halves of a batch that was called invalid do not count again */
    double bytes_per_second;     /* encoded, halves too; 0: no limit. Pinecone takes 50 MB/s per namespace */
    int64_t timeout_ms;          /* of one call; 0: property call.timeout.ms */
    int64_t delivery_timeout_ms; /* from put to giving up; 0: 300,000; VMX_FOREVER: never */
    const vmx_retry *retry;      /* copied; NULL: VMX_RETRY_BULK */
    vmx_queue *queue;            /* where reports arrive; NULL: none */
    vmx_report_mode report;
    void *user; /* handed back in the events */
    /* Failed vectors are appended to it as JSON lines, by a worker thread (property worker.threads): a vector counts as
     * failed when its line is on the disk, or could not be written, which the log, the report and flush then say.
     * Empty: none. */
    vmx_str dead_letter_file;
    /* Room has returned after a put said VMX_ERR_WOULD_BLOCK. Any thread; must not block, may not wait or put. */
    void (*on_room)(void *user);
} vmx_writer_options;

VMX_API void
vmx_writer_options_init(vmx_writer_options *options, size_t size);

/*
 * Opens a writer on an index. `options` may be NULL. Errors: VMX_ERR_INVALID, VMX_ERR_IO (the dead letter file),
 * VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_writer_open(vmx_index *index, const vmx_writer_options *options, vmx_writer **writer, vmx_error *error);

/*
 * Takes vectors, in order; returns when all are taken, or the time is over. *taken (may be NULL) is how many were: on
 * any error, too, the first *taken vectors will be delivered and the rest are the caller's. Copies what it needs. Any
 * thread. timeout_ms 0 never blocks.
 * Errors: VMX_ERR_INVALID (a vector is unsound; the message names it), VMX_ERR_TOO_LARGE (a vector can never fit a
 * batch or the memory), VMX_ERR_WOULD_BLOCK (no room, timeout_ms 0), VMX_ERR_TIMEOUT, VMX_ERR_CLOSED, VMX_ERR_FORKED,
 * VMX_ERR_WOULD_DEADLOCK (a put that would wait, inside a callback), VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_writer_put(vmx_writer *writer, const vmx_vectors *vectors, int64_t timeout_ms, size_t *taken, vmx_error *error);

/* Vectors as columns: ids and one float32 matrix. Everything is borrowed during the call. */
typedef struct vmx_columns {
    size_t size;
    size_t count;       /* rows */
    const vmx_str *ids; /* count of them; NULL: decimal row numbers from first_id on */
    uint64_t first_id;
    vmx_str id_prefix;   /* before row numbers */
    const float *values; /* row i begins at values + i * stride */
    size_t dimension;
    size_t stride;           /* floats from row to row; 0: dimension */
    const vmx_str *metadata; /* count JSON objects, empty for none; NULL: none at all */
} vmx_columns;

VMX_API void
vmx_columns_init(vmx_columns *columns, size_t size);

/* As vmx_writer_put. */
VMX_API vmx_status
vmx_writer_put_columns(vmx_writer *writer, const vmx_columns *columns, int64_t timeout_ms, size_t *taken,
                       vmx_error *error);

/*
 * As vmx_writer_put, but longer values are sent from where they are: they must stay and not change until `release` is
 * called, exactly once, if *taken > 0 or the put succeeds: on any thread, inside the put at the earliest. It must not
 * block.
 */
VMX_API vmx_status
vmx_writer_lend(vmx_writer *writer, const vmx_vectors *vectors, void (*release)(void *user), void *user,
                int64_t timeout_ms, size_t *taken, vmx_error *error);

/* What an iterator says. */
typedef enum vmx_pull_result {
    VMX_PULL_MORE = 0, /* vectors, at least one */
    VMX_PULL_END = 1,  /* there are no more */
    VMX_PULL_ERROR = 2 /* it failed; `error` may say why */
} vmx_pull_result;

typedef struct vmx_pull {
    size_t size;
    /*
     * Fills *vectors with the next ones. They are borrowed until `next` is called again or the operation has completed.
     * It runs on a worker thread (property worker.threads), one call at a time; it may read files and compute, and others
     * wait for the thread meanwhile, so give some hundred vectors at a time. Functions that wait answer
     * VMX_ERR_WOULD_DEADLOCK inside it. It is not called after the operation has completed.
     */
    vmx_pull_result (*next)(void *user, vmx_vectors *vectors, vmx_error *error);
    void *user;       /* for next */
    vmx_queue *queue; /* where the completion arrives; NULL: nowhere, wait for the op */
    void *event_user; /* handed back in the event */
} vmx_pull;

VMX_API void
vmx_pull_init(vmx_pull *pull, size_t size);

/*
 * Starts an operation "pull" that takes vectors from an iterator, as fast as memory.limit.bytes has room, until its end.
 * It succeeds when everything was taken; flush waits for the outcomes. It ends early with the iterator's error
 * (VMX_ERR_IO if it gave none), with the error of the vector that cannot be taken (as vmx_writer_put; those before it
 * were), VMX_ERR_CANCELLED, or VMX_ERR_CLOSED when the writer is closed or freed. Several may run at once.
 * Errors of starting: VMX_ERR_INVALID, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY (also: no thread).
 */
VMX_API vmx_status
vmx_writer_pull(vmx_writer *writer, const vmx_pull *pull, vmx_op **op, vmx_error *error);

/* How many vectors a pull has taken so far, also while it runs; false for another operation. */
VMX_API bool
vmx_op_pulled(const vmx_op *op, uint64_t *vectors);

/* Sends what waits and waits until everything taken before has its outcome and the reports are in the queue. Errors:
 * VMX_ERR_TIMEOUT, VMX_ERR_WOULD_DEADLOCK, VMX_ERR_FORKED; VMX_ERR_IO: everything has its outcome, but failed vectors
 * could not be written to the dead letter file (said once). Failed vectors are no error of flush: see the account. */
VMX_API vmx_status
vmx_writer_flush(vmx_writer *writer, int64_t timeout_ms, vmx_error *error);

/* Takes no more vectors, flushes, and closes the dead letter file. With VMX_ERR_TIMEOUT it can be called again. Errors:
 * those of flush. */
VMX_API vmx_status
vmx_writer_close(vmx_writer *writer, int64_t timeout_ms, vmx_error *error);

/* Gives the handle back (NULL is allowed), never blocks: what is not delivered yet fails with VMX_ERR_CANCELLED, into
 * the dead letter file and the reports as any other failure. */
VMX_API void
vmx_writer_free(vmx_writer *writer);

/* Where everything is; at every instant taken = stored + failed + waiting + in_flight. */
typedef struct vmx_writer_account {
    size_t size;
    uint64_t taken;
    uint64_t stored;
    uint64_t failed;
    uint64_t waiting;      /* in the open batch, or in line */
    uint64_t in_flight;    /* sent, outcome to come */
    uint64_t stored_bytes; /* encoded */
    uint64_t batches;      /* that have their outcome */
    uint64_t batches_in_flight;
    uint64_t retries;          /* attempts beyond the first */
    double vectors_per_second; /* stored, over the last seconds */
    double bytes_per_second;
    uint64_t dead_letters;      /* failed vectors that stand in the file */
    uint64_t dead_letters_lost; /* failed vectors that could not be written to it */
} vmx_writer_account;

VMX_API void
vmx_writer_account_init(vmx_writer_account *account, size_t size);

VMX_API void
vmx_writer_get_account(vmx_writer *writer, vmx_writer_account *account);

/* --- reports: events whose op is named "write"; free it with vmx_op_free --------------------------------------------- */

/* One vector of a reported batch. */
typedef struct vmx_delivery {
    size_t size;
    vmx_str id;        /* borrowed from the op */
    vmx_status status; /* VMX_OK: stored */
    vmx_outcome outcome;
    uint32_t attempts;  /* of the call that decided it */
    int64_t latency_us; /* from put to outcome */
    uint64_t sequence;  /* how many vectors the writer had taken before it; dead letters have it too */
} vmx_delivery;

VMX_API void
vmx_delivery_init(vmx_delivery *delivery, size_t size);

VMX_API size_t
vmx_op_delivery_count(const vmx_op *op);

/* Fills `delivery`; false when there is no vector `i`. The reason of a failure is vmx_op_error's message. */
VMX_API bool
vmx_op_delivery(const vmx_op *op, size_t i, vmx_delivery *delivery);

/* --- the client's memory --------------------------------------------------------------------------------------------- */

typedef struct vmx_memory_info {
    size_t size;
    uint64_t limit_bytes;
    uint64_t used_bytes; /* reserved now */
    uint64_t peak_bytes;
    uint64_t waiting; /* reservations in line */
    /* where used_bytes are */
    uint64_t writer_bytes;
    uint64_t upsert_bytes; /* requests of vmx_index_upsert of 4 KiB and more */
    /* the account of replies, memory.reply.limit.bytes: those of 4 KiB and more, until their operations are freed */
    uint64_t reply_limit_bytes;
    uint64_t reply_bytes;
    uint64_t reply_peak_bytes;
    /* where used_bytes are, too */
    uint64_t build_bytes;
    uint64_t file_bytes; /* vmx_client_memory_reserve */
    uint64_t
        kept_bytes; /* not in used_bytes: a writer's blocks that wait to serve again; they give way to reservations */
} vmx_memory_info;

VMX_API void
vmx_memory_info_init(vmx_memory_info *info, size_t size);

VMX_API void
vmx_client_memory(const vmx_client *client, vmx_memory_info *info);

/*
 * Reserves part of memory.limit.bytes for buffers that the caller reads files into, so that the limit holds for them and
 * what is sent together; `vecmux load` does it for its readers. It waits in line with everybody else. What is kept so is
 * lacking for as long as it is kept: keep a small part. Any thread. Errors: VMX_ERR_TOO_LARGE (more than can ever be had),
 * VMX_ERR_WOULD_BLOCK (no room, timeout_ms 0), VMX_ERR_TIMEOUT, VMX_ERR_WOULD_DEADLOCK (it would wait, inside a callback),
 * VMX_ERR_CLOSED, VMX_ERR_FORKED.
 */
VMX_API vmx_status
vmx_client_memory_reserve(vmx_client *client, uint64_t bytes, int64_t timeout_ms, vmx_error *error);

/* Gives back what was reserved, all of it or a part. */
VMX_API void
vmx_client_memory_release(vmx_client *client, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_WRITER_H */
