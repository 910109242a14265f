/*
 * tests/writer/store.h: a server for the bulk writer on transport/fake: it keeps what is upserted, and fails as told.
 */
#ifndef TESTS_WRITER_STORE_H
#define TESTS_WRITER_STORE_H

#include "core/random.h"
#include "rpc/harness.h"

#define STORE_IDS 4096

typedef struct store {
    world *w;
    /* how it answers */
    uint64_t delay_us;         /* every answer's */
    unsigned unavailable;      /* per cent of requests that are refused with UNAVAILABLE, not stored */
    unsigned lost;             /* per cent that are stored, and the connection breaks before the answer */
    uint64_t stalled_until_us; /* before then nothing is answered */
    size_t dimension;          /* requests with a vector of another one are invalid; 0: any is fine */
    vmx_random chance;
    bool *watch; /* a test watches what the client does: false while the server has its turn; NULL: none does */
    /* what it saw */
    size_t requests;
    size_t max_vectors, max_bytes; /* of one request */
    size_t vectors;
    float values[STORE_IDS];       /* values[0] of id "N", or NaN */
    const uint8_t *references[64]; /* first bytes of long slices, as they came */
    size_t reference_count;
} store;

/* A client whose server is the store. */
void
store_open(store *s, uint64_t seed, const char *const *properties);

/* How many ids are stored. */
size_t
store_count(const store *s);

#endif
