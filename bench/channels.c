#include "scenarios.h"

#define IN_FLIGHT 64

bool
bench_channels(const bench_options *options, bench_report *report)
{
    bench_queries queries;
    bool good = bench_queries_init(&queries, options);
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    for (size_t i = 0; i < count && good; i++) {
        bench_row *row = bench_report_add(report, IN_FLIGHT, "%zu channels, %d in flight", levels[i], IN_FLIGHT);
        row->channels = levels[i];
        good = bench_queries_measure(options, &queries, row);
    }
    bench_queries_free(&queries);
    return good;
}
