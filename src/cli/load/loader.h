/*
 * loader.h: the load itself: rows from the input into a bulk writer, outcomes into accounts, dead letters and journal.
 */
#ifndef VMX_CLI_LOAD_LOADER_H
#define VMX_CLI_LOAD_LOADER_H

#include "cli/connection.h"
#include "input.h"
#include "journal.h"

typedef struct load_options {
    load_input_options input;
    uint64_t batch_vectors, in_flight; /* 0: the library's defaults */
    double vectors_per_second, bytes_per_second;
    uint64_t delivery_timeout_ms; /* 0: the library's default */
    const char *dead_letters;     /* NULL: none */
    const char *resume;           /* NULL: none */
    bool json, quiet;
} load_options;

/*
 * Loads the whole input. `identity` (taken over) says what the journal belongs to. Returns an exit code; the summary
 * goes to stdout.
 */
int
load_run(const cli_session *session, load_input *input, const load_options *options, json_t *identity);

#endif
