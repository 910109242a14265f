/* stats/snapshot.h, json.c, prometheus.c and the table: what the texts look like, and that they agree. */
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "core/suite.h"
#include "stats/snapshot.h"

static vmx_live_histogram live;

/* Values from 1 us to 100 s in three orders of magnitude. */
static vmx_histogram
some_values(void)
{
    vmx_histogram read = {0};
    memset(&live, 0, sizeof live);
    for (uint64_t us = 1; us <= 100000000; us *= 10)
        vmx_histogram_note(&live, us, false);
    vmx_histogram_add(&read, &live);
    return read;
}

static vmx_stats *
some_stats(void)
{
    vmx_stats *stats = vmx_stats_new();
    vmx_histogram values = some_values();
    ck_assert_ptr_nonnull(stats);
    vmx_stats_add(stats, VMX_M_INFO, 1, "1.0", "a \"quoted\\\n\" name\x01");
    vmx_stats_add(stats, VMX_M_CALLS, 12345678901, "query", "VMX_OK");
    vmx_stats_add(stats, VMX_M_CALLS, 0, "upsert", "VMX_OK");
    vmx_stats_add_histogram(stats, VMX_M_CALL_DURATION, &values, "query");
    vmx_stats_add(stats, VMX_M_GATE_LIMIT, 7.25, NULL, NULL);
    ck_assert(!stats->failed);
    return stats;
}

static const char *
text_of(vmx_stats *stats, vmx_stats_format format)
{
    static char copy[65536];
    vmx_str text;
    ck_assert_int_eq(vmx_stats_text(stats, format, &text, NULL), VMX_OK);
    ck_assert_uint_lt(text.len, sizeof copy);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

static void
check_holds(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in:\n%s", part, text);
}

START_TEST(prometheus)
{
    vmx_stats *stats = some_stats();
    const char *text = text_of(stats, VMX_STATS_PROMETHEUS);
    check_holds(text, "\n# TYPE vecmux_calls_total counter\nvecmux_calls_total{operation=\"query\",status=\"VMX_OK\"} "
                      "12345678901\nvecmux_calls_total{operation=\"upsert\",status=\"VMX_OK\"} 0\n# HELP ");
    check_holds(text, "vecmux_info{version=\"1.0\",engine=\"a \\\"quoted\\\\\\n\\\" name\x01\"} 1\n");
    check_holds(text, "\n# TYPE vecmux_call_duration_seconds histogram\n");
    check_holds(text, "vecmux_call_duration_seconds_bucket{operation=\"query\",le=\"0.000064\"} 2\n");
    check_holds(text, "vecmux_call_duration_seconds_bucket{operation=\"query\",le=\"+Inf\"} 9\n");
    check_holds(text, "vecmux_call_duration_seconds_count{operation=\"query\"} 9\n");
    check_holds(text, "vecmux_call_duration_seconds_sum{operation=\"query\"} 111.111111\n");
    check_holds(text, "\nvecmux_gate_limit 7.25\n");
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    vmx_stats_free(stats);
}
END_TEST

START_TEST(buckets_grow_and_end_with_infinity)
{
    vmx_stats *stats = some_stats();
    size_t at = 0, bucket = 0;
    vmx_sample sample;
    vmx_sample_init(&sample, sizeof sample);
    while (vmx_stats_at(stats, at, &sample) && sample.type != VMX_METRIC_HISTOGRAM)
        at++;
    double upper, last_upper = 0;
    uint64_t count, last = 0;
    while (vmx_stats_bucket(stats, at, bucket, &upper, &count)) {
        ck_assert_double_gt(upper, last_upper);
        ck_assert_uint_ge(count, last);
        last_upper = upper;
        last = count;
        bucket++;
    }
    ck_assert(isinf(last_upper));
    ck_assert_uint_eq(last, sample.count);
    ck_assert_uint_eq(bucket, 42);
    ck_assert(!vmx_stats_bucket(stats, 0, 0, &upper, &count));
    vmx_stats_free(stats);
}
END_TEST

START_TEST(samples)
{
    vmx_stats *stats = some_stats();
    vmx_sample sample;
    vmx_sample_init(&sample, sizeof sample);
    ck_assert_uint_eq(vmx_stats_count(stats), 5);
    ck_assert(!vmx_stats_at(stats, 5, &sample));
    ck_assert(vmx_stats_at(stats, 3, &sample));
    ck_assert_str_eq(sample.name, "vecmux_call_duration_seconds");
    ck_assert_uint_eq(sample.label_count, 1);
    ck_assert_str_eq(sample.labels[0].name, "operation");
    ck_assert_str_eq(sample.labels[0].value.ptr, "query");
    ck_assert_uint_eq(sample.count, 9);
    ck_assert_double_eq_tol(sample.p50, 0.01, 0.0002);
    ck_assert_double_eq(sample.max, 100);
    vmx_sample small; /* of an older program: what stands behind its end is not written */
    memset(&small, 0x55, sizeof small);
    vmx_sample_init(&small, offsetof(vmx_sample, count));
    ck_assert(vmx_stats_at(stats, 3, &small));
    ck_assert_uint_eq(small.count, 0x5555555555555555);
    vmx_stats_free(stats);
}
END_TEST

START_TEST(json)
{
    vmx_stats *stats = some_stats();
    json_error_t error;
    json_t *all = json_loads(text_of(stats, VMX_STATS_JSON), 0, &error);
    ck_assert_msg(all != NULL, "%s at %d", error.text, error.position);
    ck_assert_uint_eq(json_object_size(all), 4);
    json_t *calls = json_object_get(all, "vecmux_calls_total");
    ck_assert_uint_eq(json_array_size(calls), 2);
    ck_assert_double_eq(json_number_value(json_object_get(json_array_get(calls, 0), "value")), 12345678901);
    json_t *info = json_object_get(json_array_get(json_object_get(all, "vecmux_info"), 0), "labels");
    ck_assert_str_eq(json_string_value(json_object_get(info, "engine")), "a \"quoted\\\n\" name\x01");
    json_t *duration = json_array_get(json_object_get(all, "vecmux_call_duration_seconds"), 0);
    const char *const keys[] = {"count", "sum", "p50", "p90", "p99", "p99_9", "p99_99", "max"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_msg(json_is_number(json_object_get(duration, keys[i])), "no %s", keys[i]);
    json_decref(all);
    vmx_stats_free(stats);
}
END_TEST

START_TEST(an_empty_snapshot)
{
    vmx_stats *stats = vmx_stats_new();
    vmx_str text;
    vmx_error error;
    ck_assert_str_eq(text_of(stats, VMX_STATS_JSON), "{}\n");
    ck_assert_int_eq(vmx_stats_text(stats, (vmx_stats_format)7, &text, &error), VMX_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.message, "format 7"));
    vmx_stats_free(stats);
    vmx_stats_free(NULL);
}
END_TEST

static bool
ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* https://prometheus.io/docs/practices/naming/ */
START_TEST(the_table_keeps_the_naming_rules)
{
    vmx_metric metric;
    size_t count = 0;
    for (; vmx_metric_init(&metric, sizeof metric), vmx_metric_at(count, &metric); count++) {
        ck_assert_msg(strncmp(metric.name, "vecmux_", 7) == 0, "%s", metric.name);
        ck_assert_msg(strspn(metric.name, "abcdefghijklmnopqrstuvwxyz_") == strlen(metric.name), "%s", metric.name);
        ck_assert_msg(ends_with(metric.name, "_total") == (metric.type == VMX_METRIC_COUNTER), "%s", metric.name);
        ck_assert_msg(*metric.unit == '\0' || strstr(metric.name, metric.unit) != NULL, "%s", metric.name);
        ck_assert_msg(strlen(metric.help) > 10 && ends_with(metric.help, "."), "%s", metric.name);
        ck_assert_msg(strpbrk(metric.help, "\\\n\"") == NULL, "%s", metric.name);
        for (size_t i = 0; i < count; i++) {
            vmx_metric other;
            vmx_metric_init(&other, sizeof other);
            vmx_metric_at(i, &other);
            ck_assert_str_ne(other.name, metric.name);
        }
    }
    ck_assert_uint_eq(count, VMX_M_COUNT);
}
END_TEST

int
main(void)
{
    return run_suite("stats_format",
                     (const TTest *const[]){prometheus, buckets_grow_and_end_with_infinity, samples, json,
                                            an_empty_snapshot, the_table_keeps_the_naming_rules, NULL});
}
