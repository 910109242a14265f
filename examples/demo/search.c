#include "demo.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT       16
#define POLL_TIMEOUT_MS 60000
#define FILTER_SIZE     64

/* A query that is under way; its slot is used again when it has finished. */
typedef struct demo_request {
    size_t query; /* row of the test set */
    double started_s;
    bool busy;
} demo_request;

typedef struct demo_searcher {
    const demo_session *session;
    const demo_dataset *data;
    bool filtered;
    search_result *result;
    float *floats;
    demo_request requests[IN_FLIGHT];
    size_t next;
    size_t done;
} demo_searcher;

/* A filtered query admits its own label and the next one. */
static bool
admits(unsigned int query_label, unsigned int label)
{
    return label == query_label || label == (query_label + 1) % LABELS;
}

static bool
start_query(demo_searcher *searcher, demo_request *request)
{
    size_t dimension = searcher->data->test.dimension;
    unsigned int label = searcher->data->test_labels.bytes[searcher->next];
    char filter[FILTER_SIZE];
    snprintf(filter, sizeof filter, "{\"label\":{\"$in\":[%u,%u]}}", label, (label + 1) % LABELS);
    pixels_to_floats(searcher->data->test.bytes + searcher->next * dimension, dimension, searcher->floats);

    vmx_query query;
    vmx_query_init(&query, sizeof query);
    query.dense = (vmx_floats){searcher->floats, dimension};
    query.top_k = NEIGHBOURS;
    if (searcher->filtered)
        query.filter = VMX_STR(filter);
    vmx_call_options options;
    vmx_call_options_init(&options, sizeof options);
    options.queue = searcher->session->queue;
    options.user = request;
    *request = (demo_request){searcher->next, clock_s(), true};
    vmx_op *op = NULL;
    vmx_error error;
    if (vmx_index_query(searcher->session->index, &query, &options, &op, &error) != VMX_OK) {
        fprintf(stderr, "demo: query: %s\n", error.message);
        return false;
    }
    searcher->next++;
    return true;
}

/* The row that an id names: "train-00042" is 42; UINT32_MAX for an id that the demo did not store. */
static uint32_t
row_of(vmx_str id, size_t rows)
{
    static const char prefix[] = "train-";
    size_t skip = sizeof prefix - 1;
    if (id.len <= skip || id.len > skip + 9 || memcmp(id.ptr, prefix, skip) != 0)
        return UINT32_MAX;
    uint32_t row = 0;
    for (size_t i = skip; i < id.len; i++) {
        if (id.ptr[i] < '0' || id.ptr[i] > '9')
            return UINT32_MAX;
        row = row * 10 + (uint32_t)(id.ptr[i] - '0');
    }
    return row < rows ? row : UINT32_MAX;
}

static void
keep_matches(demo_searcher *searcher, const demo_request *request, const vmx_op *op)
{
    search_result *result = searcher->result;
    uint32_t *neighbour = result->neighbour + request->query * NEIGHBOURS;
    unsigned int label = searcher->data->test_labels.bytes[request->query];
    size_t count = vmx_op_match_count(op);
    for (size_t i = 0; i < NEIGHBOURS; i++)
        neighbour[i] = i < count ? row_of(vmx_op_match_id(op, i), searcher->data->train.count) : UINT32_MAX;
    for (size_t i = 0; i < count && i < NEIGHBOURS; i++) {
        uint32_t row = neighbour[i];
        if (row == UINT32_MAX || (searcher->filtered && !admits(label, searcher->data->train_labels.bytes[row])))
            result->stray++;
    }
    if (count > NEIGHBOURS)
        result->stray += count - NEIGHBOURS;
}

static bool
take_events(demo_searcher *searcher)
{
    vmx_event events[IN_FLIGHT];
    size_t count = vmx_queue_poll(searcher->session->queue, events, IN_FLIGHT, POLL_TIMEOUT_MS);
    double now_s = clock_s();
    if (count == 0)
        fprintf(stderr, "demo: no query finished within %d ms\n", POLL_TIMEOUT_MS);
    bool good = count > 0;
    for (size_t i = 0; i < count; i++) {
        demo_request *request = events[i].user;
        searcher->result->latency_s[request->query] = now_s - request->started_s;
        if (events[i].status == VMX_OK) {
            keep_matches(searcher, request, events[i].op);
        } else {
            fprintf(stderr, "demo: query: %s\n", vmx_op_error(events[i].op)->message);
            good = false;
        }
        request->busy = false;
        vmx_op_free(events[i].op);
    }
    searcher->done += count;
    return good;
}

static bool
search_all(demo_searcher *searcher)
{
    size_t total = searcher->result->count;
    while (searcher->done < total) {
        for (size_t i = 0; i < IN_FLIGHT && searcher->next < total; i++)
            if (!searcher->requests[i].busy && !start_query(searcher, &searcher->requests[i]))
                return false;
        if (!take_events(searcher))
            return false;
    }
    return true;
}

bool
search_run(const demo_session *session, const demo_dataset *data, size_t count, bool filtered, search_result *result)
{
    *result = (search_result){.count = count};
    result->latency_s = calloc(count, sizeof *result->latency_s);
    result->neighbour = calloc(count * NEIGHBOURS, sizeof *result->neighbour);
    demo_searcher searcher = {.session = session, .data = data, .filtered = filtered, .result = result};
    searcher.floats = malloc(data->test.dimension * sizeof *searcher.floats);
    double started_s = clock_s();
    bool good = result->latency_s && result->neighbour && searcher.floats && search_all(&searcher);
    result->elapsed_s = clock_s() - started_s;
    free(searcher.floats);
    return good;
}

void
search_free(search_result *result)
{
    free(result->latency_s);
    free(result->neighbour);
    *result = (search_result){0};
}
