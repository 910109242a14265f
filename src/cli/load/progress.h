/*
 * progress.h: how far a load has come: a bar on a terminal, a line every ten seconds elsewhere, both on stderr; JSON
 * lines on stdout for programs. And the summary at the end, on stdout.
 */
#ifndef VMX_CLI_LOAD_PROGRESS_H
#define VMX_CLI_LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* The accounts of a load, or of all processes of one together. */
typedef struct load_figures {
    uint64_t stored, failed; /* vectors */
    uint64_t stored_bytes;   /* encoded */
    uint64_t in_flight;      /* batches */
    uint64_t retries;
    uint64_t stored_before, failed_before; /* by the loads that this one resumes */
    double fraction;                       /* of the input, 0 to 1; negative: not known */
} load_figures;

typedef struct load_progress {
    bool json, quiet, terminal;
    double started_s, shown_s;
    load_figures at; /* what the rates are measured from: some seconds ago */
    double at_s;
    double first_fraction; /* where a resumed load began; negative before the first figures */
} load_progress;

void
load_progress_start(load_progress *progress, bool json, bool quiet);

/* Shows figures if it is time to. Cheap. */
void
load_progress_show(load_progress *progress, const load_figures *figures);

/* Makes room on the terminal for other lines. */
void
load_progress_clear(load_progress *progress);

/* Prints the summary. `dead_letters` may be NULL. */
void
load_progress_finish(load_progress *progress, const load_figures *figures, const char *dead_letters, bool complete);

#endif
