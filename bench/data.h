/*
 * data.h: the vectors, ids and metadata that all clients of the bench send: the same for the same seed.
 */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_QUERIES       64 /* different query vectors, taken in turn */
#define BENCH_MAX_BATCH     1000
#define BENCH_LOAD_BATCHES  8  /* different batches of a bulk load, sent in turn */
#define BENCH_ID_BYTES      17 /* "item-000000000042" */
#define BENCH_PAYLOAD_FIELD "text"
#define BENCH_MAX_PAYLOAD   40000

/* A generator of random numbers (splitmix64); its state is its seed. */
typedef uint64_t bench_random;

uint64_t
bench_random_next(bench_random *random);

/* 0 to 1, 1 excluded. */
double
bench_random_unit(bench_random *random);

/* `count` floats between -1 and 1, for free(); NULL when memory is out. */
float *
bench_random_floats(bench_random *random, size_t count);

/* Writes the id of number `n` and a NUL: BENCH_ID_BYTES + 1 bytes. */
void
bench_id_write(char *text, size_t n);

/* Makes the id of number `n` that of number n + 1. */
void
bench_id_next(char *text);

/* The sum of the values, in several partial sums: touching them must not cost more than what is measured. */
double
bench_sum(const float *values, size_t count);

/* `payload` letters and a NUL, for free(). */
char *
bench_payload_new(size_t payload);

/*
 * Ids by how often they are used: uniform, or zipfian with the exponent 0.99 (as in the YCSB paper, Cooper et al. 2010;
 * the method is of Gray et al., "Quickly generating billion-record synthetic databases", 1994).
 */
typedef struct bench_popularity {
    bool zipfian;
    size_t count;
    double zeta;
    double alpha;
    double eta;
} bench_popularity;

void
bench_popularity_init(bench_popularity *popularity, size_t count, bool zipfian);

/* A number below `count`; with zipfian, 0 is the most frequent. */
size_t
bench_popularity_next(const bench_popularity *popularity, bench_random *random);

#endif
