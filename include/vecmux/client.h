/*
 * vecmux/client.h: a client is a pool of connections to one endpoint.
 */
#ifndef VECMUX_CLIENT_H
#define VECMUX_CLIENT_H

#include <vecmux/config.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_client vmx_client;

/*
 * Opens a client. Cheap: it connects in the background, and does not fail because a server is away. The configuration
 * is copied. Errors: VMX_ERR_INVALID (no endpoint, or properties that contradict each other), VMX_ERR_IO (log.file cannot
 * be written), VMX_ERR_FORKED, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_client_open(const vmx_config *config, vmx_client **client, vmx_error *error);

/*
 * Drains and closes: refuses new operations, waits up to `timeout_ms` for those that run, then stops every thread and
 * connection. After VMX_OK no callback runs and no thread of vecmux is alive. With VMX_ERR_TIMEOUT the message counts
 * what is outstanding, by kind; call it again to wait longer, or vmx_client_free to drop it.
 * Queues and finished operations stay readable. Errors: VMX_ERR_TIMEOUT, VMX_ERR_WOULD_DEADLOCK (from inside a
 * callback), VMX_ERR_FORKED.
 */
VMX_API vmx_status
vmx_client_close(vmx_client *client, int64_t timeout_ms, vmx_error *error);

/*
 * Gives the handle back (NULL is allowed) and never blocks: operations that still run are cancelled. Indexes,
 * operations and queues hold the client's insides until they are freed too; any order is safe.
 */
VMX_API void
vmx_client_free(vmx_client *client);

/*
 * Drives a client with io.threads=0: handles what has happened on its connections, waiting up to `timeout_ms` for
 * something to happen, and returns how many events it handled. Other threads may poll or wait at the same time. A
 * client with threads of its own needs no driving; the call returns 0 at once. Slow things (dead letter files, pull
 * iterators, files to build from) have a thread of their own here too, from their first use on (property
 * worker.threads).
 */
VMX_API size_t
vmx_client_poll(vmx_client *client, int64_t timeout_ms);

typedef enum vmx_channel_state {
    VMX_CHANNEL_IDLE = 0,
    VMX_CHANNEL_CONNECTING = 1,
    VMX_CHANNEL_READY = 2,
    VMX_CHANNEL_FAILING = 3, /* could not connect; will try again */
    VMX_CHANNEL_CLOSED = 4
} vmx_channel_state;

/* A connection, as it is now. */
typedef struct vmx_channel_info {
    size_t size;
    vmx_channel_state state;
    uint64_t calls_in_flight;
    uint64_t calls_started;
    uint64_t reconnects; /* how often it became ready again after its first time */
    uint64_t ejections;  /* how often it was left alone for a while because calls on it failed */
    bool ejected;        /* it is being left alone now */
} vmx_channel_info;

VMX_API void
vmx_channel_info_init(vmx_channel_info *info, size_t size);

VMX_API size_t
vmx_client_channel_count(const vmx_client *client);

/* Fills `info`; false when there is no channel `i`. */
VMX_API bool
vmx_client_channel(const vmx_client *client, size_t i, vmx_channel_info *info);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_CLIENT_H */
