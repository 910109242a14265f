#include "scenarios.h"

#define DEFAULT_MATCHES 100

static bool
measure(const bench_options *options, bench_report *report, size_t in_flight, bool read_metadata)
{
    bench_queries queries;
    bool good = bench_queries_init(&queries, options);
    queries.read_metadata = read_metadata;
    bench_row *row = bench_report_add(report, in_flight, "%s", read_metadata ? "values and metadata" : "values");
    good = good && bench_queries_measure(options, &queries, row);
    bench_queries_free(&queries);
    return good;
}

/* The server's replies decide what is decoded: vecmuxd --discard --discard-reply 100,768,metadata. */
bool
bench_decode(const bench_options *options, bench_report *report)
{
    bench_options with_all = *options;
    with_all.with_values = with_all.with_metadata = true;
    if (with_all.top_k < DEFAULT_MATCHES)
        with_all.top_k = DEFAULT_MATCHES;
    size_t levels[BENCH_MAX_LEVELS];
    bench_options_levels(options, levels);
    return measure(&with_all, report, levels[0], false) && measure(&with_all, report, levels[0], true);
}
