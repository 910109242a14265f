/*
 * vecmux/stats.h: what a client has done so far and how it stands: counters, gauges and latency histograms.
 *
 * Nothing is sent anywhere and nothing is queued: a snapshot is taken when it is asked for, and read as typed values, as
 * JSON or in the text format of Prometheus. All three come from one table of metrics, which docs/STATISTICS.md lists.
 *
 * What happens on the way of a call is counted by each thread for itself, without atomic operations; a snapshot adds that
 * up. The counts of an operation are complete when it has completed.
 */
#ifndef VECMUX_STATS_H
#define VECMUX_STATS_H

#include <vecmux/client.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- the table ------------------------------------------------------------------------------------------------------- */

typedef enum vmx_metric_type {
    VMX_METRIC_COUNTER = 0,  /* only grows, from 0 when the client is opened */
    VMX_METRIC_GAUGE = 1,    /* as it is now */
    VMX_METRIC_HISTOGRAM = 2 /* how many lay where: count, sum, quantiles, buckets */
} vmx_metric_type;

/* A row of the table. The texts are static. */
typedef struct vmx_metric {
    size_t size;
    const char *name; /* as Prometheus has it, "vecmux_calls_total" */
    vmx_metric_type type;
    const char *unit;          /* "seconds", "bytes"; "" for a number of things */
    const char *const *labels; /* the labels' names */
    size_t label_count;
    const char *help; /* one sentence or two */
} vmx_metric;

VMX_API void
vmx_metric_init(vmx_metric *metric, size_t size);

/* Fills `metric` with row `i` of the table; false when there is none. */
VMX_API bool
vmx_metric_at(size_t i, vmx_metric *metric);

/* --- a snapshot ------------------------------------------------------------------------------------------------------ */

typedef struct vmx_stats vmx_stats;

/*
 * Takes a snapshot. Any thread, at any time until vmx_client_free, also after vmx_client_close. It costs some
 * microseconds for each connection and operation in use, and takes the locks of pool, queues and writers for moments; the
 * counts of calls are read without one. Give it back with vmx_stats_free. Errors: VMX_ERR_NO_MEMORY, VMX_ERR_FORKED.
 */
VMX_API vmx_status
vmx_client_stats(vmx_client *client, vmx_stats **stats, vmx_error *error);

/* NULL is allowed. */
VMX_API void
vmx_stats_free(vmx_stats *stats);

/* A label. A value; frozen. */
typedef struct vmx_label {
    const char *name; /* static */
    vmx_str value;    /* borrowed from the snapshot; ends in NUL */
} vmx_label;

/* One series: a metric with one combination of its labels. */
typedef struct vmx_sample {
    size_t size;
    const char *name; /* static */
    vmx_metric_type type;
    const vmx_label *labels; /* borrowed from the snapshot */
    size_t label_count;
    double value; /* of a counter or gauge */
    /* Of a histogram, in its metric's unit. The quantiles are at most 1.6 % off, max is exact; all 0 without values. */
    uint64_t count;
    double sum;
    double p50, p90, p99, p99_9, p99_99, max;
} vmx_sample;

VMX_API void
vmx_sample_init(vmx_sample *sample, size_t size);

/* How many series the snapshot has. Those of one metric stand together, in the order of the table. */
VMX_API size_t
vmx_stats_count(const vmx_stats *stats);

/* Fills `sample` with series `i`; false when there is none. */
VMX_API bool
vmx_stats_at(const vmx_stats *stats, size_t i, vmx_sample *sample);

/*
 * Bucket `bucket` of series `i`: how many values (`count`, of all buckets up to this one) were at most `upper`, in the
 * metric's unit; the last is infinite. False when there is no such bucket, or the series is no histogram.
 */
VMX_API bool
vmx_stats_bucket(const vmx_stats *stats, size_t i, size_t bucket, double *upper, uint64_t *count);

typedef enum vmx_stats_format {
    /* {"vecmux_calls_total":[{"labels":{"operation":"query","status":"VMX_OK"},"value":3}],
     *  "vecmux_call_duration_seconds":[{"labels":{...},"count":3,"sum":...,"p50":...,...,"p99_99":...,"max":...}],...} */
    VMX_STATS_JSON = 0,
    /* Prometheus text exposition format 0.0.4; histograms have their _bucket, _sum and _count series. */
    VMX_STATS_PROMETHEUS = 1
} vmx_stats_format;

/*
 * The snapshot as text, UTF-8, ending in a line feed. Not thread safe for one snapshot. Borrowed from it, until it is
 * freed. Errors: VMX_ERR_INVALID (no such format), VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_stats_text(vmx_stats *stats, vmx_stats_format format, vmx_str *text, vmx_error *error);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_STATS_H */
