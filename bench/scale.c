#include "scenarios.h"

static const size_t default_levels[] = {1, 10, 100, 1000, 10000};

bool
bench_scale(const bench_options *options, bench_report *report)
{
    bench_queries queries;
    bool good = bench_queries_init(&queries, options);
    size_t count = options->level_count > 0 ? options->level_count : sizeof default_levels / sizeof default_levels[0];
    for (size_t i = 0; i < count && good; i++) {
        size_t in_flight = options->level_count > 0 ? options->levels[i] : default_levels[i];
        good =
            bench_queries_measure(options, &queries, bench_report_add(report, in_flight, "%zu in flight", in_flight));
    }
    bench_queries_free(&queries);
    return good;
}
