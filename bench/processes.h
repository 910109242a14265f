/*
 * processes.h: the same measurement in several processes at once. They are spawned: a fork of a process that has used
 * vecmux may not use it.
 */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

#include "report.h"

/* Runs the program `argv` with --processes 1 --json as often as the options say and adds up their reports. False after one
 * line on stderr when one of them failed. */
bool
bench_processes_run(const bench_options *options, char **argv, bench_report *report);

#endif
