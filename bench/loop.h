/*
 * loop.h: keeps operations in flight and measures them.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "meter.h"
#include "session.h"

/*
 * What is done. A slot is the place of one operation in flight, 0 to in_flight - 1; `state` is the workload's own.
 * Both run on the loop's thread.
 */
typedef struct bench_workload {
    void *state;
    vmx_status (*start)(void *state, size_t slot, const vmx_call_options *call, vmx_op **op, vmx_error *error);
    double (*read)(void *state, size_t slot, vmx_op *op); /* reads a good result; anything that depends on it */
} bench_workload;

/*
 * Measures into `row`, whose in_flight is the number of slots. With a rate the loop is open: operation i is meant to
 * start at i / rate, starts then or as soon as the loop gets to it, and its latency counts from when it was meant to;
 * row->in_flight bounds how many run, and row->unstarted tells how many were due at the end and had found no place. What
 * was started in the window counts also when it ends after it. False when nothing could be measured, after one line on stderr.
 */
bool
bench_loop_run(const bench_session *session, const bench_options *options, const bench_workload *workload,
               bench_row *row);

#endif
