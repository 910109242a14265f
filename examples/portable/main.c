/*
 * vecmux-portable: one program for every engine. It makes an index, loads images into it, has the search structure built,
 * and asks for the nearest ones, with a filter and without. What moves it from one engine to another are two properties:
 *
 *     vecmux-portable images --set engine=pinecone --set endpoint=localhost:5081
 *     vecmux-portable images --set engine=milvus   --set endpoint=localhost:19530
 *
 * An engine whose index is there from the start has nothing to make or to build; the program asks what it can.
 */
#include "portable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS   900000
#define NEEDED       0.95
#define BATCH        1000
#define ID_SIZE      16
#define METADATA     32
#define MEMBERS_SIZE 64

static const char files[] = "/usr/share/datasets/fashion-mnist";

/* --- the operations ------------------------------------------------------------------------------------------------ */

/* Waits for an operation that was started with `status`; says what went wrong. */
static bool
succeeds(const char *what, vmx_status status, vmx_op *op, const vmx_error *error)
{
    if (status == VMX_OK)
        status = vmx_op_wait(op, VMX_FOREVER);
    if (status != VMX_OK)
        fprintf(stderr, "portable: %s: %s\n", what, op != NULL ? vmx_op_error(op)->message : error->message);
    return status == VMX_OK;
}

static bool
make_index(const session *s, size_t dimension)
{
    vmx_op *op = NULL;
    vmx_error error;
    vmx_index_spec spec;
    vmx_filter_field label = {VMX_STR("label"), VMX_FIELD_INTEGER};
    if (!vmx_client_supports(s->client, VMX_CAN_ENSURE))
        return true;
    vmx_index_spec_init(&spec, sizeof spec);
    spec.dimension = (uint32_t)dimension;
    spec.metric = VMX_STR("euclidean");
    spec.filters = &label;
    spec.filter_count = 1;
    vmx_status status = vmx_index_ensure(s->index, &spec, &s->options, &op, &error);
    bool good = succeeds("ensure", status, op, &error);
    vmx_op_free(op);
    return good;
}

static bool
build_index(const session *s)
{
    vmx_op *op = NULL;
    vmx_error error;
    if (!vmx_client_supports(s->client, VMX_CAN_BUILD))
        return true;
    vmx_status status = vmx_index_build(s->index, NULL, &s->options, &op, &error);
    bool good = succeeds("build", status, op, &error);
    vmx_op_free(op);
    return good;
}

/* --- loading ------------------------------------------------------------------------------------------------------- */

typedef struct batch {
    float *values;
    char (*ids)[ID_SIZE];
    char (*metadata)[METADATA];
    vmx_vector vectors[BATCH];
} batch;

static void
fill(batch *b, const images *train, size_t from, size_t count)
{
    size_t dimension = train->pixels.dimension;
    for (size_t i = 0; i < count; i++) {
        size_t row = from + i;
        vmx_vector *vector = &b->vectors[i];
        for (size_t k = 0; k < dimension; k++)
            b->values[i * dimension + k] = train->pixels.bytes[row * dimension + k];
        snprintf(b->ids[i], ID_SIZE, "%zu", row);
        snprintf(b->metadata[i], METADATA, "{\"label\":%u}", train->labels.bytes[row]);
        vmx_vector_init(vector, sizeof *vector);
        vector->id = vmx_str_from(b->ids[i]);
        vector->values = (vmx_floats){b->values + i * dimension, dimension};
        vector->metadata = vmx_str_from(b->metadata[i]);
    }
}

static bool
put_all(vmx_writer *writer, batch *b, const images *train, vmx_error *error)
{
    vmx_writer_account account;
    vmx_writer_account_init(&account, sizeof account);
    vmx_status status = VMX_OK;
    for (size_t from = 0; from < train->pixels.count && status == VMX_OK; from += BATCH) {
        size_t left = train->pixels.count - from, count = left < BATCH ? left : BATCH;
        fill(b, train, from, count);
        status =
            vmx_writer_put(writer, &(vmx_vectors){b->vectors, count, sizeof b->vectors[0]}, TIMEOUT_MS, NULL, error);
    }
    if (status == VMX_OK)
        status = vmx_writer_close(writer, TIMEOUT_MS, error);
    vmx_writer_get_account(writer, &account);
    if (status == VMX_OK && account.stored == train->pixels.count)
        return true;
    fprintf(stderr, "portable: load: %zu of %zu vectors are stored: %s\n", (size_t)account.stored, train->pixels.count,
            status != VMX_OK ? error->message : "the rest failed");
    return false;
}

static bool
load(const session *s, const images *train)
{
    vmx_error error;
    vmx_writer *writer = NULL;
    batch *b = calloc(1, sizeof *b);
    bool good = b != NULL && vmx_writer_open(s->index, NULL, &writer, &error) == VMX_OK;
    if (good) {
        b->values = malloc(BATCH * train->pixels.dimension * sizeof *b->values);
        b->ids = malloc(BATCH * sizeof *b->ids);
        b->metadata = malloc(BATCH * sizeof *b->metadata);
        good = b->values != NULL && b->ids != NULL && b->metadata != NULL && put_all(writer, b, train, &error);
        free(b->values);
        free(b->ids);
        free(b->metadata);
    }
    vmx_writer_free(writer);
    free(b);
    return good;
}

/* --- searching ----------------------------------------------------------------------------------------------------- */

static size_t
read_rows(const vmx_op *op, size_t rows[NEIGHBOURS])
{
    size_t count = vmx_op_match_count(op) < NEIGHBOURS ? vmx_op_match_count(op) : NEIGHBOURS;
    for (size_t i = 0; i < count; i++) {
        char id[ID_SIZE] = "";
        vmx_str text = vmx_op_match_id(op, i);
        memcpy(id, text.ptr, text.len < ID_SIZE ? text.len : ID_SIZE - 1);
        rows[i] = strtoul(id, NULL, 10);
    }
    return count;
}

/* Members of the filter are the image's own label and the next. */
static bool
query(const session *s, const images *test, size_t i, bool filtered, const truth *answer, double *recall)
{
    float values[MAX_DIMENSION];
    char filter[MEMBERS_SIZE];
    size_t dimension = test->pixels.dimension, rows[NEIGHBOURS];
    unsigned label = test->labels.bytes[i];
    vmx_op *op = NULL;
    vmx_error error;
    vmx_query q;
    for (size_t k = 0; k < dimension; k++)
        values[k] = test->pixels.bytes[i * dimension + k];
    vmx_query_init(&q, sizeof q);
    q.dense = (vmx_floats){values, dimension};
    q.top_k = NEIGHBOURS;
    if (vmx_client_supports(s->client, VMX_CAN_SEARCH_EF))
        q.ef = 128;
    snprintf(filter, sizeof filter, "{\"label\":{\"$in\":[%u,%u]}}", label, (label + 1) % LABELS);
    if (filtered)
        q.filter = vmx_str_from(filter);
    vmx_status status = vmx_index_query(s->index, &q, &s->options, &op, &error);
    bool good = succeeds("query", status, op, &error);
    if (good)
        *recall += truth_recall(answer, filtered, rows, read_rows(op, rows));
    vmx_op_free(op);
    return good;
}

static bool
search(const session *s, const images *train, const images *test)
{
    double plain = 0, filtered = 0, seconds = 0;
    size_t count = test->pixels.count;
    truth answer;
    if (!truth_init(&answer, train))
        return false;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        truth_find(&answer, test, i);
        double started = clock_s();
        good = query(s, test, i, false, &answer, &plain) && query(s, test, i, true, &answer, &filtered);
        seconds += clock_s() - started;
    }
    truth_free(&answer);
    if (!good)
        return false;
    printf("recall@%d of %zu queries: %.4f, with a filter %.4f (%.1f queries/s, one at a time)\n", NEIGHBOURS, count,
           plain / (double)count, filtered / (double)count, 2 * (double)count / seconds);
    return plain / (double)count >= NEEDED && filtered / (double)count >= NEEDED;
}

/* --- the program --------------------------------------------------------------------------------------------------- */

static bool
run(const session *s, const images *train, const images *test)
{
    double started = clock_s();
    if (!make_index(s, train->pixels.dimension) || !load(s, train))
        return false;
    double loaded = clock_s();
    printf("%zu vectors of %zu dimensions loaded in %.1f s\n", train->pixels.count, train->pixels.dimension,
           loaded - started);
    if (!build_index(s))
        return false;
    printf("built in %.1f s\n", clock_s() - loaded);
    return search(s, train, test);
}

static bool
open_session(session *s, const arguments *a, vmx_error *error)
{
    vmx_call_options_init(&s->options, sizeof s->options);
    s->options.timeout_ms = TIMEOUT_MS;
    if (vmx_client_open(a->config, &s->client, error) != VMX_OK)
        return false;
    /* where no index can be made, the endpoint is the index and has no other name */
    vmx_str collection = vmx_str_from(vmx_client_supports(s->client, VMX_CAN_ENSURE) ? a->collection : "");
    return vmx_index_open(s->client, collection, VMX_STR(""), &s->index, error) == VMX_OK;
}

int
main(int argc, char **argv)
{
    arguments a;
    vmx_error error;
    session s = {0};
    images train = {0}, test = {0};
    if (!arguments_read(&a, argc, argv))
        return 2;
    bool opened = open_session(&s, &a, &error);
    if (!opened)
        fprintf(stderr, "portable: %s\n", error.message);
    bool good = opened && images_read(files, "train", a.vectors, &train) &&
                images_read(files, "t10k", a.queries, &test) && run(&s, &train, &test);
    puts(good ? "PASS" : "FAIL");
    images_free(&train);
    images_free(&test);
    vmx_index_free(s.index);
    vmx_client_free(s.client);
    vmx_config_free(a.config);
    return !good;
}
