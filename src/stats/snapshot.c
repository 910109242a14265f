#include "stats/snapshot.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/number.h"
#include "core/sized.h"

#define US_PER_S 1e6

/* --- filling ------------------------------------------------------------------------------------------------------- */

vmx_stats *
vmx_stats_new(void)
{
    return vmx_calloc(1, sizeof(vmx_stats));
}

void
vmx_stats_free(vmx_stats *stats)
{
    if (stats == NULL)
        return;
    vmx_arena_reset(&stats->arena);
    vmx_buffer_free(&stats->json);
    vmx_buffer_free(&stats->prometheus);
    vmx_dealloc(stats->series);
    vmx_dealloc(stats);
}

static vmx_series *
next_series(vmx_stats *stats)
{
    if (stats->count == stats->capacity) {
        size_t capacity = stats->capacity > 0 ? 2 * stats->capacity : 128;
        vmx_series *grown = vmx_realloc(stats->series, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        stats->series = grown;
        stats->capacity = capacity;
    }
    return memset(&stats->series[stats->count++], 0, sizeof(vmx_series));
}

static vmx_series *
add_series(vmx_stats *stats, vmx_metric_id id, const char *const values[VMX_METRIC_LABELS])
{
    const vmx_metric_row *row = vmx_metric_row_of(id);
    vmx_series *series = next_series(stats);
    stats->failed = stats->failed || series == NULL;
    if (series == NULL)
        return NULL;
    series->id = id;
    for (size_t i = 0; i < vmx_metric_label_count(row); i++) {
        series->labels[i].name = row->labels[i];
        series->labels[i].value = vmx_arena_str(&stats->arena, vmx_str_from(values[i]));
        stats->failed = stats->failed || series->labels[i].value.ptr == NULL;
    }
    return series;
}

void
vmx_stats_add(vmx_stats *stats, vmx_metric_id id, double value, const char *label, const char *second_label)
{
    vmx_series *series = add_series(stats, id, (const char *const[]){label, second_label});
    if (series != NULL)
        series->value = value;
}

void
vmx_stats_add_histogram(vmx_stats *stats, vmx_metric_id id, const vmx_histogram *histogram, const char *label)
{
    vmx_histogram *copy = vmx_arena_alloc(&stats->arena, sizeof *copy);
    stats->failed = stats->failed || copy == NULL;
    if (copy == NULL)
        return;
    *copy = *histogram;
    vmx_series *series = add_series(stats, id, (const char *const[]){label, NULL});
    if (series != NULL)
        series->histogram = copy;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

void
vmx_sample_init(vmx_sample *sample, size_t size)
{
    vmx_sized_init(sample, size);
}

size_t
vmx_stats_count(const vmx_stats *stats)
{
    return stats->count;
}

static double
quantile_s(const vmx_histogram *histogram, double quantile)
{
    return vmx_histogram_quantile(histogram, quantile) / US_PER_S;
}

static void
read_histogram(vmx_sample *sample, const vmx_histogram *histogram)
{
    sample->count = histogram->count;
    sample->sum = (double)histogram->sum_us / US_PER_S;
    sample->p50 = quantile_s(histogram, 0.5);
    sample->p90 = quantile_s(histogram, 0.9);
    sample->p99 = quantile_s(histogram, 0.99);
    sample->p99_9 = quantile_s(histogram, 0.999);
    sample->p99_99 = quantile_s(histogram, 0.9999);
    sample->max = (double)histogram->max_us / US_PER_S;
}

bool
vmx_stats_at(const vmx_stats *stats, size_t i, vmx_sample *sample)
{
    if (i >= stats->count)
        return false;
    const vmx_series *series = &stats->series[i];
    const vmx_metric_row *row = vmx_metric_row_of(series->id);
    vmx_sample ours = {
        .name = row->name,
        .type = row->type,
        .labels = series->labels,
        .label_count = vmx_metric_label_count(row),
        .value = series->value,
    };
    if (series->histogram != NULL)
        read_histogram(&ours, series->histogram);
    vmx_sized_write(sample, &ours, sizeof ours);
    return true;
}

/* Two to each doubling, from 64 us to 67 s: edges of the histogram's own buckets, so no count is a guess. */
uint64_t
vmx_stats_bucket_edge_us(size_t bucket)
{
    if (bucket > 40)
        return 0;
    uint64_t power = (uint64_t)64 << bucket / 2;
    return bucket % 2 == 0 ? power : power + power / 2;
}

bool
vmx_stats_bucket(const vmx_stats *stats, size_t i, size_t bucket, double *upper, uint64_t *count)
{
    const vmx_histogram *histogram = i < stats->count ? stats->series[i].histogram : NULL;
    bool inside = bucket == 0 || vmx_stats_bucket_edge_us(bucket - 1) != 0;
    if (histogram == NULL || !inside)
        return false;
    uint64_t edge_us = vmx_stats_bucket_edge_us(bucket);
    *upper = edge_us != 0 ? (double)edge_us / US_PER_S : (double)INFINITY;
    *count = edge_us != 0 ? vmx_histogram_below(histogram, edge_us) : histogram->count;
    return true;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

void
vmx_stats_append_escaped(vmx_buffer *out, vmx_str text, vmx_stats_format format)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n')
            vmx_buffer_append_text(out, "\\n");
        else if (format == VMX_STATS_JSON && (unsigned char)c < ' ')
            vmx_buffer_printf(out, "\\u%04x", (unsigned)c);
        else if (c == '"' || c == '\\')
            vmx_buffer_printf(out, "\\%c", c);
        else
            vmx_buffer_append_byte(out, (uint8_t)c);
    }
}

void
vmx_stats_append_number(vmx_buffer *out, double value)
{
    char text[VMX_NUMBER_SIZE];
    vmx_buffer_append(out, text, vmx_number_format(value, text));
}

vmx_status
vmx_stats_text(vmx_stats *stats, vmx_stats_format format, vmx_str *text, vmx_error *error)
{
    if (format != VMX_STATS_JSON && format != VMX_STATS_PROMETHEUS)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "stats: there is no format %d; use VMX_STATS_JSON or "
                             "VMX_STATS_PROMETHEUS",
                             (int)format);
    vmx_buffer *out = format == VMX_STATS_JSON ? &stats->json : &stats->prometheus;
    if (out->len == 0 && format == VMX_STATS_JSON)
        vmx_stats_write_json(stats, out);
    else if (out->len == 0)
        vmx_stats_write_prometheus(stats, out);
    if (out->failed) {
        vmx_buffer_free(out);
        *out = (vmx_buffer){0};
        return vmx_error_no_memory(error);
    }
    *text = (vmx_str){(const char *)out->data, out->len};
    return VMX_OK;
}
