#include "stats/snapshot.h"

static void
write_labels(const vmx_sample *sample, vmx_buffer *out)
{
    vmx_buffer_append_text(out, "{\"labels\":{");
    for (size_t i = 0; i < sample->label_count; i++) {
        vmx_buffer_printf(out, "%s\"%s\":\"", i > 0 ? "," : "", sample->labels[i].name);
        vmx_stats_append_escaped(out, sample->labels[i].value, VMX_STATS_JSON);
        vmx_buffer_append_byte(out, '"');
    }
    vmx_buffer_append_byte(out, '}');
}

static void
write_field(const char *name, double value, vmx_buffer *out)
{
    vmx_buffer_printf(out, ",\"%s\":", name);
    vmx_stats_append_number(out, value);
}

static void
write_sample(const vmx_sample *sample, vmx_buffer *out)
{
    write_labels(sample, out);
    if (sample->type == VMX_METRIC_HISTOGRAM) {
        write_field("count", (double)sample->count, out);
        write_field("sum", sample->sum, out);
        write_field("p50", sample->p50, out);
        write_field("p90", sample->p90, out);
        write_field("p99", sample->p99, out);
        write_field("p99_9", sample->p99_9, out);
        write_field("p99_99", sample->p99_99, out);
        write_field("max", sample->max, out);
    } else {
        write_field("value", sample->value, out);
    }
    vmx_buffer_append_byte(out, '}');
}

void
vmx_stats_write_json(const vmx_stats *stats, vmx_buffer *out)
{
    vmx_buffer_append_byte(out, '{');
    for (size_t i = 0; i < stats->count; i++) {
        vmx_sample sample;
        vmx_sample_init(&sample, sizeof sample);
        vmx_stats_at(stats, i, &sample);
        bool first = i == 0 || stats->series[i - 1].id != stats->series[i].id;
        if (first)
            vmx_buffer_printf(out, "%s\"%s\":[", i > 0 ? "]," : "", sample.name);
        else
            vmx_buffer_append_byte(out, ',');
        write_sample(&sample, out);
    }
    vmx_buffer_append_text(out, stats->count > 0 ? "]}\n" : "}\n");
}
