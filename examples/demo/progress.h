/*
 * progress.h: how far a load has come: a bar on a terminal, a line for every tenth elsewhere. On stdout.
 */
#ifndef DEMO_PROGRESS_H
#define DEMO_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct demo_progress {
    size_t total; /* vectors */
    size_t bytes_per_vector;
    double started_s;
    double shown_s;    /* when it was last drawn */
    size_t shown_step; /* which tenth was last printed */
    bool terminal;
} demo_progress;

/* Seconds of a clock that never jumps. */
double
clock_s(void);

void
progress_start(demo_progress *progress, size_t total, size_t bytes_per_vector);

/* Shows that `done` vectors are stored; draws at most 20 times a second. */
void
progress_show(demo_progress *progress, size_t done);

/* Writes 1234567 as 1,234,567 into `text` (at least 32 bytes) and returns it. */
const char *
thousands(size_t number, char *text);

#endif
