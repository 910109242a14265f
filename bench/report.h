/*
 * report.h: what was measured, as a table for people or JSON for machines, the same for all C and C++ clients.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "meter.h"

typedef struct bench_report {
    const char *client;   /* "vecmux driven", "raw_core" */
    const char *versions; /* "grpc-core 29.0.0, ..." */
    const bench_options *options;
    bench_row *rows; /* owned */
    size_t row_count;
    bool failed; /* a measurement could not be made */
} bench_report;

/* A new row, zeroed, to be filled before the next one is asked for. Ends the program when memory is out. */
bench_row *
bench_report_add(bench_report *report, size_t in_flight, const char *label_format, ...)
    __attribute__((format(printf, 3, 4)));

/* On stdout, as the options say. The exit code of the program: 0 where operations succeeded in every row. */
int
bench_report_print(const bench_report *report);

/* Adds the rows of the JSON text `json`, made by the same program with the same options, to those of `report` (or makes
 * them the rows, if there are none). False if it is not such a text. */
bool
bench_report_merge(bench_report *report, const char *json);

void
bench_report_free(bench_report *report);

#endif
