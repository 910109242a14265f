/*
 * scenarios.h: what vecmux-bench can measure. Each adds its rows to the report; false when one could not be measured.
 */
#ifndef BENCH_SCENARIOS_H
#define BENCH_SCENARIOS_H

#include "loop.h"
#include "report.h"

typedef bool
bench_scenario(const bench_options *options, bench_report *report);

/* Queries by dense vector, the ids and scores of all matches read; rows by calls in flight. */
bench_scenario bench_query;
/* Batches of vectors; rows by calls in flight. */
bench_scenario bench_upsert;
/* The bulk writer, as fast as it takes vectors; an operation is a batch. */
bench_scenario bench_load;
/* One query after the other, each waited for. */
bench_scenario bench_latency;
/* Queries, 1 to 10,000 in flight on one connection. */
bench_scenario bench_scale;
/* Upserts, queries, fetches and deletes by weights. */
bench_scenario bench_mixed;
/* Queries over 1 to 16 connections. */
bench_scenario bench_channels;
/* Queries that bring values and metadata: every value read, then every value and all metadata. */
bench_scenario bench_decode;
/* Vectors into the server's repository, as a remote build does it; rows by parts. */
bench_scenario bench_upload;
/* A built index from the server, again and again; rows by parts at a time. */
bench_scenario bench_download;

/* --- what several of them need ------------------------------------------------------------------------------------ */

/* The state of a workload of queries. */
typedef struct bench_queries {
    const bench_options *options;
    float *vectors; /* BENCH_QUERIES of them */
    size_t next;
    bool read_values;
    bool read_metadata;
    size_t reply_values; /* floats in the last reply that was read */
    size_t reply_bytes;  /* its encoded size, about */
} bench_queries;

/* False when memory is out. */
bool
bench_queries_init(bench_queries *queries, const bench_options *options);

void
bench_queries_free(bench_queries *queries);

/* Starts one query; `call` may be NULL. */
vmx_status
bench_queries_start(bench_queries *queries, vmx_index *index, const vmx_call_options *call, vmx_op **op,
                    vmx_error *error);

/* Reads a reply as the options say. */
double
bench_queries_read(bench_queries *queries, vmx_op *op);

/* Sets the bytes of an operation, from the last reply. */
void
bench_queries_sizes(const bench_queries *queries, bench_row *row);

/* One row of queries with row->in_flight in flight over row->channels connections. */
bool
bench_queries_measure(const bench_options *options, bench_queries *queries, bench_row *row);

/* A batch of vectors in memory of its own. */
typedef struct bench_batch {
    size_t count;
    vmx_vector *vectors;
    float *floats;
    char *ids; /* BENCH_ID_BYTES + 1 each */
    char *metadata;
} bench_batch;

/* `count` vectors with the ids from `first_id` on. False when memory is out; free it either way. */
bool
bench_batch_init(bench_batch *batch, const bench_options *options, size_t count, size_t first_id);

void
bench_batch_free(bench_batch *batch);

#endif
