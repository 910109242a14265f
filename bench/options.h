/*
 * options.h: the command line that vecmux-bench and the C and C++ peers share.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_MAX_LEVELS = 16, BENCH_MAX_SETTINGS = 32, BENCH_KEY_BYTES = 64 };

/* Shares of the mixed load, in any unit. */
typedef struct bench_weights {
    unsigned upsert;
    unsigned query;
    unsigned fetch;
    unsigned del;
} bench_weights;

/* Where the vectors of an upload come from. */
typedef enum bench_rows_kind {
    BENCH_ROWS_READER,   /* made when they are asked for, in any order */
    BENCH_ROWS_ITERATOR, /* made one after the other */
    BENCH_ROWS_MEMORY,   /* lent */
    BENCH_ROWS_WALKING   /* each part walks from the first document to its own first one, as a doc iterator has to */
} bench_rows_kind;

/* How a floor sends a batch of vectors: what a client can do at best that has to do so much with it. */
typedef enum bench_send {
    BENCH_SEND_READY, /* its bytes, in one piece */
    BENCH_SEND_PIECES, /* tags, lengths and ids from one memory, values from where the caller has them: two pieces a vector */
    BENCH_SEND_CHECKED, /* the same, and the values are looked at for NaN before */
    BENCH_SEND_COPIED   /* values are looked at and copied in one go, behind their tags, lengths and ids */
} bench_send;

/* Of the scenarios upload and download. */
typedef struct bench_transfer {
    size_t bytes;                   /* of the vectors */
    size_t part_bytes;              /* 0: as many bytes as `parts` say */
    size_t parts[BENCH_MAX_LEVELS]; /* into how many the vectors are cut, one measurement each */
    size_t part_level_count;        /* 0: parts of 8 MiB */
    bool sha256;                    /* the digest; else crc32c */
    bench_rows_kind rows;
    size_t deleted_percent; /* of the documents; they are not uploaded */
    bool graph_only;        /* download */
    const char *out;        /* download: the file; NULL: one in TMPDIR, which is removed */
} bench_transfer;

typedef struct bench_options {
    const char *scenario;
    const char *endpoint;            /* "host:port" */
    const char *tls_ca;              /* PEM file, or NULL for plain text */
    const char *api_key;             /* NULL: none is sent */
    size_t levels[BENCH_MAX_LEVELS]; /* calls in flight, one measurement each; of `channels`, connections */
    size_t level_count;              /* 0: as the scenario likes */
    size_t dimension;
    uint32_t top_k;
    size_t batch;       /* vectors of an upsert, or 0 */
    size_t batch_bytes; /* with batch 0: as many as fit */
    size_t vectors;     /* load: how many in all; 0: for so many seconds */
    size_t payload;     /* bytes of text in each vector's metadata */
    bool lend;          /* the values of upserts and loads */
    bench_send send;    /* of upserts and loads, by a floor */
    bool with_values;   /* queries ask for the values of what they find */
    bool with_metadata;
    uint64_t seed;
    double seconds;
    double warm_up_s;
    double rate; /* operations/s of the open loop; 0: closed loop */
    bool driven; /* no thread of vecmux's: io.threads=0 */
    size_t channels;
    size_t processes;
    bench_weights weights;
    bool zipfian;    /* ids of the mixed load */
    size_t id_count; /* how many different ids there are */
    bench_transfer transfer;
    bool json;
    const char *settings[BENCH_MAX_SETTINGS]; /* "name=value", properties of vecmux */
    size_t setting_count;
    const char *metrics_listen; /* where vecmux-bench serves its client's statistics; NULL: nowhere */
    const char *metrics_file;   /* ... and what file it keeps them in */
} bench_options;

/*
 * Reads the arguments; the texts stay in `argv`. False when the program must end now with `*exit_code`: --help has
 * printed `head` and the options on stdout, a mistake one line on stderr.
 */
bool
bench_options_parse(bench_options *options, int argc, char **argv, const char *head, int *exit_code);

/* True without what only vecmux-bench knows: open loop, connections, processes, metrics. Else one line on stderr.
 * Properties (--set) are vecmux's, and pass. */
bool
bench_options_are_plain(const bench_options *options);

/* True without --send, which only the floors know. Else one line on stderr. */
bool
bench_options_send_ready(const bench_options *options);

/* The --in-flight numbers, or those that the scenario has by default; how many there are. */
size_t
bench_options_levels(const bench_options *options, size_t levels[BENCH_MAX_LEVELS]);

/* Bytes of a part for each measurement of a transfer: whole vectors. How many there are. */
size_t
bench_options_part_bytes(const bench_options *options, uint64_t part_bytes[BENCH_MAX_LEVELS]);

/* "reader", ... and "ready", ... Static. */
const char *
bench_rows_kind_name(bench_rows_kind kind);
const char *
bench_send_name(bench_send send);

/* Names what is downloaded, by its size: the idempotency key of its build. */
void
bench_options_key(const bench_options *options, char key[BENCH_KEY_BYTES]);

/* How many vectors a transfer has. */
uint64_t
bench_options_rows(const bench_options *options);

/* How many vectors one upsert carries. */
size_t
bench_options_batch(const bench_options *options);

/* Bytes of one vector in an upsert, encoded. */
size_t
bench_options_vector_bytes(const bench_options *options);

#endif
