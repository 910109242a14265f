/*
 * raw_fetch.h: downloads a built index as vecmux does, N ranges at a time, written by hand on gRPC core in one thread: the
 * digest of each part, pwrite, fsync. The floor for `vecmux-bench download`, which has left the index on the server.
 */
#ifndef BENCH_PEERS_RAW_FETCH_H
#define BENCH_PEERS_RAW_FETCH_H

#include "../report.h"

/* Measures into `row`. False after one line on stderr. */
bool
raw_fetch_measure(const bench_options *options, bench_row *row);

#endif
