/*
 * vecmux-bench: measures vecmux, over its public headers. docs/performance.md explains how, and what it means.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocations.h"
#include "processes.h"
#include "scenarios.h"

static const struct {
    const char *name;
    bench_scenario *run;
} scenarios[] = {
    {"query", bench_query},   {"upsert", bench_upsert},     {"latency", bench_latency}, {"scale", bench_scale},
    {"mixed", bench_mixed},   {"channels", bench_channels}, {"decode", bench_decode},   {"load", bench_load},
    {"upload", bench_upload}, {"download", bench_download},
};

static const char head[] =
    "usage: vecmux-bench SCENARIO [options]\n"
    "\n"
    "Measures vecmux against a server, best vecmuxd --discard, which costs less than any client.\n"
    "  query      queries, --in-flight at a time; the ids and scores of their matches are read\n"
    "  upsert     batches of vectors\n"
    "  load       vectors through the bulk writer; an operation is a batch\n"
    "  latency    queries one after the other, each waited for\n"
    "  scale      queries, 1 to 10,000 in flight\n"
    "  mixed      upserts, queries, fetches and deletes by --weights\n"
    "  channels   queries over 1 to 16 connections\n"
    "  decode     queries whose replies have values and metadata: all of it is read\n"
    "  upload     the vectors of a remote build, --bytes of them; an operation is a MiB\n"
    "  download   the index built of such vectors, by a server that builds; an operation is a MiB\n";

static bench_scenario *
find_scenario(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return scenarios[i].run;
    return NULL;
}

int
main(int argc, char **argv)
{
    bench_options options;
    int exit_code;
    if (!bench_options_parse(&options, argc, argv, head, &exit_code))
        return exit_code;
    bench_scenario *run = find_scenario(options.scenario);
    if (!run) {
        fprintf(stderr, "bench: there is no scenario \"%s\"; see --help\n", options.scenario);
        return 2;
    }
    if (!bench_options_send_ready(&options))
        return 2;
    bench_allocations_watch(options.driven);
    bench_meter_set_allocations(bench_allocations_count);
    char versions[256];
    snprintf(versions, sizeof versions, "vecmux %s, %s", vmx_version(), vmx_version_details());
    bench_report report = {
        .client = options.driven ? "vecmux driven" : "vecmux background", .versions = versions, .options = &options};
    bool good = options.processes > 1 ? bench_processes_run(&options, argv, &report) : run(&options, &report);
    report.failed = report.failed || !good;
    exit_code = bench_report_print(&report);
    bench_report_free(&report);
    return exit_code;
}
