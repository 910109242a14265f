/*
 * demo.h: the parts of the demo. It loads the Fashion-MNIST training images into a namespace, their label as metadata,
 * asks for the nearest ones of test images, and says whether what it saw is right. Over the public headers only.
 */
#ifndef DEMO_H
#define DEMO_H

#include "idx.h"

#include <vecmux/vecmux.h>

#define NEIGHBOURS 10
#define LABELS     10

/* One connection to the server and the namespace that the demo fills. */
typedef struct demo_session {
    vmx_client *client;
    vmx_index *index;
    vmx_queue *queue;
    vmx_str name_space;
    size_t max_batch_bytes; /* of one upsert */
} demo_session;

typedef struct demo_dataset {
    idx train, train_labels;
    idx test, test_labels;
} demo_dataset;

/* Upserts every training image, many requests in flight; seconds it took, negative after one line on stderr. */
double
load_run(const demo_session *session, const demo_dataset *data);

/* What one round of queries found. */
typedef struct search_result {
    size_t count; /* queries */
    double elapsed_s;
    double *latency_s;   /* of each query */
    uint32_t *neighbour; /* NEIGHBOURS rows of the training set for each query; UINT32_MAX where fewer came back */
    size_t stray;        /* results that do not satisfy the filter, or name a record that was not loaded */
} search_result;

/*
 * Queries with the first `count` test images, many in flight. `filtered`: each query asks for records of its own label
 * and the next one only. False after one line on stderr; free the result either way.
 */
bool
search_run(const demo_session *session, const demo_dataset *data, size_t count, bool filtered, search_result *result);

void
search_free(search_result *result);

/* Prints the report; true if everything the demo claims was seen. `stored` comes from DescribeIndexStats. */
bool
report_print(const demo_dataset *data, double load_s, const search_result *plain, const search_result *filtered,
             uint64_t stored);

/* Pixels to float32. */
void
pixels_to_floats(const uint8_t *pixels, size_t count, float *floats);

#endif
