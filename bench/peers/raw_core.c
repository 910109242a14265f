/*
 * raw_core: a loop on gRPC core in one thread, as fast as one is written by hand. The floor for vecmux's driven mode.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../clock.h"
#include "../report.h"
#include "raw_call.h"

static const char head[] = "usage: raw_core query|latency|scale|decode|upsert [options]\n";

/* Waits for the next call that has ended. */
static raw_call *
next_ended(const raw_channel *channel)
{
    return grpc_completion_queue_next(channel->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).tag;
}

static size_t
run_calls(raw_channel *channel, raw_call *calls, bench_row *row, const bench_options *options)
{
    bench_meter meter;
    size_t open = row->in_flight, reply_bytes = 0;
    bench_meter_begin(&meter, row, options);
    for (size_t i = 0; i < open; i++)
        raw_call_start(channel, &calls[i], bench_now_ns());
    while (open > 0) {
        raw_call *ended = next_ended(channel);
        uint64_t now = bench_now_ns();
        bool going_on = bench_meter_tick(&meter, now);
        bool ok = raw_call_finish(ended);
        reply_bytes = ended->reply_bytes;
        bench_meter_record(&meter, ended->start_ns, now, ok, 1);
        if (going_on)
            raw_call_start(channel, ended, bench_now_ns());
        else
            open--;
    }
    return reply_bytes;
}

static bool
measure(const bench_options *options, bench_row *row)
{
    raw_channel channel;
    raw_call *calls = calloc(row->in_flight, sizeof *calls);
    bool good = raw_channel_open(&channel, options) && calls;
    for (size_t i = 0; i < row->in_flight && good; i++)
        raw_call_init(&calls[i]);
    if (good) {
        raw_sizes(&channel, run_calls(&channel, calls, row, options), row);
        for (size_t i = 0; i < row->in_flight; i++)
            raw_call_destroy(&calls[i]);
    }
    raw_channel_close(&channel);
    free(calls);
    return good;
}

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code) || !bench_options_are_plain(&options))
        return exit_code;
    bench_report report = {.client = "raw_core", .versions = raw_versions(), .options = &options};
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(&options, levels);
    for (size_t i = 0; i < count && !report.failed; i++)
        report.failed = !measure(&options, bench_report_add(&report, levels[i], "%zu in flight", levels[i]));
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
