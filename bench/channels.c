#include "scenarios.h"

#define IN_FLIGHT 64

static const size_t default_levels[] = {1, 2, 4, 8, 16};

bool
bench_channels(const bench_options *options, bench_report *report)
{
    bench_queries queries;
    bool good = bench_queries_init(&queries, options);
    size_t count = options->level_count > 0 ? options->level_count : sizeof default_levels / sizeof default_levels[0];
    for (size_t i = 0; i < count && good; i++) {
        size_t channels = options->level_count > 0 ? options->levels[i] : default_levels[i];
        bench_row *row = bench_report_add(report, IN_FLIGHT, "%zu channels, %d in flight", channels, IN_FLIGHT);
        row->channels = channels;
        good = bench_queries_measure(options, &queries, row);
    }
    bench_queries_free(&queries);
    return good;
}
