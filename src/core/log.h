/*
 * core/log.h: the log of a client, for those who write records.
 *
 * A writer asks vmx_log_wants, gathers the fields on its stack, and calls vmx_log_write, without holding any lock: a sink
 * is user code. There is no log at all (NULL) when nothing would ever be written, so that asking costs one branch.
 * Nothing here allocates but vmx_log_open. Everything but open and close may be called from any thread.
 */
#ifndef VMX_CORE_LOG_H
#define VMX_CORE_LOG_H

#include <stdbool.h>
#include <vecmux/log.h>

typedef struct vmx_log vmx_log;

/* Every event there is; core/log_events.c says what it is called and how important it is. */
typedef enum vmx_log_event {
    VMX_LOG_EVENT_CLIENT_OPENED = 0,
    VMX_LOG_EVENT_CLIENT_CLOSED,
    VMX_LOG_EVENT_CLOSE_TIMEOUT,
    VMX_LOG_EVENT_CHANNEL_CONNECTING,
    VMX_LOG_EVENT_CHANNEL_READY,
    VMX_LOG_EVENT_CHANNEL_LOST,
    VMX_LOG_EVENT_CHANNEL_FAILING,
    VMX_LOG_EVENT_CONNECT_FAILED,
    VMX_LOG_EVENT_CHANNEL_EJECTED,
    VMX_LOG_EVENT_CHANNEL_RETURNED,
    VMX_LOG_EVENT_CHANNEL_REPLACED,
    VMX_LOG_EVENT_RETRY,
    VMX_LOG_EVENT_CALL_FAILED,
    VMX_LOG_EVENT_CALL_REFUSED,
    VMX_LOG_EVENT_PUSHBACK,
    VMX_LOG_EVENT_BUDGET_EMPTY,
    VMX_LOG_EVENT_BUDGET_REFILLED,
    VMX_LOG_EVENT_LIMIT_LOWERED,
    VMX_LOG_EVENT_HEDGE_SENT,
    VMX_LOG_EVENT_HEDGE_WON,
    VMX_LOG_EVENT_BATCH,
    VMX_LOG_EVENT_DEAD_LETTERS_LOST,
    VMX_LOG_EVENT_BLOB_LEFT,
    VMX_LOG_EVENT_COUNT
} vmx_log_event;

typedef struct vmx_log_event_row {
    vmx_log_level level;
    const char *room;
    const char *name;
    const char *message;
} vmx_log_event_row;

const vmx_log_event_row *
vmx_log_event_at(vmx_log_event event);

/* Fields that one record may bring, and the bytes of a text value that are kept. */
#define VMX_LOG_MAX_FIELDS 12
#define VMX_LOG_MAX_TEXT   240

/* Everything is copied but `user`. */
typedef struct vmx_log_options {
    vmx_log_level level;
    vmx_log_format format;
    vmx_log_sink sink; /* NULL: none */
    void *user;
    bool to_stderr;
    const char *path;    /* "": no file */
    uint32_t per_second; /* records of one event; 0: no limit */
    const char *endpoint;
} vmx_log_options;

/*
 * Opens a log; *log is NULL when these options log nothing. The file is created (mode 0640 less the umask) or appended
 * to. Errors: VMX_ERR_IO (the message names path and reason), VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_log_open(const vmx_log_options *options, vmx_log **log, vmx_error *error);

/* As the properties log.* and the sink of `config` say. Errors: those of vmx_log_open. */
vmx_status
vmx_log_open_config(const vmx_config *config, vmx_log **log, vmx_error *error);

/* NULL is allowed. Nobody writes any more. */
void
vmx_log_close(vmx_log *log);

/* The file by its name again; the old one stays when that fails. NULL is allowed. Errors: VMX_ERR_IO. */
vmx_status
vmx_log_reopen(vmx_log *log, vmx_error *error);

bool
vmx_log_has_level(const vmx_log *log, vmx_log_event event);

static inline bool
vmx_log_wants(const vmx_log *log, vmx_log_event event)
{
    return log != NULL && vmx_log_has_level(log, event);
}

/* Writes one record, unless the level or the rate is against it. At most VMX_LOG_MAX_FIELDS fields; borrowed. */
void
vmx_log_write(vmx_log *log, vmx_log_event event, const vmx_log_field *fields, size_t count);

/* How many records were suppressed by the rate since the last of their event, all events together. */
uint64_t
vmx_log_suppressed(vmx_log *log);

vmx_log_field
vmx_log_text(const char *key, const char *text);
vmx_log_field
vmx_log_str(const char *key, vmx_str text);
vmx_log_field
vmx_log_integer(const char *key, int64_t value);
vmx_log_field
vmx_log_number(const char *key, double value);
vmx_log_field
vmx_log_bool(const char *key, bool value);

/* One event's share of the rate: the second it is in and how many it has had. True: one more may go. */
bool
vmx_log_rate_take(_Atomic uint64_t *window, uint32_t per_second, uint64_t now_us);

/* "error", "warn", ... of a level. Static. */
const char *
vmx_log_level_name(vmx_log_level level);

#endif
