#include <stdlib.h>

#include "data.h"
#include "scenarios.h"

#define QUERY_OVERHEAD 16 /* bytes of tags, lengths, top_k and flags */
#define MATCH_OVERHEAD 12 /* bytes of tags, lengths and score */

/* The loop hands workloads their state alone. */
typedef struct query_state {
    bench_queries *queries;
    vmx_index *index;
} query_state;

bool
bench_queries_init(bench_queries *queries, const bench_options *options)
{
    bench_random random = options->seed;
    *queries = (bench_queries){
        .options = options, .read_values = options->with_values, .read_metadata = options->with_metadata};
    queries->vectors = bench_random_floats(&random, BENCH_QUERIES * options->dimension);
    return queries->vectors != NULL;
}

void
bench_queries_free(bench_queries *queries)
{
    free(queries->vectors);
}

vmx_status
bench_queries_start(bench_queries *queries, vmx_index *index, const vmx_call_options *call, vmx_op **op,
                    vmx_error *error)
{
    const bench_options *options = queries->options;
    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){queries->vectors + queries->next * options->dimension, options->dimension};
    query.top_k = options->top_k;
    query.include_values = options->with_values;
    query.include_metadata = options->with_metadata;
    queries->next = (queries->next + 1) % BENCH_QUERIES;
    return vmx_index_query(index, &query, call, op, error);
}

double
bench_queries_read(bench_queries *queries, vmx_op *op)
{
    double sum = 0;
    size_t count = vmx_op_match_count(op), bytes = 0, value_count = 0;
    for (size_t i = 0; i < count; i++) {
        vmx_str id = vmx_op_match_id(op, i);
        sum += (double)vmx_op_match_score(op, i) + (id.len > 0 ? id.ptr[id.len - 1] : 0);
        bytes += id.len + MATCH_OVERHEAD;
        if (queries->read_values) {
            vmx_floats values = vmx_op_match_values(op, i);
            sum += bench_sum(values.ptr, values.len);
            value_count += values.len;
        }
        if (queries->read_metadata) {
            vmx_str metadata = vmx_op_match_metadata(op, i);
            sum += (double)metadata.len;
            bytes += metadata.len;
        }
    }
    queries->reply_values = value_count;
    queries->reply_bytes = bytes + 4 * value_count;
    return sum;
}

void
bench_queries_sizes(const bench_queries *queries, bench_row *row)
{
    double vector = 4 * (double)queries->options->dimension;
    row->payload_bytes = vector + 4 * (double)queries->reply_values;
    row->wire_bytes = bench_wire_bytes(vector + QUERY_OVERHEAD, (double)queries->reply_bytes);
}

static vmx_status
start(void *state, size_t slot, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    (void)slot;
    query_state *self = state;
    return bench_queries_start(self->queries, self->index, call, op, error);
}

static double
read_reply(void *state, size_t slot, vmx_op *op)
{
    (void)slot;
    query_state *self = state;
    return bench_queries_read(self->queries, op);
}

bool
bench_queries_measure(const bench_options *options, bench_queries *queries, bench_row *row)
{
    bench_session session;
    bool good = bench_session_open(&session, options, row->channels, row->in_flight);
    if (good) {
        query_state state = {queries, session.index};
        bench_workload workload = {&state, start, read_reply};
        good = bench_loop_run(&session, options, &workload, row);
    }
    bench_session_close(&session);
    bench_queries_sizes(queries, row);
    return good;
}

bool
bench_query(const bench_options *options, bench_report *report)
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
