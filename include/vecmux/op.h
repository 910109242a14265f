/*
 * vecmux/op.h: one handle for every operation, and the queue where completions arrive.
 *
 * The contract
 *  - Starting fails: a status is returned, the handle is NULL, no event follows. Starting succeeds: exactly one
 *    completion follows. Nothing completes inside the function that starts it, and the handle is written before any
 *    event can fire.
 *  - Wait, poll a queue, watch a queue's descriptor, or be woken: four faces of the same completion.
 *  - Results and the error stay readable until vmx_op_free.
 *  - User code runs only where the user polls or waits. The exceptions may run on any thread and must not block: a
 *    queue's wake-up and the release of lent memory.
 */
#ifndef VECMUX_OP_H
#define VECMUX_OP_H

#include <vecmux/client.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_op vmx_op;
typedef struct vmx_queue vmx_queue;

/* Presets of a retry policy. */
typedef enum vmx_retry_preset {
    VMX_RETRY_DEFAULT = 0,     /* the client's, from its properties */
    VMX_RETRY_NONE = 1,        /* one attempt */
    VMX_RETRY_INTERACTIVE = 2, /* few, quick attempts: a person waits */
    VMX_RETRY_BULK = 3         /* patient: outlives a server's restart */
} vmx_retry_preset;

/* How the pause before a retry is drawn from its bound, min(max, initial * multiplier^(n-1)) after attempt n. */
typedef enum vmx_jitter {
    VMX_JITTER_FULL = 0,        /* uniform in [0, bound] */
    VMX_JITTER_NONE = 1,        /* the bound itself */
    VMX_JITTER_EQUAL = 2,       /* uniform in [bound / 2, bound] */
    VMX_JITTER_DECORRELATED = 3 /* uniform in [initial, 3 * the last pause], at most max */
} vmx_jitter;

/* For vmx_retry.hedge_delay_ms: the time that 95 % of this client's reads have not exceeded. */
#define VMX_HEDGE_P95 (-1)

/*
 * How a call is repeated. No retry is started that cannot begin before the call's deadline: the call then fails at once
 * with the last real error. What the server says wins: grpc-retry-pushback-ms (negative: no retry) and retry-after
 * (seconds) in its trailers replace the pause. An attempt that provably never reached the server is repeated once
 * without counting. Retries and hedges are made only while the client's retry budget allows (retry.budget.tokens).
 */
typedef struct vmx_retry {
    size_t size;
    uint32_t max_attempts; /* the first one included; at least 1; there is no upper clamp */
    int64_t initial_backoff_ms;
    int64_t max_backoff_ms;
    double multiplier;
    vmx_jitter jitter;
    int64_t attempt_timeout_ms; /* for one attempt, inside the call's timeout; 0: none */
    uint32_t retriable_codes;   /* bit n for gRPC code n; 0: as the engine judges */
    int32_t idempotent;         /* may a call of unknown outcome be repeated? 0: as the operation is; 1: yes; -1: no */
    int64_t hedge_delay_ms;     /* reads only: a second attempt after this time; 0: none; VMX_HEDGE_P95 */
} vmx_retry;

/* Fills `retry` with a preset (VMX_RETRY_DEFAULT: the library's own defaults). */
VMX_API void
vmx_retry_init(vmx_retry *retry, size_t size, vmx_retry_preset preset);

/* How one call is made. All zero: the client's defaults. */
typedef struct vmx_call_options {
    size_t size;
    int64_t timeout_ms;        /* for all attempts together; 0: property call.timeout.ms; VMX_FOREVER: none */
    const vmx_retry *retry;    /* copied; NULL: the client's policy */
    vmx_queue *queue;          /* where the completion arrives; NULL: nowhere, wait for the op */
    void *user;                /* handed back in the event */
    const vmx_header *headers; /* request metadata, copied */
    size_t header_count;
    int32_t wait_for_ready; /* with no connection ready: 1 waits for one, -1 fails fast; 0: property */
    /*
     * Upserts only. NULL: the vectors' values are copied before the start returns. Else they are lent: longer ones are
     * sent from where they are, so they must stay and not change until `release` is called, exactly once, if the start
     * succeeds: on any thread, inside the start at the earliest, and perhaps long after the operation has ended (a
     * peer that has stopped reading holds them until keepalive gives it up). It must not block.
     */
    void (*release)(void *release_user);
    void *release_user;
} vmx_call_options;

VMX_API void
vmx_call_options_init(vmx_call_options *options, size_t size);

/*
 * Waits until the operation has finished, at most `timeout_ms`. Returns its status; VMX_ERR_TIMEOUT when it still runs
 * (vmx_op_done tells it from an operation that itself failed); VMX_ERR_WOULD_DEADLOCK inside a callback. From any
 * number of threads. With io.threads=0 this drives the client.
 */
VMX_API vmx_status
vmx_op_wait(vmx_op *op, int64_t timeout_ms);

VMX_API bool
vmx_op_done(const vmx_op *op);

/* The status of a finished operation; VMX_ERR_NOT_DONE while it runs. */
VMX_API vmx_status
vmx_op_status(const vmx_op *op);

/* The details of a finished operation's failure; code VMX_OK when it succeeded or still runs. Borrowed from the op. */
VMX_API const vmx_error *
vmx_op_error(const vmx_op *op);

/* Asks the operation to end with VMX_ERR_CANCELLED. Idempotent; nothing happens to one that has finished. */
VMX_API void
vmx_op_cancel(vmx_op *op);

/*
 * Gives the handle back (NULL is allowed) and never blocks. An operation that still runs is cancelled and detached: an
 * event of it that has not been handed out yet will not be. Freeing an op while another thread uses it is an error.
 */
VMX_API void
vmx_op_free(vmx_op *op);

/* What the caller gave as vmx_call_options.user. */
VMX_API void *
vmx_op_user(const vmx_op *op);

/* The operation's name, "upsert". Static. */
VMX_API const char *
vmx_op_name(const vmx_op *op);

/* Why an attempt was made. */
typedef enum vmx_attempt_why {
    VMX_ATTEMPT_FIRST = 0,
    VMX_ATTEMPT_RETRY = 1,       /* the one before failed with a retriable status */
    VMX_ATTEMPT_TIMED_OUT = 2,   /* the one before took longer than attempt_timeout_ms */
    VMX_ATTEMPT_TRANSPARENT = 3, /* the one before never reached the server */
    VMX_ATTEMPT_PUSHBACK = 4,    /* the server asked for it, after the pause it named */
    VMX_ATTEMPT_HEDGE = 5        /* the one before was slow */
} vmx_attempt_why;

/* One attempt of an operation. Of an operation that makes several calls (a list), the last call's. */
typedef struct vmx_attempt_info {
    size_t size;
    vmx_attempt_why why;
    int32_t grpc_code; /* 0 to 16; -1 for a hedged attempt that was dropped */
    int64_t start_us;  /* after the operation's start */
    int64_t duration_us;
    vmx_str peer; /* borrowed from the op */
} vmx_attempt_info;

VMX_API void
vmx_attempt_info_init(vmx_attempt_info *info, size_t size);

/* How many attempts of a finished operation are on record: all, or of very many the first and the latest. */
VMX_API size_t
vmx_op_attempt_count(const vmx_op *op);

/* Fills `info` with record `i`; false when there is none. */
VMX_API bool
vmx_op_attempt(const vmx_op *op, size_t i, vmx_attempt_info *info);

/* Header or trailer `key` (lower case) of the last reply; ptr is NULL where there was none. Borrowed from the op. */
VMX_API vmx_str
vmx_op_metadata(const vmx_op *op, vmx_str key);

/* One completion. A value; frozen. */
typedef struct vmx_event {
    vmx_op *op;
    void *user;
    vmx_status status;
} vmx_event;

/* Makes a queue of a client. Errors: VMX_ERR_IO (no descriptor), VMX_ERR_NO_MEMORY, VMX_ERR_FORKED. */
VMX_API vmx_status
vmx_queue_new(vmx_client *client, vmx_queue **queue, vmx_error *error);

/*
 * Takes up to `max` events, waiting up to `timeout_ms` for the first; returns how many. Several threads may poll.
 * Returns 0 when the time is over, on vmx_queue_wake, and inside a callback. With io.threads=0 this drives the client.
 */
VMX_API size_t
vmx_queue_poll(vmx_queue *queue, vmx_event *events, size_t max, int64_t timeout_ms);

/*
 * A descriptor that is readable while events wait in the queue (level-triggered): for poll, epoll, asyncio. It belongs
 * to the queue; do not read or close it. With io.threads=0 nothing happens unless somebody drives the client.
 */
VMX_API int
vmx_queue_fd(const vmx_queue *queue);

/*
 * Sets a function that is called when the queue stops being empty. It may run on any thread, must not block, and may
 * not wait, poll or close. NULL removes it; when the call returns the old function is no longer running, unless it is
 * that function which makes the call.
 */
VMX_API void
vmx_queue_set_wakeup(vmx_queue *queue, void (*wakeup)(void *user), void *user);

/* Makes one vmx_queue_poll, running or next, return at once. */
VMX_API void
vmx_queue_wake(vmx_queue *queue);

/*
 * Gives the handle back (NULL is allowed). Events that wait in it are dropped; their operations stay valid. The wake-up is
 * removed: when the call returns it is no longer running, unless the call is made inside a callback.
 */
VMX_API void
vmx_queue_free(vmx_queue *queue);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_OP_H */
