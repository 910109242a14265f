/*
 * portable.h: what vecmux-portable needs beside vecmux: its command line, images, and the true answers.
 */
#ifndef PORTABLE_H
#define PORTABLE_H

#include "../demo/idx.h"

#include <vecmux/vecmux.h>

#define NEIGHBOURS    10
#define LABELS        10
#define MAX_DIMENSION 1024

typedef struct session {
    vmx_client *client;
    vmx_index *index;
    vmx_call_options options; /* of every operation */
} session;

typedef struct arguments {
    vmx_config *config;
    const char *collection;
    size_t vectors, queries;
} arguments;

/* False after one line on stderr. */
bool
arguments_read(arguments *a, int argc, char **argv);

typedef struct images {
    idx pixels, labels;
} images;

/* The files of `part`, "train" or "t10k", at most `limit` images. False after one line on stderr. */
bool
images_read(const char *directory, const char *part, size_t limit, images *i);
void
images_free(images *i);

double
clock_s(void);

/* The distances of one query to all images, and the largest that the nearest ones have. */
typedef struct truth {
    const images *train;
    uint32_t *distances;
    uint32_t limit[2]; /* of the NEIGHBOURS nearest: of all, and of those that the filter admits */
    size_t count[2];   /* how many there are, at most NEIGHBOURS */
    bool admitted[LABELS];
} truth;

bool
truth_init(truth *t, const images *train);
void
truth_free(truth *t);

/* Compares query `i` with every image. */
void
truth_find(truth *t, const images *test, size_t i);

/* The share of the nearest images that the rows are; an image as near as the last of them counts as one. A row that the
 * filter does not admit makes it -1. */
double
truth_recall(const truth *t, bool filtered, const size_t *rows, size_t row_count);

#endif
