/* Prometheus text exposition format, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
#include "core/number.h"
#include "stats/snapshot.h"

static const char *
type_name(vmx_metric_type type)
{
    switch (type) {
    case VMX_METRIC_COUNTER:
        return "counter";
    case VMX_METRIC_GAUGE:
        return "gauge";
    case VMX_METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

/* The table's help texts have nothing that would need a backslash. */
static void
write_head(const vmx_metric_row *row, vmx_buffer *out)
{
    vmx_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, type_name(row->type));
}

/* Name and labels; `edge` (NULL: none) is the label le of a bucket. */
static void
write_name(const vmx_series *series, const char *suffix, const char *edge, vmx_buffer *out)
{
    const vmx_metric_row *row = vmx_metric_row_of(series->id);
    const char *before = "{";
    vmx_buffer_append_text(out, row->name);
    vmx_buffer_append_text(out, suffix);
    for (size_t i = 0; i < vmx_metric_label_count(row); i++) {
        vmx_buffer_printf(out, "%s%s=\"", before, series->labels[i].name);
        vmx_stats_append_escaped(out, series->labels[i].value, VMX_STATS_PROMETHEUS);
        vmx_buffer_append_byte(out, '"');
        before = ",";
    }
    if (edge != NULL) {
        vmx_buffer_printf(out, "%sle=\"%s\"", before, edge);
        before = ",";
    }
    vmx_buffer_append_text(out, *before == ',' ? "} " : " ");
}

static void
write_value(const vmx_series *series, const char *suffix, const char *edge, double value, vmx_buffer *out)
{
    write_name(series, suffix, edge, out);
    vmx_stats_append_number(out, value);
    vmx_buffer_append_byte(out, '\n');
}

static void
write_histogram(const vmx_series *series, vmx_buffer *out)
{
    const vmx_histogram *histogram = series->histogram;
    uint64_t edge_us;
    for (size_t i = 0; (edge_us = vmx_stats_bucket_edge_us(i)) != 0; i++) {
        char edge[VMX_NUMBER_SIZE];
        vmx_number_format((double)edge_us / 1e6, edge);
        write_value(series, "_bucket", edge, (double)vmx_histogram_below(histogram, edge_us), out);
    }
    write_value(series, "_bucket", "+Inf", (double)histogram->count, out);
    write_value(series, "_sum", NULL, (double)histogram->sum_us / 1e6, out);
    write_value(series, "_count", NULL, (double)histogram->count, out);
}

void
vmx_stats_write_prometheus(const vmx_stats *stats, vmx_buffer *out)
{
    for (size_t i = 0; i < stats->count; i++) {
        const vmx_series *series = &stats->series[i];
        if (i == 0 || stats->series[i - 1].id != series->id)
            write_head(vmx_metric_row_of(series->id), out);
        if (series->histogram != NULL)
            write_histogram(series, out);
        else
            write_value(series, "", NULL, series->value, out);
    }
}
