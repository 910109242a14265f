#include "demo.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

#define TRAINING_SET    60000
#define LABEL_SHARE_MIN 0.75

static int
compare_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The p-th part (0 to 1) of sorted values, by nearest rank. */
static double
percentile(const double *sorted, size_t count, double p)
{
    size_t rank = (size_t)(p * (double)count);
    return sorted[rank < count ? rank : count - 1];
}

static void
print_load(const demo_dataset *data, double load_s)
{
    char a[32], b[32];
    double rate = (double)data->train.count / load_s;
    double mb = (double)(data->train.count * data->train.dimension * sizeof(float)) / 1e6;
    printf("load      %9s vectors in %6.2f s  %9s vectors/s  %.1f MB/s\n", thousands(data->train.count, a), load_s,
           thousands((size_t)rate, b), mb / load_s);
}

static void
print_search(const char *name, const search_result *result)
{
    char a[32], b[32];
    qsort(result->latency_s, result->count, sizeof *result->latency_s, compare_seconds);
    printf("%-9s %9s queries in %6.2f s  %9s queries/s  p50 %.1f ms  p99 %.1f ms\n", name, thousands(result->count, a),
           result->elapsed_s, thousands((size_t)((double)result->count / result->elapsed_s), b),
           1e3 * percentile(result->latency_s, result->count, 0.50),
           1e3 * percentile(result->latency_s, result->count, 0.99));
}

/* How many neighbours there are, and how many of them carry the query's label. */
static void
count_neighbours(const demo_dataset *data, const search_result *result, size_t *all, size_t *same)
{
    *all = 0;
    *same = 0;
    for (size_t i = 0; i < result->count * NEIGHBOURS; i++) {
        uint32_t row = result->neighbour[i];
        if (row == UINT32_MAX)
            continue;
        (*all)++;
        *same += data->train_labels.bytes[row] == data->test_labels.bytes[i / NEIGHBOURS];
    }
}

static const char *
verdict(bool good)
{
    return good ? "yes" : "NO";
}

bool
report_print(const demo_dataset *data, double load_s, const search_result *plain, const search_result *filtered,
             uint64_t stored)
{
    char a[32];
    size_t all, same, filtered_all, filtered_same;
    count_neighbours(data, plain, &all, &same);
    count_neighbours(data, filtered, &filtered_all, &filtered_same);
    double share = all == 0 ? 0 : (double)same / (double)all;
    bool all_stored = stored == data->train.count;
    bool complete = plain->stray == 0 && all == plain->count * NEIGHBOURS;
    bool pure = filtered->stray == 0 && filtered_all > 0;
    /* what the whole set must reach says nothing about a small part of it */
    bool near = share >= LABEL_SHARE_MIN || data->train.count < TRAINING_SET;

    putchar('\n');
    print_load(data, load_s);
    print_search("query", plain);
    print_search("filtered", filtered);
    printf("\nstored, by DescribeIndexStats              %9s  all of them: %s\n", thousands((size_t)stored, a),
           verdict(all_stored));
    printf("results of the plain queries               %9s  10 for each: %s\n", thousands(all, a), verdict(complete));
    printf("of the 10 nearest, with the query's label  %9.3f  at least %.2f: %s\n", share, LABEL_SHARE_MIN,
           share >= LABEL_SHARE_MIN ? "yes"
           : near                   ? "no (asked of all 60,000 only)"
                                    : "NO");
    printf("results of the filtered queries            %9s  all match the filter: %s\n", thousands(filtered_all, a),
           verdict(pure));
    return all_stored && complete && near && pure;
}
