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

/* How a call is repeated. Backoff before attempt n+1: random(0, min(max, initial * multiplier^(n-1))), full jitter. */
typedef struct vmx_retry {
    size_t size;
    uint32_t max_attempts; /* the first one included; at least 1 */
    int64_t initial_backoff_ms;
    int64_t max_backoff_ms;
    double multiplier;
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

/* Gives the handle back (NULL is allowed). Events that wait in it are dropped; their operations stay valid. */
VMX_API void
vmx_queue_free(vmx_queue *queue);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_OP_H */
