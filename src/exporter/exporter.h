/*
 * exporter.h: shows a client's statistics to Prometheus while a program of ours runs: over HTTP (GET /metrics), in a file that is
 * replaced every few seconds (as node_exporter's textfile collector reads them), or both. One thread of its own.
 */
#ifndef VMX_EXPORTER_EXPORTER_H
#define VMX_EXPORTER_EXPORTER_H

#include <vecmux/vecmux.h>

typedef struct metrics_exporter metrics_exporter;

typedef enum metrics_exporter_result {
    METRICS_EXPORTER_OK = 0,
    METRICS_EXPORTER_FAILED = 1, /* the system refused */
    METRICS_EXPORTER_USAGE = 2   /* what was asked for cannot be */
} metrics_exporter_result;

/* Borrowed while the exporter runs. */
typedef struct metrics_exporter_options {
    const char *program; /* begins each line on stderr */
    const char *listen;  /* "ADDRESS:PORT", a numeric address, port 0 for a free one, which is then told on stderr */
    const char *file;    /* a path */
} metrics_exporter_options;

/*
 * NULL switches `listen` or `file` off; with both NULL *exporter is NULL and nothing happens. Anything but
 * METRICS_EXPORTER_OK comes after one line on stderr. The client must live until metrics_exporter_stop.
 */
metrics_exporter_result
metrics_exporter_start(vmx_client *client, const metrics_exporter_options *options, metrics_exporter **exporter);

/* Writes the file a last time and ends; NULL is allowed. */
void
metrics_exporter_stop(metrics_exporter *exporter);

#endif
