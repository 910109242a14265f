#include "meter.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "wire_count.h"

/* HEADERS frames of about 35, 10 and 10 bytes with headers that are in the dynamic table, two gRPC prefixes. */
#define FIXED_WIRE_BYTES (35.0 + 10.0 + 10.0 + 2 * 5.0)
#define FRAME_BYTES      16384.0 /* the largest DATA frame by default (RFC 9113, SETTINGS_MAX_FRAME_SIZE) */
#define FRAME_HEAD_BYTES 9.0
#define RESET_PEAK       "5\n" /* proc(5), /proc/pid/clear_refs */

static uint64_t (*count_allocations)(void);

void
bench_meter_set_allocations(uint64_t (*count)(void))
{
    count_allocations = count;
}

double
bench_wire_bytes(double request_bytes, double reply_bytes)
{
    double frames = 2 + (double)(size_t)(request_bytes / FRAME_BYTES) + (double)(size_t)(reply_bytes / FRAME_BYTES);
    return request_bytes + reply_bytes + FIXED_WIRE_BYTES + frames * FRAME_HEAD_BYTES;
}

static void
reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return;
    fputs(RESET_PEAK, file);
    fclose(file);
}

/* A line of /proc/self/status, in kB; 0 where there is none. */
static size_t
read_status(const char *name)
{
    char line[128];
    size_t value = 0, name_len = strlen(name);
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, name_len) == 0 && sscanf(line + name_len, "%zu", &value) == 1)
            break;
    if (file)
        fclose(file);
    return value;
}

static double
seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static bench_usage
read_usage(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (bench_usage){.user_s = seconds_of(usage.ru_utime),
                         .system_s = seconds_of(usage.ru_stime),
                         .switches = (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw),
                         .allocations = count_allocations ? count_allocations() : 0};
}

void
bench_meter_begin(bench_meter *meter, bench_row *row, const bench_options *options)
{
    reset_peak();
    uint64_t now = bench_now_ns();
    uint64_t begin = now + bench_ns(options->warm_up_s);
    *meter = (bench_meter){.row = row, .begin_ns = begin, .end_ns = begin + bench_ns(options->seconds)};
    meter->rss_before_kb = read_status("VmRSS:");
    bench_histogram_reset(&row->latency);
    row->operations = row->errors = row->attempts = row->allocations = row->unstarted = 0;
    row->has_allocations = count_allocations != NULL;
    row->rss_per_call = -1;
}

static void
open_window(bench_meter *meter, uint64_t now_ns)
{
    meter->counting = true;
    meter->wire_before = bench_wire_count();
    meter->before = read_usage();
    meter->window_ns = now_ns;
    meter->end_ns += now_ns - meter->begin_ns;
}

static void
close_window(bench_meter *meter, uint64_t now_ns)
{
    bench_row *row = meter->row;
    bench_usage after = read_usage();
    meter->over = true;
    row->seconds = (double)(now_ns - meter->window_ns) / BENCH_NS_PER_S;
    row->user_s = after.user_s - meter->before.user_s;
    row->system_s = after.system_s - meter->before.system_s;
    row->switches = after.switches - meter->before.switches;
    row->allocations = after.allocations - meter->before.allocations;
    uint64_t wire = bench_wire_count(); /* less, where a connection was closed in the meantime */
    row->wire_counted = wire > meter->wire_before ? (double)(wire - meter->wire_before) : 0;
    row->peak_rss_kb = read_status("VmHWM:");
    double grown_kb = (double)read_status("VmRSS:") - (double)meter->rss_before_kb;
    if (row->in_flight > 0)
        row->rss_per_call = grown_kb * 1024 / (double)row->in_flight;
}

bool
bench_meter_tick(bench_meter *meter, uint64_t now_ns)
{
    if (!meter->counting && now_ns >= meter->begin_ns)
        open_window(meter, now_ns);
    else if (meter->counting && !meter->over && now_ns >= meter->end_ns)
        close_window(meter, now_ns);
    return !meter->over;
}

void
bench_meter_count(bench_meter *meter, uint64_t operations)
{
    if (meter->counting && !meter->over)
        meter->row->operations += operations;
}

void
bench_meter_end(bench_meter *meter, uint64_t now_ns)
{
    if (!meter->counting)
        open_window(meter, now_ns);
    if (!meter->over)
        close_window(meter, now_ns);
}

void
bench_meter_sample_memory(bench_meter *meter)
{
    size_t now_kb = read_status("RssAnon:");
    if (now_kb > meter->row->peak_anon_kb)
        meter->row->peak_anon_kb = now_kb;
}

void
bench_meter_of_work_alone(bench_row *row)
{
    row->seconds = row->user_s = (double)row->latency.sum / BENCH_NS_PER_S;
    row->system_s = 0;
}

static void
count_ended(bench_row *row, uint64_t latency_ns, bool ok, size_t attempts)
{
    row->attempts += attempts;
    if (ok) {
        row->operations++;
        bench_histogram_record(&row->latency, latency_ns);
    } else {
        row->errors++;
    }
}

bool
bench_meter_record(bench_meter *meter, uint64_t start_ns, uint64_t now_ns, bool ok, size_t attempts)
{
    bool counting = meter->counting;
    if (!bench_meter_tick(meter, now_ns))
        return false;
    if (counting)
        count_ended(meter->row, now_ns - start_ns, ok, attempts);
    return true;
}

void
bench_meter_record_late(bench_meter *meter, uint64_t start_ns, uint64_t now_ns, bool ok, size_t attempts)
{
    if (meter->over && start_ns >= meter->window_ns)
        count_ended(meter->row, now_ns - start_ns, ok, attempts);
}

double
bench_row_wire_bytes(const bench_row *row)
{
    double done = (double)row->operations + (double)row->errors;
    return row->wire_counted > 0 && done > 0 ? row->wire_counted / done : row->wire_bytes;
}
