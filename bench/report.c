#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_json.h"

#define FIXED_SIZE_S 86400 /* as long as work of a fixed size may take */

bench_row *
bench_report_add(bench_report *report, size_t in_flight, const char *label_format, ...)
{
    report->rows = realloc(report->rows, (report->row_count + 1) * sizeof *report->rows);
    if (!report->rows)
        abort();
    bench_row *row = &report->rows[report->row_count++];
    *row = (bench_row){.in_flight = in_flight, .channels = report->options->channels, .rss_per_call = -1};
    bench_histogram_reset(&row->latency);
    va_list args;
    va_start(args, label_format);
    vsnprintf(row->label, sizeof row->label, label_format, args);
    va_end(args);
    return row;
}

void
bench_report_free(bench_report *report)
{
    free(report->rows);
    report->rows = NULL;
    report->row_count = 0;
}

static void
print_settings(const bench_options *options)
{
    printf("top_k %u%s%s, %zu vectors to an upsert%s, payload %zu bytes, %zu channels, %zu %s ids", options->top_k,
           options->with_values ? " with values" : "", options->with_metadata ? " with metadata" : "",
           bench_options_batch(options), options->lend ? ", lent" : "", options->payload, options->channels,
           options->id_count, options->zipfian ? "zipfian" : "uniform");
    for (size_t i = 0; i < options->setting_count; i++)
        printf(", %s", options->settings[i]);
    printf("\n\n");
}

static void
print_head(const bench_report *report)
{
    const bench_options *options = report->options;
    printf("%s: %s against %s%s, %zu dimensions", options->scenario, report->client, options->endpoint,
           options->tls_ca ? " with TLS" : "", options->dimension);
    if (options->rate > 0)
        printf(strcmp(options->scenario, "load") == 0 ? ", paced at %.0f vectors/s"
                                                      : ", open loop at %.0f operations/s",
               options->rate);
    if (options->processes > 1)
        printf(", %zu processes", options->processes);
    if (options->vectors == 0 && options->seconds < FIXED_SIZE_S)
        printf("; %g s after %g s of warm-up", options->seconds, options->warm_up_s);
    printf(", seed %llu\n%s\n", (unsigned long long)options->seed, report->versions);
    print_settings(options);
    printf("%-26s %9s %8s %7s %8s %8s %8s %8s %8s %8s %7s %7s %6s %6s\n", "", "", "payload", "CPU us", "latency us", "",
           "", "", "", "", "peak", "allocs", "tries", "");
    printf("%-26s %9s %8s %7s %8s %8s %8s %8s %8s %8s %7s %7s %6s %6s\n", "", "op/s", "MB/s", "per op", "p50", "p90",
           "p99", "p99.9", "p99.99", "max", "RSS MB", "per op", "per op", "errors");
}

static void
print_us(const bench_histogram *latency, uint64_t ns)
{
    if (latency->count > 0)
        printf(" %8.1f", (double)ns / 1e3);
    else
        printf(" %8s", "-");
}

static void
print_latency(const bench_histogram *latency)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        print_us(latency, bench_histogram_quantile(latency, quantiles[i]));
    print_us(latency, latency->max);
}

static void
print_row(const bench_row *row)
{
    double operations = (double)row->operations;
    double done = operations + (double)row->errors > 0 ? operations + (double)row->errors : 1;
    printf("%-26s %9.0f %8.1f %7.2f", row->label, operations / row->seconds,
           operations * row->payload_bytes / row->seconds / 1e6, (row->user_s + row->system_s) * 1e6 / done);
    print_latency(&row->latency);
    printf(" %7.1f", (double)row->peak_rss_kb / 1024);
    if (row->has_allocations)
        printf(" %7.2f", (double)row->allocations / done);
    else
        printf(" %7s", "-");
    if (row->attempts > 0)
        printf(" %6.3f", (double)row->attempts / done);
    else
        printf(" %6s", "-");
    printf(" %6llu\n", (unsigned long long)row->errors);
}

static void
print_memory(const bench_row *row)
{
    if (row->budget_limit > 0)
        printf("%s: anonymous memory %.1f MiB at most; the client's account %.1f MiB at most, limit %.1f MiB, %llu "
               "bytes left "
               "at the end\n",
               row->label, (double)row->peak_anon_kb / 1024, (double)row->budget_peak / (1 << 20),
               (double)row->budget_limit / (1 << 20), (unsigned long long)row->budget_end);
}

static void
print_notes(const bench_report *report)
{
    for (size_t i = 0; i < report->row_count; i++)
        if (report->rows[i].in_flight >= 100 && report->rows[i].rss_per_call >= 0)
            printf("%s: %.1f KB of memory for each\n", report->rows[i].label, report->rows[i].rss_per_call / 1024);
    for (size_t i = 0; i < report->row_count; i++)
        if (report->rows[i].unstarted > 0)
            printf("%s: the rate was not kept: %llu operations were due at the end and had found no place in flight\n",
                   report->rows[i].label, (unsigned long long)report->rows[i].unstarted);
    for (size_t i = 0; i < report->row_count; i++)
        print_memory(&report->rows[i]);
    bench_row none = {.label = ""}, first = report->row_count > 0 ? report->rows[0] : none;
    printf("\nCPU is of the client's process. Bytes on the wire (%s): %.0f per operation.\n",
           first.wire_counted > 0 ? "of TCP, counted" : "estimated", bench_row_wire_bytes(&first));
}

static void
print_table(const bench_report *report)
{
    print_head(report);
    for (size_t i = 0; i < report->row_count; i++)
        if (report->rows[i].seconds > 0)
            print_row(&report->rows[i]);
    print_notes(report);
}

int
bench_report_print(const bench_report *report)
{
    bool good = !report->failed && report->row_count > 0, measured = false;
    for (size_t i = 0; i < report->row_count; i++) {
        good = good && report->rows[i].operations > 0;
        measured = measured || report->rows[i].seconds > 0;
    }
    if (report->options->json)
        good = bench_report_print_json(report) && good;
    else if (measured)
        print_table(report);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
