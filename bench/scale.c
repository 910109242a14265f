#include "scenarios.h"

bool
bench_scale(const bench_options *options, bench_report *report)
{
    bench_queries queries;
    bool good = bench_queries_init(&queries, options);
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    for (size_t i = 0; i < count && good; i++) {
        good =
            bench_queries_measure(options, &queries, bench_report_add(report, levels[i], "%zu in flight", levels[i]));
    }
    bench_queries_free(&queries);
    return good;
}
