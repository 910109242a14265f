/*
 * The bulk writer: made-up vectors, put as columns and copied once, or, with --lend, as rows
 * that are lent; an operation is a batch (its latency is
 * not measured: most of it is waiting in line). With --vectors it loads
 * so many and waits for all; without, it puts for --seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "data.h"
#include "scenarios.h"

#define PUT_ROWS       256 /* at a time, at most */
#define PUT_TIMEOUT_MS 20  /* then the meter is told the time */
#define END_TIMEOUT_MS 600000
#define SAMPLE_NS      20000000ull /* between looks at the process's memory */
#define REPLY_BYTES    3

typedef struct load_state {
    const bench_options *options;
    bench_session session;
    vmx_writer *writer;
    bench_batch batch; /* BENCH_LOAD_BATCHES batches, put in turn: as many bytes as raw_core sends in turn */
    uint64_t put;
    uint64_t settled; /* batches that were counted */
    bench_meter meter;
    uint64_t sampled_ns;
} load_state;

static bool
open_writer(load_state *self, const bench_row *row)
{
    vmx_error error;
    vmx_writer_options options;
    vmx_writer_options_init(&options, sizeof options);
    options.batch_vectors = bench_options_batch(self->options);
    options.max_in_flight = (uint32_t)row->in_flight;
    options.linger_ms = -1;
    options.vectors_per_second = self->options->rate;
    if (vmx_writer_open(self->session.index, &options, &self->writer, &error) == VMX_OK)
        return true;
    fprintf(stderr, "bench: %s\n", error.message);
    return false;
}

static void
take_back(void *user)
{
    (void)user; /* the values stay for as long as the client */
}

static vmx_status
lend(load_state *self, size_t from, size_t count, size_t *taken, vmx_error *error)
{
    char id[BENCH_ID_BYTES + 1];
    bench_id_write(id, self->put);
    for (size_t i = 0; i < count; i++) {
        memcpy(self->batch.ids + (from + i) * sizeof id, id, sizeof id);
        bench_id_next(id);
    }
    vmx_vectors vectors = {self->batch.vectors + from, count, 0};
    return vmx_writer_lend(self->writer, &vectors, take_back, NULL, PUT_TIMEOUT_MS, taken, error);
}

static vmx_status
put_columns(load_state *self, size_t from, size_t count, size_t *taken, vmx_error *error)
{
    vmx_columns columns;
    vmx_columns_init(&columns, sizeof columns);
    columns.count = count;
    columns.first_id = self->put;
    columns.id_prefix = VMX_STR("item-");
    columns.values = self->batch.floats + from * self->options->dimension;
    columns.dimension = self->options->dimension;
    return vmx_writer_put_columns(self->writer, &columns, PUT_TIMEOUT_MS, taken, error);
}

/* Puts up to PUT_ROWS more; false when the writer refuses. */
static bool
put_some(load_state *self)
{
    size_t limit = self->options->vectors, from = self->put % self->batch.count, taken = 0;
    size_t count = self->batch.count - from < PUT_ROWS ? self->batch.count - from : PUT_ROWS;
    if (limit > 0 && limit - self->put < count)
        count = limit - self->put;
    vmx_error error;
    vmx_status status =
        self->options->lend ? lend(self, from, count, &taken, &error) : put_columns(self, from, count, &taken, &error);
    self->put += taken;
    if (status == VMX_OK || status == VMX_ERR_TIMEOUT)
        return true;
    fprintf(stderr, "bench: %s\n", error.message);
    return false;
}

/* Counts the batches that have their outcome. */
static void
read_account(load_state *self)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(self->writer, &account);
    bench_meter_count(&self->meter, account.batches - self->settled);
    self->settled = account.batches;
    uint64_t now = bench_now_ns();
    if (now - self->sampled_ns >= SAMPLE_NS) {
        self->sampled_ns = now;
        bench_meter_sample_memory(&self->meter);
    }
}

static bool
put_all(load_state *self)
{
    const bench_options *options = self->options;
    bool good = true;
    while (good && bench_meter_tick(&self->meter, bench_now_ns()) &&
           (options->vectors == 0 || self->put < options->vectors)) {
        good = put_some(self);
        read_account(self);
    }
    return good;
}

/* Waits for every outcome; with --vectors the window ends here. */
static bool
end_load(load_state *self, bench_row *row)
{
    vmx_error error = {.code = VMX_ERR_TIMEOUT};
    for (uint64_t limit = bench_now_ns() + bench_ns(END_TIMEOUT_MS / 1e3);
         error.code == VMX_ERR_TIMEOUT && bench_now_ns() < limit;) {
        error.code = VMX_OK;
        vmx_writer_close(self->writer, PUT_TIMEOUT_MS, &error);
        read_account(self);
    }
    bench_meter_end(&self->meter, bench_now_ns());
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_writer_get_account(self->writer, &account);
    bool good = error.code == VMX_OK && account.stored == self->put;
    if (!good)
        fprintf(stderr, "bench: %llu vectors put, %llu stored, %llu failed: %s\n", (unsigned long long)self->put,
                (unsigned long long)account.stored, (unsigned long long)account.failed, error.message);
    row->attempts = row->operations + account.retries;
    row->errors = account.failed;
    vmx_writer_free(self->writer);
    vmx_memory_info memory;
    vmx_memory_info_init(&memory, sizeof memory);
    vmx_client_memory(self->session.client, &memory);
    row->budget_limit = memory.limit_bytes;
    row->budget_peak = memory.peak_bytes;
    row->budget_end = memory.used_bytes;
    return good;
}

static bool
measure(const bench_options *options, bench_row *row)
{
    load_state self = {.options = options};
    size_t batch = bench_options_batch(options);
    row->payload_bytes = 4 * (double)(batch * options->dimension);
    row->wire_bytes = bench_wire_bytes((double)(batch * bench_options_vector_bytes(options)), REPLY_BYTES);
    bool good = bench_batch_init(&self.batch, options, BENCH_LOAD_BATCHES * batch, 0) &&
                bench_session_open(&self.session, options, row->channels, row->in_flight) && open_writer(&self, row);
    if (good) {
        bench_meter_begin(&self.meter, row, options);
        good = put_all(&self);
        good = end_load(&self, row) && good;
    }
    bench_session_close(&self.session);
    bench_batch_free(&self.batch);
    return good;
}

bool
bench_load(const bench_options *options, bench_report *report)
{
    bool good = true;
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    for (size_t i = 0; i < count && good; i++)
        good = measure(
            options, bench_report_add(report, levels[i], "%zu x %zu vectors", levels[i], bench_options_batch(options)));
    return good;
}
