/*
 * connection.h: the options that every command with a server takes, and what they open.
 */
#ifndef VMX_CLI_CONNECTION_H
#define VMX_CLI_CONNECTION_H

#include "exporter/exporter.h"
#include "options.h"

#include <vecmux/vecmux.h>

#define CLI_CONNECTION_OPTIONS 13

/* The values as given on the command line, borrowed from it. */
typedef struct cli_connection {
    const char *endpoint;
    const char *api_key;
    const char *api_key_file;
    const char *name_space;
    const char *collection;
    const char *config_file;
    const char *metrics_listen;
    const char *metrics_file;
    const char *stats; /* the format to print them in at the end; NULL: not at all */
    cli_texts sets;    /* "name=value" */
    bool env;
    bool no_index;       /* only a client is opened */
    uint64_t timeout_ms; /* 0: the property call.timeout.ms */
    cli_option options[CLI_CONNECTION_OPTIONS];
    size_t option_count;
} cli_connection;

/* Sets the defaults and the table of options, which points into `connection`: do not move it afterwards. */
void
cli_connection_init(cli_connection *connection);

void
cli_connection_free(cli_connection *connection);

/*
 * The configuration: the file's lines, then the environment, then --set, then the options with names of their own, each
 * over what came before. NULL after one line on stderr; free it with vmx_config_free.
 */
vmx_config *
cli_connection_config(const cli_connection *connection);

/* What a command works with. */
typedef struct cli_session {
    vmx_client *client;
    vmx_index *index;
    vmx_call_options options;   /* the timeout; pass it to every operation */
    metrics_exporter *exporter; /* NULL: nobody watches */
    const char *stats;          /* the connection's */
} cli_session;

/* Opens client and index; CLI_OK, or an exit code after one line on stderr. */
int
cli_session_open(const cli_connection *connection, cli_session *session);

void
cli_session_close(cli_session *session);

/*
 * Runs a command that works with a server: reads its options and the connection's, opens a session, calls `body` with
 * the arguments behind the options, closes. Returns an exit code.
 */
int
cli_session_run(cli_usage *usage, int argc, char **argv,
                int (*body)(const cli_session *session, const cli_texts *arguments, void *user), void *user);

/*
 * Finishes the start of an operation that is alone: waits for it. True when it succeeded; otherwise one line on stderr.
 * `status` and `error` are what starting it gave.
 */
bool
cli_session_wait(vmx_status status, const vmx_error *error, vmx_op *op);

/* Waits until the write with number `lsn` is visible to queries; false after one line on stderr. */
bool
cli_session_wait_visible(const cli_session *session, uint64_t lsn);

#endif
