#include "report_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Numbers separated by commas on the command line. */
static json_t *
numbers_json(const size_t *numbers, size_t count)
{
    json_t *json = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(json, json_integer((json_int_t)numbers[i]));
    return json;
}

static json_t *
transfer_json(const bench_transfer *transfer)
{
    return json_pack("{s:I, s:I, s:o, s:s, s:s, s:I, s:b}", "bytes", (json_int_t)transfer->bytes, "part_bytes",
                     (json_int_t)transfer->part_bytes, "parts",
                     numbers_json(transfer->parts, transfer->part_level_count), "digest",
                     transfer->sha256 ? "sha256" : "crc32c", "source", bench_rows_kind_name(transfer->rows),
                     "deleted_percent", (json_int_t)transfer->deleted_percent, "graph_only", transfer->graph_only);
}

static json_t *
load_json(const bench_options *options)
{
    const bench_weights *weights = &options->weights;
    json_t *extra = json_array();
    for (size_t i = 0; i < options->setting_count; i++)
        json_array_append_new(extra, json_string(options->settings[i]));
    return json_pack("{s:I, s:I, s:I, s:b, s:s, s:[i,i,i,i], s:s, s:I, s:o}", "batch",
                     (json_int_t)bench_options_batch(options), "vectors", (json_int_t)options->vectors, "payload",
                     (json_int_t)options->payload, "lend", options->lend, "send", bench_send_name(options->send),
                     "weights", (int)weights->upsert, (int)weights->query, (int)weights->fetch, (int)weights->del,
                     "ids", options->zipfian ? "zipfian" : "uniform", "id_count", (json_int_t)options->id_count, "set",
                     extra);
}

/* All options, with their defaults. */
static json_t *
settings_json(const bench_options *options)
{
    size_t levels[BENCH_MAX_LEVELS], level_count = bench_options_levels(options, levels);
    json_t *settings =
        json_pack("{s:s, s:b, s:o, s:I, s:I, s:b, s:b, s:I, s:f, s:f, s:f, s:b, s:I, s:I, s:o}", "endpoint",
                  options->endpoint, "tls", options->tls_ca != NULL, "levels", numbers_json(levels, level_count),
                  "dimension", (json_int_t)options->dimension, "top_k", (json_int_t)options->top_k, "with_values",
                  options->with_values, "with_metadata", options->with_metadata, "seed", (json_int_t)options->seed,
                  "seconds", options->seconds, "warm_up_s", options->warm_up_s, "rate", options->rate, "driven",
                  options->driven, "channels", (json_int_t)options->channels, "processes",
                  (json_int_t)options->processes, "transfer", transfer_json(&options->transfer));
    json_object_update_new(settings, load_json(options));
    return settings;
}

/* Microseconds; null where no latency was measured. */
static json_t *
us_json(const bench_histogram *latency, double ns)
{
    return latency->count > 0 ? json_real(ns / 1e3) : json_null();
}

static json_t *
latency_json(const bench_histogram *latency)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
    double count = latency->count > 0 ? (double)latency->count : 1;
    json_t *json =
        json_pack("{s:o, s:o, s:o}", "min", us_json(latency, (double)latency->min), "mean",
                  us_json(latency, (double)latency->sum / count), "max", us_json(latency, (double)latency->max));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        json_object_set_new(json, quantiles[i].name,
                            us_json(latency, (double)bench_histogram_quantile(latency, quantiles[i].q)));
    return json;
}

static json_t *
histogram_json(const bench_histogram *histogram)
{
    json_t *json = json_array();
    for (size_t i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        if (histogram->counts[i] > 0)
            json_array_append_new(json, json_pack("[I,I]", (json_int_t)i, (json_int_t)histogram->counts[i]));
    return json;
}

static json_t *
row_json(const bench_row *row)
{
    double operations = (double)row->operations;
    double done = operations + (double)row->errors > 0 ? operations + (double)row->errors : 1;
    double seconds = row->seconds > 0 ? row->seconds : 1;
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f}", "label", row->label,
        "in_flight", (json_int_t)row->in_flight, "channels", (json_int_t)row->channels, "operations",
        (json_int_t)row->operations, "errors", (json_int_t)row->errors, "seconds", row->seconds, "ops_per_s",
        operations / seconds, "payload_mb_per_s", operations * row->payload_bytes / seconds / 1e6,
        "payload_bytes_per_op", row->payload_bytes, "wire_bytes_per_op", bench_row_wire_bytes(row), "cpu_us_per_op",
        (row->user_s + row->system_s) * 1e6 / done, "user_us_per_op", row->user_s * 1e6 / done, "system_us_per_op",
        row->system_s * 1e6 / done, "switches_per_op", (double)row->switches / done, "peak_rss_kb",
        (json_int_t)row->peak_rss_kb, "checksum", row->checksum);
    if (row->part_count > 0)
        json_object_set_new(json, "parts", json_integer((json_int_t)row->part_count));
    json_object_set_new(json, "wire_bytes_counted", json_boolean(row->wire_counted > 0));
    json_object_set_new(json, "unstarted", json_integer((json_int_t)row->unstarted));
    json_object_set_new(json, "attempts", row->attempts > 0 ? json_integer((json_int_t)row->attempts) : json_null());
    json_object_set_new(json, "allocations_per_op",
                        row->has_allocations ? json_real((double)row->allocations / done) : json_null());
    json_object_set_new(json, "rss_bytes_per_call",
                        row->rss_per_call >= 0 ? json_real(row->rss_per_call) : json_null());
    if (row->budget_limit > 0)
        json_object_set_new(json, "memory",
                            json_pack("{s:I, s:I, s:I, s:I}", "peak_anon_kb", (json_int_t)row->peak_anon_kb,
                                      "limit_bytes", (json_int_t)row->budget_limit, "peak_bytes",
                                      (json_int_t)row->budget_peak, "end_bytes", (json_int_t)row->budget_end));
    json_object_set_new(json, "latency_us", latency_json(&row->latency));
    json_object_set_new(json, "histogram", histogram_json(&row->latency));
    return json;
}

bool
bench_report_print_json(const bench_report *report)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < report->row_count; i++)
        json_array_append_new(rows, row_json(&report->rows[i]));
    json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "client", report->client, "scenario",
                             report->options->scenario, "versions", report->versions, "failed", report->failed,
                             "settings", settings_json(report->options), "rows", rows);
    bool good = json && json_dumpf(json, stdout, JSON_REAL_PRECISION(10)) == 0 && putchar('\n') != EOF;
    json_decref(json);
    return good;
}

/* --- merging ------------------------------------------------------------------------------------------------------ */

static double
number(const json_t *json, const char *name)
{
    return json_number_value(json_object_get(json, name));
}

static uint64_t
whole(const json_t *json, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(json, name));
}

static bool
read_histogram(const json_t *json, bench_histogram *histogram)
{
    const json_t *latency = json_object_get(json, "latency_us"), *buckets = json_object_get(json, "histogram");
    bench_histogram_reset(histogram);
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        const json_t *pair = json_array_get(buckets, i);
        json_int_t bucket = json_integer_value(json_array_get(pair, 0));
        uint64_t count = (uint64_t)json_integer_value(json_array_get(pair, 1));
        if (bucket < 0 || bucket >= BENCH_HISTOGRAM_BUCKETS)
            return false;
        histogram->counts[bucket] += count;
        histogram->count += count;
    }
    histogram->min = histogram->count > 0 ? (uint64_t)(number(latency, "min") * 1e3) : UINT64_MAX;
    histogram->max = (uint64_t)(number(latency, "max") * 1e3);
    histogram->sum = (uint64_t)(number(latency, "mean") * 1e3 * (double)histogram->count);
    return true;
}

/* Calls in flight add up; what each adds is the mean over the processes. */
static void
merge_rss_per_call(bench_row *row, const json_t *json)
{
    double before = (double)row->in_flight, others = number(json, "in_flight");
    row->in_flight += whole(json, "in_flight");
    if (json_is_real(json_object_get(json, "rss_bytes_per_call")))
        row->rss_per_call =
            (fmax(row->rss_per_call, 0) * before + number(json, "rss_bytes_per_call") * others) / (before + others);
}

/* Rates add up: so the window of the sum is the longest one. */
static bool
merge_row(bench_row *row, const json_t *json)
{
    static bench_histogram latency;
    double done = number(json, "operations") + number(json, "errors");
    if (!json_is_object(json) || !read_histogram(json, &latency))
        return false;
    bench_histogram_merge(&row->latency, &latency);
    row->operations += whole(json, "operations");
    row->errors += whole(json, "errors");
    row->attempts += whole(json, "attempts");
    row->unstarted += whole(json, "unstarted");
    merge_rss_per_call(row, json);
    row->allocations += (uint64_t)(number(json, "allocations_per_op") * done + 0.5);
    row->has_allocations = json_is_real(json_object_get(json, "allocations_per_op"));
    row->seconds = number(json, "seconds") > row->seconds ? number(json, "seconds") : row->seconds;
    row->user_s += number(json, "user_us_per_op") * done / 1e6;
    row->system_s += number(json, "system_us_per_op") * done / 1e6;
    row->switches += (uint64_t)(number(json, "switches_per_op") * done + 0.5);
    row->payload_bytes = number(json, "payload_bytes_per_op");
    row->wire_bytes = number(json, "wire_bytes_per_op");
    if (json_is_true(json_object_get(json, "wire_bytes_counted")))
        row->wire_counted += row->wire_bytes * done;
    row->peak_rss_kb += whole(json, "peak_rss_kb");
    row->checksum += number(json, "checksum");
    return true;
}

bool
bench_report_merge(bench_report *report, const char *json)
{
    json_t *other = json_loads(json, 0, NULL);
    const json_t *rows = json_object_get(other, "rows");
    size_t count = json_array_size(rows);
    bool first = report->row_count == 0;
    bool good = count > 0 && (first || count == report->row_count);
    for (size_t i = 0; i < count && good; i++) {
        const json_t *row = json_array_get(rows, i);
        if (first) {
            const char *label = json_string_value(json_object_get(row, "label"));
            bench_report_add(report, 0, "%s", label ? label : "")->channels = whole(row, "channels");
        }
        good = merge_row(&report->rows[i], row);
    }
    report->failed = report->failed || !good || json_is_true(json_object_get(other, "failed"));
    json_decref(other);
    return good;
}
