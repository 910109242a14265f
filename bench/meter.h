/*
 * meter.h: one measurement: a warm-up, then a window in which operations are counted.
 *
 * Everything is of this process alone: CPU from getrusage, memory from the kernel's own account. One thread records.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdbool.h>

#include "histogram.h"
#include "options.h"

/* What one measurement found; one line of the table. */
typedef struct bench_row {
    char label[48];
    size_t in_flight;
    size_t channels;
    size_t part_count;   /* of a transfer; else 0 */
    uint64_t operations; /* that succeeded */
    uint64_t errors;
    uint64_t attempts;    /* of all operations; 0 where the client does not tell */
    uint64_t allocations; /* through vmx_set_allocator */
    bool has_allocations; /* false where nobody counts them */
    double seconds;       /* length of the window */
    double user_s;        /* CPU time in it */
    double system_s;
    uint64_t switches;    /* context switches in it */
    double payload_bytes; /* vectors moved by one operation, both ways */
    double wire_bytes;    /* one operation, both ways; estimated */
    double wire_counted;  /* all of the window, both ways, as the kernel counted; 0: it does not */
    uint64_t unstarted;   /* open loop: meant to start in the window, for which there was no place in flight */
    size_t peak_rss_kb;
    size_t peak_anon_kb;   /* RssAnon, as sampled; 0: nobody looked */
    uint64_t budget_limit; /* the client's memory account, bytes; limit 0: it has none */
    uint64_t budget_peak;
    uint64_t budget_end;
    double rss_per_call;     /* bytes that each call in flight has added; negative where not measured */
    double checksum;         /* of everything that was read */
    bench_histogram latency; /* ns */
} bench_row;

typedef struct bench_usage {
    double user_s;
    double system_s;
    uint64_t switches;
    uint64_t allocations;
} bench_usage;

typedef struct bench_meter {
    bench_row *row;
    uint64_t begin_ns; /* of the window */
    uint64_t end_ns;
    bool counting; /* the window has begun */
    bool over;
    size_t rss_before_kb;
    uint64_t window_ns; /* when counting really began */
    bench_usage before;
    uint64_t wire_before;
} bench_meter;

/* Begins the warm-up; clears what `row` counts, and the kernel's mark of the process's peak memory. */
void
bench_meter_begin(bench_meter *meter, bench_row *row, const bench_options *options);

/* Tells the time; false when the window is over. Call it at least every few milliseconds. */
bool
bench_meter_tick(bench_meter *meter, uint64_t now_ns);

/* An operation has ended; true while the window is open. */
bool
bench_meter_record(bench_meter *meter, uint64_t start_ns, uint64_t now_ns, bool ok, size_t attempts);

/* An operation of an open loop that was meant to start in the window has ended after it. */
void
bench_meter_record_late(bench_meter *meter, uint64_t start_ns, uint64_t now_ns, bool ok, size_t attempts);

/* So many operations have ended well, whose latency is not measured. */
void
bench_meter_count(bench_meter *meter, uint64_t operations);

/* Ends the window now, if it is open: work of a fixed size is done. */
void
bench_meter_end(bench_meter *meter, uint64_t now_ns);

/* Of work without waiting whose operations were timed alone: time and CPU are theirs, what was done between is left out. */
void
bench_meter_of_work_alone(bench_row *row);

/* Looks at the process's anonymous memory. */
void
bench_meter_sample_memory(bench_meter *meter);

/* Counts allocations by `count`, a function of any thread; NULL: nobody does. */
void bench_meter_set_allocations(uint64_t (*count)(void));

/* Bytes on the wire of one operation, both ways: counted where they could be, else estimated. */
double
bench_row_wire_bytes(const bench_row *row);

/* An estimate of what HTTP/2 and gRPC add to one message pair on a warm connection: frame headers, the gRPC prefix and
 * headers that HPACK has indexed. */
double
bench_wire_bytes(double request_bytes, double reply_bytes);

#endif
