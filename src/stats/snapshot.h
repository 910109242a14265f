/*
 * stats/snapshot.h: a snapshot while it is filled, and what the text formats read of it.
 */
#ifndef VMX_STATS_SNAPSHOT_H
#define VMX_STATS_SNAPSHOT_H

#include <vecmux/stats.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "stats/histogram.h"
#include "stats/metrics.h"

typedef struct vmx_series {
    vmx_metric_id id;
    vmx_label labels[VMX_METRIC_LABELS];
    double value;
    const vmx_histogram *histogram; /* of a histogram, in the snapshot's arena */
} vmx_series;

struct vmx_stats {
    vmx_arena arena; /* label values, histograms */
    vmx_series *series;
    size_t count, capacity;
    bool failed; /* memory was out: sticky */
    vmx_buffer json, prometheus;
};

/* NULL when memory is out. */
vmx_stats *
vmx_stats_new(void);

/* Adds a series; its labels' values are copied (NULL where the metric has none). In the order of the table. */
void
vmx_stats_add(vmx_stats *stats, vmx_metric_id id, double value, const char *label, const char *second_label);

void
vmx_stats_add_histogram(vmx_stats *stats, vmx_metric_id id, const vmx_histogram *histogram, const char *label);

/* The upper edge of bucket `bucket` of those that are shown, microseconds; 0 for the last one, which has none. */
uint64_t
vmx_stats_bucket_edge_us(size_t bucket);

/* Appends `text` with a backslash before what the format reserves: quotes, backslashes, line feeds; for JSON every other
 * control character too. */
void
vmx_stats_append_escaped(vmx_buffer *out, vmx_str text, vmx_stats_format format);

void
vmx_stats_append_number(vmx_buffer *out, double value);

void
vmx_stats_write_json(const vmx_stats *stats, vmx_buffer *out);
void
vmx_stats_write_prometheus(const vmx_stats *stats, vmx_buffer *out);

#endif
