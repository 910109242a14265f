/*
 * The download of a built index: it is built once, with a graph as small as can be, and kept on the server; then the same
 * build is asked for again and again, finds its result, and downloads it. An operation is a MiB of the file.
 */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "rows.h"
#include "scenarios.h"
#include "transfer.h"

typedef struct download {
    bench_transfer_run run;
    bench_rows rows;
    char key[BENCH_KEY_BYTES];
    uint64_t file_bytes, moved_bytes, attempts;
} download;

/* From the first call to the whole file. */
static bool
build(download *self)
{
    vmx_build_spec spec;
    vmx_build_info info;
    bench_transfer_spec(&self->run, &spec);
    spec.idempotency_key = vmx_str_from(self->key);
    spec.clean_up = VMX_SWITCH_OFF;
    unlink(self->run.path);
    vmx_op *op = bench_transfer_start(&self->run, self->rows.source, &spec);
    bool good = op && bench_transfer_wait(&self->run, op, VMX_BUILD_DONE);
    vmx_build_info_init(&info, sizeof info);
    if (good && vmx_op_build(op, &info)) {
        self->file_bytes = info.result_bytes;
        self->moved_bytes = info.downloaded_bytes;
        self->attempts += info.retries;
    }
    vmx_op_free(op);
    return good;
}

static bool
download_often(download *self)
{
    bench_meter *meter = &self->run.meter;
    bool good = build(self);
    self->attempts = 0;
    bench_meter_begin(meter, meter->row, self->run.options);
    while (good && bench_meter_tick(meter, bench_now_ns())) {
        good = build(self);
        bench_meter_count(meter, (uint64_t)((double)self->file_bytes / BENCH_MIB + 0.5));
    }
    return good;
}

static bool
measure(const bench_options *options, bench_row *row)
{
    download self = {.attempts = 0};
    uint64_t part_bytes[BENCH_MAX_LEVELS];
    bench_options_part_bytes(options, part_bytes);
    bench_options_key(options, self.key);
    bool good = bench_rows_open(&self.rows, options, part_bytes[0]) &&
                bench_transfer_open(&self.run, options, part_bytes[0], row) && download_often(&self);
    bench_transfer_memory(&self.run);
    row->payload_bytes = BENCH_MIB;
    row->wire_bytes = good ? BENCH_MIB * (double)self.moved_bytes / (double)self.file_bytes : 0;
    row->attempts = row->operations + self.attempts;
    if (!options->transfer.out)
        unlink(self.run.path);
    bench_transfer_close(&self.run);
    bench_rows_close(&self.rows);
    return good;
}

bool
bench_download(const bench_options *options, bench_report *report)
{
    size_t levels[BENCH_MAX_LEVELS], count = bench_options_levels(options, levels);
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        good = measure(options, bench_report_add(report, levels[i], "%zu at a time%s", levels[i],
                                                 options->transfer.graph_only ? ", the graph alone" : ""));
    return good;
}
