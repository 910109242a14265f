#include <stdio.h>
#include <stdlib.h>

#include "data.h"
#include "scenarios.h"

#define REPLY_BYTES 3

/* --- a batch ------------------------------------------------------------------------------------------------------ */

static char *
metadata_new(size_t payload)
{
    char *text = bench_payload_new(payload);
    size_t size = payload + sizeof "{\"" BENCH_PAYLOAD_FIELD "\":\"\"}";
    char *metadata = malloc(size);
    if (text && metadata)
        snprintf(metadata, size, "{\"" BENCH_PAYLOAD_FIELD "\":\"%s\"}", text);
    free(text);
    return metadata;
}

bool
bench_batch_init(bench_batch *batch, const bench_options *options, size_t count, size_t first_id)
{
    bench_random random = options->seed + first_id;
    batch->count = count;
    batch->vectors = calloc(count, sizeof *batch->vectors);
    batch->floats = bench_random_floats(&random, count * options->dimension);
    batch->ids = malloc(count * (BENCH_ID_BYTES + 1));
    batch->metadata = metadata_new(options->payload);
    if (!batch->vectors || !batch->floats || !batch->ids || !batch->metadata)
        return false;
    for (size_t i = 0; i < count; i++) {
        char *id = batch->ids + i * (BENCH_ID_BYTES + 1);
        bench_id_write(id, first_id + i);
        vmx_vector_init(&batch->vectors[i], sizeof batch->vectors[i]);
        batch->vectors[i].id = (vmx_str){id, BENCH_ID_BYTES};
        batch->vectors[i].values = (vmx_floats){batch->floats + i * options->dimension, options->dimension};
        if (options->payload > 0)
            batch->vectors[i].metadata = vmx_str_from(batch->metadata);
    }
    return true;
}

void
bench_batch_free(bench_batch *batch)
{
    free(batch->vectors);
    free(batch->floats);
    free(batch->ids);
    free(batch->metadata);
}

/* --- the scenario ------------------------------------------------------------------------------------------------- */

typedef struct upsert_state {
    const bench_batch *batch;
    vmx_index *index;
    bool lend;
} upsert_state;

/* The batch stays as it is until the end. */
static void
take_back(void *user)
{
    (void)user;
}

static vmx_status
start(void *state, size_t slot, const vmx_call_options *call, vmx_op **op, vmx_error *error)
{
    (void)slot;
    upsert_state *self = state;
    vmx_vectors vectors = {self->batch->vectors, self->batch->count, 0};
    vmx_call_options lending = *call;
    lending.release = self->lend ? take_back : NULL;
    return vmx_index_upsert(self->index, &vectors, &lending, op, error);
}

static double
read_reply(void *state, size_t slot, vmx_op *op)
{
    (void)state;
    (void)slot;
    uint64_t count = 0;
    vmx_op_count(op, &count);
    return (double)count;
}

static bool
measure(const bench_options *options, const bench_batch *batch, bench_row *row)
{
    bench_session session;
    bool good = bench_session_open(&session, options, row->channels, row->in_flight);
    double bytes = (double)(batch->count * bench_options_vector_bytes(options));
    row->payload_bytes = 4 * (double)(batch->count * options->dimension);
    row->wire_bytes = bench_wire_bytes(bytes, REPLY_BYTES);
    if (good) {
        upsert_state state = {batch, session.index, options->lend};
        bench_workload workload = {&state, start, read_reply};
        good = bench_loop_run(&session, options, &workload, row);
    }
    bench_session_close(&session);
    return good;
}

bool
bench_upsert(const bench_options *options, bench_report *report)
{
    bench_batch batch;
    bool good = bench_batch_init(&batch, options, bench_options_batch(options), 0);
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    for (size_t i = 0; i < count && good; i++) {
        bench_row *row = bench_report_add(report, levels[i], "%zu x %zu vectors", levels[i], batch.count);
        good = measure(options, &batch, row);
    }
    bench_batch_free(&batch);
    return good;
}
