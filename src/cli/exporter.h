/*
 * exporter.h: shows a client's statistics to Prometheus while a command runs: over HTTP (GET /metrics), in a file that is
 * replaced every few seconds (as node_exporter's textfile collector reads them), or both. One thread of its own.
 */
#ifndef VMX_CLI_EXPORTER_H
#define VMX_CLI_EXPORTER_H

#include <vecmux/vecmux.h>

typedef struct cli_exporter cli_exporter;

/*
 * `listen` is "ADDRESS:PORT", a numeric address, port 0 for a free one, which is then told on stderr; `file` a path. NULL
 * switches either off; with both NULL *exporter is NULL and nothing happens. Returns CLI_OK, or an exit code after one
 * line on stderr. The client must live until cli_exporter_stop.
 */
int
cli_exporter_start(vmx_client *client, const char *listen, const char *file, cli_exporter **exporter);

/* Writes the file a last time and ends; NULL is allowed. */
void
cli_exporter_stop(cli_exporter *exporter);

#endif
