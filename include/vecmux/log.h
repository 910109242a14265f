/*
 * vecmux/log.h: what a client tells about itself while it works: structured records, one line each.
 *
 * Where records go is told by the configuration: a sink (below), stderr (property log.stderr), a file (log.file), or
 * several of them; with none of these nothing is logged. log.level says how much, log.format how lines look,
 * log.rate.per.second how often the same event at most. docs/logging.md lists every event and its fields.
 *
 * API keys, metadata, identifiers, vectors and what a server says in its own words are never part of a record.
 */
#ifndef VECMUX_LOG_H
#define VECMUX_LOG_H

#include <vecmux/client.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vmx_log_level {
    VMX_LOG_OFF = 0,
    VMX_LOG_ERROR = 1,
    VMX_LOG_WARN = 2, /* somebody should look: calls fail, or are held back */
    VMX_LOG_INFO = 3, /* what changed, and what was repaired without the caller */
    VMX_LOG_DEBUG = 4 /* what only a developer wants to see */
} vmx_log_level;

typedef enum vmx_log_kind {
    VMX_LOG_TEXT = 0,    /* `text` */
    VMX_LOG_INTEGER = 1, /* `integer` */
    VMX_LOG_NUMBER = 2,  /* `number` */
    VMX_LOG_BOOL = 3     /* `integer`, 0 or 1 */
} vmx_log_kind;

/* One key=value of a record. Frozen. */
typedef struct vmx_log_field {
    const char *key; /* small letters, digits, "_"; units at its end: "pause_ms" */
    vmx_log_kind kind;
    vmx_str text; /* at most 240 bytes; it may come from outside: any bytes are possible */
    int64_t integer;
    double number;
} vmx_log_field;

/* One record. Borrowed for the time of the sink's call. */
typedef struct vmx_log_record {
    size_t size;
    int64_t time_ms; /* since 1970-01-01 00:00 UTC */
    vmx_log_level level;
    const char *room;    /* the part of the library that speaks: "api", "rpc" */
    const char *event;   /* what happened, one word for machines: "channel_ejected" */
    const char *message; /* the same in English, always the same for an event */
    const vmx_log_field *fields;
    size_t field_count;
} vmx_log_record;

/*
 * Receives the records of a client. It may run on any thread, on several at once, inside any function of the library;
 * it must not block, and functions that wait answer VMX_ERR_WOULD_DEADLOCK inside it. What the library would log on the
 * same thread while the sink runs is not given to the sink again (stderr and file get it).
 */
typedef void (*vmx_log_sink)(const vmx_log_record *record, void *user);

/*
 * Gives clients that are opened with this configuration, or a copy of it, a sink; NULL takes it away. `user` must stay
 * valid until vmx_client_close has returned VMX_OK. (A client that is freed instead of closed may call its sink until
 * the last of its operations has ended.)
 */
VMX_API void
vmx_config_set_log_sink(vmx_config *config, vmx_log_sink sink, void *user);

typedef enum vmx_log_format {
    VMX_LOG_LOGFMT = 0, /* time=2026-01-31T12:00:00.000Z level=warn room=rpc event=... */
    VMX_LOG_JSON = 1    /* {"time":"2026-01-31T12:00:00.000Z","level":"warn",...} */
} vmx_log_format;

/* No record of the library is longer as a line. It is also what Linux writes to a pipe in one piece. */
#define VMX_LOG_LINE_SIZE 4096

/*
 * Writes a record as one line, with "\n" and NUL at its end, as log.file has them; for sinks that want text. Quotes,
 * control characters and line separators are escaped, bytes that are not UTF-8 become "?", a long value ends in "...",
 * fields that `size` has no room for are left out. Returns the line's length without the NUL; 0 when not even the
 * record's head fits. Any thread; independent of the locale; allocates nothing.
 */
VMX_API size_t
vmx_log_record_format(const vmx_log_record *record, vmx_log_format format, char *line, size_t size);

/*
 * Opens log.file anew, by its name: for logrotate and its like, after they have moved the file away. Without log.file
 * nothing happens. When it fails the client goes on writing where it wrote. Any thread; not in a signal handler.
 * Errors: VMX_ERR_IO, VMX_ERR_FORKED. (vmx_client_open fails with VMX_ERR_IO too when log.file cannot be opened.)
 */
VMX_API vmx_status
vmx_client_reopen_log(vmx_client *client, vmx_error *error);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_LOG_H */
