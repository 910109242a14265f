/*
 * report_json.h: the JSON form of a report.
 *
 *     {"client": ..., "scenario": ..., "versions": ..., "settings": {...}, "failed": false, "rows": [{...}, ...]}
 *
 * bench/peers/peer.py writes the same. In a row: "operations", "errors", "attempts" (null: not known), "seconds",
 * "ops_per_s", "payload_mb_per_s", "payload_bytes_per_op", "wire_bytes_per_op" (estimated), "cpu_us_per_op" with
 * "user_us_per_op" and "system_us_per_op", "switches_per_op", "allocations_per_op" (null), "peak_rss_kb",
 * "rss_bytes_per_call" (null), "latency_us" {"min", "mean", "p50", ..., "max"}, and "histogram": [[bucket, count], ...].
 */
#ifndef BENCH_REPORT_JSON_H
#define BENCH_REPORT_JSON_H

#include "report.h"

bool
bench_report_print_json(const bench_report *report);

#endif
