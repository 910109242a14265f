#include <stdlib.h>

#include "data.h"
#include "scenarios.h"

#define POOL 256 /* different vectors that are upserted */

typedef enum operation { UPSERT, QUERY, FETCH, DELETE } operation;

typedef struct mixed_state {
    const bench_options *options;
    vmx_index *index;
    bench_queries queries;
    bench_batch pool;
    bench_popularity popularity;
    bench_random random;
    operation *running; /* in each slot */
} mixed_state;

static operation
draw_operation(mixed_state *self)
{
    const bench_weights *weights = &self->options->weights;
    unsigned shares[] = {weights->upsert, weights->query, weights->fetch, weights->del};
    unsigned total = shares[0] + shares[1] + shares[2] + shares[3];
    unsigned drawn = (unsigned)(bench_random_next(&self->random) % total);
    operation i = UPSERT;
    while (drawn >= shares[i])
        drawn -= shares[i++];
    return i;
}

static vmx_status
start_upsert(mixed_state *self, vmx_str id, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    vmx_vector vector = self->pool.vectors[bench_random_next(&self->random) % POOL];
    vector.id = id;
    return vmx_index_upsert(self->index, &(vmx_vectors){&vector, 1, 0}, call, op, error);
}

static vmx_status
start_fetch(mixed_state *self, vmx_str id, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    vmx_fetch fetch;
    vmx_fetch_init(&fetch, sizeof fetch);
    fetch.ids = (vmx_strs){&id, 1};
    return vmx_index_fetch(self->index, &fetch, call, op, error);
}

static vmx_status
start_delete(mixed_state *self, vmx_str id, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    vmx_delete del;
    vmx_delete_init(&del, sizeof del);
    del.ids = (vmx_strs){&id, 1};
    return vmx_index_delete(self->index, &del, call, op, error);
}

static vmx_status
start(void *state, size_t slot, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    mixed_state *self = state;
    char id[BENCH_ID_BYTES + 1];
    bench_id_write(id, bench_popularity_next(&self->popularity, &self->random));
    vmx_str name = {id, BENCH_ID_BYTES};
    self->running[slot] = draw_operation(self);
    switch (self->running[slot]) {
    case UPSERT:
        return start_upsert(self, name, call, op, error);
    case FETCH:
        return start_fetch(self, name, call, op, error);
    case DELETE:
        return start_delete(self, name, call, op, error);
    default:
        return bench_queries_start(&self->queries, self->index, call, op, error);
    }
}

static double
read_reply(void *state, size_t slot, vmx_op *op)
{
    mixed_state *self = state;
    uint64_t count = 0;
    switch (self->running[slot]) {
    case UPSERT:
        vmx_op_count(op, &count);
        return (double)count;
    case QUERY:
        return bench_queries_read(&self->queries, op);
    case FETCH:
        return vmx_op_match_count(op) > 0 ? (double)vmx_op_match_values(op, 0).len : 0;
    default:
        return 0;
    }
}

/* On the average; the vector of a fetch's reply is as long as the others. */
static void
set_sizes(const mixed_state *self, bench_row *row)
{
    const bench_weights *weights = &self->options->weights;
    double total = weights->upsert + weights->query + weights->fetch + weights->del;
    double vector = (double)bench_options_vector_bytes(self->options);
    double with_vector = (total - weights->del) / total;
    row->payload_bytes = 4 * (double)self->options->dimension * with_vector;
    row->wire_bytes = bench_wire_bytes(vector * with_vector + BENCH_ID_BYTES,
                                       (double)self->queries.reply_bytes * weights->query / total);
}

static bool
measure(mixed_state *self, const bench_options *options, bench_row *row)
{
    bench_session session;
    self->running = calloc(row->in_flight, sizeof *self->running);
    bool good = bench_session_open(&session, options, row->channels, row->in_flight) && self->running;
    self->index = session.index;
    bench_workload workload = {self, start, read_reply};
    good = good && bench_loop_run(&session, options, &workload, row);
    bench_session_close(&session);
    free(self->running);
    set_sizes(self, row);
    return good;
}

bool
bench_mixed(const bench_options *options, bench_report *report)
{
    mixed_state self = {.options = options, .random = options->seed};
    bool good = bench_queries_init(&self.queries, options);
    good = bench_batch_init(&self.pool, options, POOL, 0) && good;
    bench_popularity_init(&self.popularity, options->id_count, options->zipfian);
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    for (size_t i = 0; i < count && good; i++) {
        good = measure(&self, options, bench_report_add(report, levels[i], "%zu in flight", levels[i]));
    }
    bench_batch_free(&self.pool);
    bench_queries_free(&self.queries);
    return good;
}
