/*
 * The upload of a remote build: the vectors and their ids go into the server's repository; when they are there the build is
 * cancelled (a server that discards what is uploaded refuses it by itself). An operation is a MiB of vectors; the time is
 * that of everything from the first call to the complete blobs.
 */
#include "clock.h"
#include "rows.h"
#include "scenarios.h"
#include "transfer.h"

#define END_WAIT_MS 30000

static void
count(bench_row *row, vmx_op *op, uint64_t bytes)
{
    vmx_build_info info;
    vmx_build_info_init(&info, sizeof info);
    vmx_op_build(op, &info);
    row->operations = bytes > (uint64_t)BENCH_MIB ? (uint64_t)((double)bytes / BENCH_MIB + 0.5) : 1;
    row->payload_bytes = (double)bytes / (double)row->operations;
    row->wire_bytes = bench_wire_bytes(row->payload_bytes, 0);
    row->attempts = row->operations + info.retries;
}

static bool
upload(bench_transfer_run *run, const bench_rows *rows)
{
    bench_meter *meter = &run->meter;
    vmx_build_spec spec;
    bench_transfer_spec(run, &spec);
    spec.clean_up_failed = true;
    bench_meter_begin(meter, meter->row, run->options);
    bench_meter_tick(meter, bench_now_ns());
    vmx_op *op = bench_transfer_start(run, rows->source, &spec);
    bool good = op && bench_transfer_wait(run, op, VMX_BUILD_UPLOAD);
    bench_meter_end(meter, bench_now_ns());
    if (!op)
        return false;
    vmx_op_cancel(op);
    vmx_op_wait(op, END_WAIT_MS);
    if (good)
        count(meter->row, op, rows->count * run->options->dimension * sizeof(float));
    vmx_op_free(op);
    bench_transfer_memory(run);
    return good;
}

static bool
measure(const bench_options *options, uint64_t part_bytes, bench_row *row)
{
    bench_rows rows;
    bench_transfer_run run = {0};
    bool good = bench_rows_open(&rows, options, part_bytes) && bench_transfer_open(&run, options, part_bytes, row) &&
                upload(&run, &rows);
    row->checksum = rows.checksum;
    bench_transfer_close(&run);
    bench_rows_close(&rows);
    return good;
}

bool
bench_upload(const bench_options *options, bench_report *report)
{
    uint64_t part_bytes[BENCH_MAX_LEVELS], all = bench_options_rows(options) * options->dimension * sizeof(float);
    size_t levels[BENCH_MAX_LEVELS], row_count = bench_options_part_bytes(options, part_bytes);
    bool good = bench_options_levels(options, levels) > 0;
    for (size_t i = 0; i < row_count && good; i++) {
        size_t parts = (size_t)((all + part_bytes[i] - 1) / part_bytes[i]);
        bench_row *row = bench_report_add(report, levels[0], "%zu parts, %zu at a time", parts, levels[0]);
        row->part_count = parts;
        good = measure(options, part_bytes[i], row);
    }
    return good;
}
