/*
 * tests/stats/values.h: what a client's statistics say, by name and labels, over the public API.
 */
#ifndef TESTS_STATS_VALUES_H
#define TESTS_STATS_VALUES_H

#include <check.h>
#include <string.h>
#include <vecmux/vecmux.h>

/* Whether the sample's labels have these values; NULL stands for any. */
static inline bool
labels_are(const vmx_sample *sample, const char *first, const char *second)
{
    const char *wanted[] = {first, second};
    for (size_t i = 0; i < 2; i++)
        if (wanted[i] != NULL && (i >= sample->label_count || strcmp(sample->labels[i].value.ptr, wanted[i]) != 0))
            return false;
    return true;
}

/* The sum of all series of the metric with these labels; a histogram's count. */
static inline double
value_of(vmx_client *client, const char *name, const char *first, const char *second)
{
    vmx_stats *stats;
    vmx_error error;
    double sum = 0;
    ck_assert_msg(vmx_client_stats(client, &stats, &error) == VMX_OK, "%s", error.message);
    for (size_t i = 0; i < vmx_stats_count(stats); i++) {
        vmx_sample sample;
        vmx_sample_init(&sample, sizeof sample);
        ck_assert(vmx_stats_at(stats, i, &sample));
        if (strcmp(sample.name, name) == 0 && labels_are(&sample, first, second))
            sum += sample.type == VMX_METRIC_HISTOGRAM ? (double)sample.count : sample.value;
    }
    vmx_stats_free(stats);
    return sum;
}

static inline void
check_value(vmx_client *client, const char *name, const char *first, const char *second, double wanted)
{
    double value = value_of(client, name, first, second);
    ck_assert_msg(value == wanted, "%s{%s,%s} is %.17g, not %.17g", name, first != NULL ? first : "",
                  second != NULL ? second : "", value, wanted);
}

#endif
