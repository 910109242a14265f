/*
 * transfer.h: what the scenarios upload and download have in common: one remote build as it runs, in the client's memory.
 */
#ifndef BENCH_TRANSFER_H
#define BENCH_TRANSFER_H

#include "meter.h"
#include "session.h"

#define BENCH_PATH_BYTES 512
#define BENCH_MIB        ((double)(1 << 20))

/* One measurement. */
typedef struct bench_transfer_run {
    const bench_options *options;
    bench_session session;
    bench_meter meter;
    char path[BENCH_PATH_BYTES]; /* of the build's output */
    uint64_t sampled_ns;
} bench_transfer_run;

/* Opens a client for `row->in_flight` streams and parts of `part_bytes`, and connects. Close it either way. False after one
 * line on stderr. */
bool
bench_transfer_open(bench_transfer_run *run, const bench_options *options, uint64_t part_bytes, bench_row *row);

void
bench_transfer_close(bench_transfer_run *run);

/* A small graph of what there is, whatever its size, into run->path. */
void
bench_transfer_spec(const bench_transfer_run *run, vmx_build_spec *spec);

/* Begins the build. NULL after one line on stderr. */
vmx_op *
bench_transfer_start(bench_transfer_run *run, vmx_source *source, const vmx_build_spec *spec);

/* Waits until the build is behind `phase`, or with VMX_BUILD_DONE has ended; false, after one line on stderr, if it ended in
 * that phase or before. */
bool
bench_transfer_wait(bench_transfer_run *run, vmx_op *op, vmx_build_phase phase);

/* Takes down what the client's memory account says. */
void
bench_transfer_memory(bench_transfer_run *run);

#endif
