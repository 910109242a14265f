#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* Protocol Buffers, "Encoding": wire types 0 (varint) and 2 (length-delimited); field numbers of
 * proto/pinecone/vector_service.proto. */
enum { VARINT = 0, BYTES = 2 };
enum { QUERY_TOP_K = 2, QUERY_INCLUDE_VALUES = 4, QUERY_INCLUDE_METADATA = 5, QUERY_VECTOR = 7 };
enum { UPSERT_VECTORS = 1, VECTOR_ID = 1, VECTOR_VALUES = 2, VECTOR_METADATA = 3 };
enum { STRUCT_FIELDS = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2, VALUE_STRING = 3 };

#define MESSAGE_SLACK 64

typedef struct writer {
    uint8_t *at;
} writer;

static size_t
varint_size(size_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

static void
put_varint(writer *self, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        *self->at++ = (uint8_t)(value | 0x80);
    *self->at++ = (uint8_t)value;
}

static void
put_number(writer *self, unsigned field, size_t value)
{
    put_varint(self, field << 3 | VARINT);
    put_varint(self, value);
}

static void
put_head(writer *self, unsigned field, size_t len)
{
    put_varint(self, field << 3 | BYTES);
    put_varint(self, len);
}

static void
put_bytes(writer *self, unsigned field, const void *bytes, size_t len)
{
    put_head(self, field, len);
    memcpy(self->at, bytes, len);
    self->at += len;
}

/* Of a field with a number below 16. */
static size_t
field_size(size_t len)
{
    return 1 + varint_size(len) + len;
}

static grpc_slice
encode_query(const bench_options *options, const float *vector)
{
    size_t len = options->dimension * sizeof *vector;
    grpc_slice slice = grpc_slice_malloc(len + MESSAGE_SLACK);
    writer out = {GRPC_SLICE_START_PTR(slice)};
    bool decode = strncmp(options->scenario, "decode", strlen("decode")) == 0;
    put_number(&out, QUERY_TOP_K, options->top_k);
    if (options->with_values || decode)
        put_number(&out, QUERY_INCLUDE_VALUES, 1);
    if (options->with_metadata || decode)
        put_number(&out, QUERY_INCLUDE_METADATA, 1);
    put_bytes(&out, QUERY_VECTOR, vector, len);
    GRPC_SLICE_SET_LENGTH(slice, (size_t)(out.at - GRPC_SLICE_START_PTR(slice)));
    return slice;
}

static void
put_metadata(writer *out, const char *text)
{
    size_t value = field_size(strlen(text));
    size_t entry = field_size(strlen(BENCH_PAYLOAD_FIELD)) + field_size(value);
    put_head(out, VECTOR_METADATA, field_size(entry));
    put_head(out, STRUCT_FIELDS, entry);
    put_bytes(out, ENTRY_KEY, BENCH_PAYLOAD_FIELD, strlen(BENCH_PAYLOAD_FIELD));
    put_head(out, ENTRY_VALUE, value);
    put_bytes(out, VALUE_STRING, text, strlen(text));
}

static size_t
metadata_size(size_t payload)
{
    size_t entry = field_size(strlen(BENCH_PAYLOAD_FIELD)) + field_size(field_size(payload));
    return payload > 0 ? field_size(field_size(entry)) : 0;
}

static grpc_slice
encode_batch(const bench_options *options, const float *floats, const char *text)
{
    size_t count = bench_options_batch(options), values = options->dimension * sizeof *floats;
    size_t vector = field_size(BENCH_ID_BYTES) + field_size(values) + metadata_size(options->payload);
    grpc_slice slice = grpc_slice_malloc(count * field_size(vector));
    writer out = {GRPC_SLICE_START_PTR(slice)};
    for (size_t i = 0; i < count; i++) {
        char id[BENCH_ID_BYTES + 1];
        bench_id_write(id, i);
        put_head(&out, UPSERT_VECTORS, vector);
        put_bytes(&out, VECTOR_ID, id, BENCH_ID_BYTES);
        put_bytes(&out, VECTOR_VALUES, floats + i * options->dimension, values);
        if (options->payload > 0)
            put_metadata(&out, text);
    }
    return slice;
}

static bool
make_queries(raw_requests *requests, const bench_options *options)
{
    bench_random random = options->seed;
    float *vectors = bench_random_floats(&random, BENCH_QUERIES * options->dimension);
    requests->path = "/VectorService/Query";
    requests->payload_bytes = (double)options->dimension * sizeof *vectors;
    requests->count = vectors ? BENCH_QUERIES : 0;
    for (size_t i = 0; i < requests->count; i++)
        requests->messages[i] = encode_query(options, vectors + i * options->dimension);
    free(vectors);
    return requests->count > 0;
}

static bool
take_apart(raw_requests *requests, const bench_options *options)
{
    if (options->payload > 0) {
        fprintf(stderr, "bench: --send: only batches without metadata are put together: leave --payload out\n");
        return false;
    }
    requests->parts = raw_parts_new(options->send, requests->messages, requests->count, bench_options_batch(options),
                                    options->dimension * sizeof(float));
    return requests->parts != NULL;
}

static bool
make_batch(raw_requests *requests, const bench_options *options)
{
    bench_random random = options->seed;
    size_t count = bench_options_batch(options);
    float *floats = bench_random_floats(&random, count * options->dimension);
    char *text = bench_payload_new(options->payload);
    requests->path = "/VectorService/Upsert";
    requests->payload_bytes = (double)(count * options->dimension) * sizeof *floats;
    /* a bulk load never sends the same bytes twice: what was sent before is no longer in the nearest cache */
    requests->count = !floats || !text ? 0 : strcmp(options->scenario, "load") == 0 ? BENCH_LOAD_BATCHES : 1;
    for (size_t i = 0; i < requests->count; i++)
        requests->messages[i] = encode_batch(options, floats, text);
    free(floats);
    free(text);
    return requests->count > 0 && (options->send == BENCH_SEND_READY || take_apart(requests, options));
}

bool
raw_requests_init(raw_requests *requests, const bench_options *options)
{
    static const char *const of_queries[] = {"query", "latency", "scale", "decode", "decode-alone", "channels"};
    *requests = (raw_requests){0};
    if (strcmp(options->scenario, "upsert") == 0 || strcmp(options->scenario, "load") == 0)
        return make_batch(requests, options);
    for (size_t i = 0; i < sizeof of_queries / sizeof of_queries[0]; i++)
        if (strcmp(options->scenario, of_queries[i]) == 0)
            return make_queries(requests, options);
    return false;
}

void
raw_requests_put(const raw_requests *requests, size_t i, grpc_slice *copy, grpc_slice_buffer *buffer)
{
    if (requests->parts)
        raw_parts_put(requests->parts, i, copy, buffer);
    else
        grpc_slice_buffer_add(buffer, grpc_slice_ref(requests->messages[i]));
}

void
raw_requests_free(raw_requests *requests)
{
    raw_parts_free(requests->parts);
    for (size_t i = 0; i < requests->count; i++)
        grpc_slice_unref(requests->messages[i]);
}
