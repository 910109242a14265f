/*
 * stats/metrics.h: the table of metrics. Samples, JSON, the Prometheus text and docs/STATISTICS.md all come from it. A new
 * metric is an enumerator here, a row in metrics.c, and the line in api/stats.c that gives its value.
 */
#ifndef VMX_STATS_METRICS_H
#define VMX_STATS_METRICS_H

#include <vecmux/stats.h>

#define VMX_METRIC_LABELS 2

/* In the order of the table. */
typedef enum vmx_metric_id {
    VMX_M_INFO = 0,
    VMX_M_CALLS,
    VMX_M_CALL_DURATION,
    VMX_M_ATTEMPTS,
    VMX_M_RETRIES,
    VMX_M_HEDGES,
    VMX_M_SENT_BYTES,
    VMX_M_RECEIVED_BYTES,
    VMX_M_OPERATIONS_RUNNING,
    VMX_M_QUEUES,
    VMX_M_QUEUE_EVENTS,
    VMX_M_CHANNELS,
    VMX_M_CHANNEL_CALLS,
    VMX_M_CHANNEL_IN_FLIGHT,
    VMX_M_CHANNEL_RECONNECTS,
    VMX_M_CHANNEL_EJECTIONS,
    VMX_M_CHANNEL_EJECTED,
    VMX_M_GATE_LIMIT,
    VMX_M_GATE_IN_FLIGHT,
    VMX_M_GATE_WAITING,
    VMX_M_BUDGET_TOKENS,
    VMX_M_BUDGET_MAX_TOKENS,
    VMX_M_MEMORY_LIMIT,
    VMX_M_MEMORY_USED,
    VMX_M_MEMORY_PEAK,
    VMX_M_MEMORY_HELD,
    VMX_M_MEMORY_WAITING,
    VMX_M_WRITERS,
    VMX_M_WRITER_TAKEN,
    VMX_M_WRITER_STORED,
    VMX_M_WRITER_FAILED,
    VMX_M_WRITER_DEAD_LETTERS,
    VMX_M_WRITER_DEAD_LETTERS_LOST,
    VMX_M_WRITER_WAITING,
    VMX_M_WRITER_IN_FLIGHT,
    VMX_M_WRITER_STORED_BYTES,
    VMX_M_WRITER_BATCHES,
    VMX_M_WRITER_BATCHES_IN_FLIGHT,
    VMX_M_WRITER_RETRIES,
    VMX_M_BUILDS,
    VMX_M_BUILDS_TIME,
    VMX_M_BUILDS_BYTES,
    VMX_M_BUILD_UPLOADS,
    VMX_M_BUILD_DOWNLOADS,
    VMX_M_BUILD_TRIGGERS,
    VMX_M_BUILD_POLLS,
    VMX_M_BUILD_JOBS,
    VMX_M_BUILD_UPLOAD_TIME,
    VMX_M_BUILD_DOWNLOAD_TIME,
    VMX_M_BUILD_TRIGGER_TIME,
    VMX_M_BUILD_WAITING_TIME,
    VMX_M_BUILD_FALLBACKS,
    VMX_M_BUILD_SENT_BYTES,
    VMX_M_BUILD_RECEIVED_BYTES,
    VMX_M_BUILD_SPLICED_BYTES,
    VMX_M_BUILD_RETRIES,
    VMX_M_BUILD_BLOBS_LEFT,
    VMX_M_BUILDS_RUNNING,
    VMX_M_BUILDS_RUNNING_BYTES,
    VMX_M_LOG_SUPPRESSED,
    VMX_M_LOST,
    VMX_M_COUNT
} vmx_metric_id;

typedef struct vmx_metric_row {
    const char *name;
    vmx_metric_type type;
    const char *unit;
    const char *labels[VMX_METRIC_LABELS]; /* NULL: none, or no second one */
    const char *help;
} vmx_metric_row;

const vmx_metric_row *
vmx_metric_row_of(vmx_metric_id id);

size_t
vmx_metric_label_count(const vmx_metric_row *row);

#endif
