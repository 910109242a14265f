#include "server/discard_reply.h"

#include <pinecone/vector_service.pb-c.h>
#include <stdio.h>

#include "core/arena.h"
#include "wire/struct_json.h"

#define ID_SIZE           24
#define DEFAULT_DIMENSION 768 /* of a fetched record */
#define METADATA                                                                                                       \
    "{\"title\":\"Vectors and where to keep them\",\"category\":\"technology\",\"tags\":[\"index\",\"search\"],"       \
    "\"year\":2024,\"price\":19.5,\"in_stock\":true}"

static const char *const paths[VMXD_DISCARD_METHODS] = {
    [VMXD_DISCARD_QUERY] = "/VectorService/Query",   [VMXD_DISCARD_UPSERT] = "/VectorService/Upsert",
    [VMXD_DISCARD_FETCH] = "/VectorService/Fetch",   [VMXD_DISCARD_DELETE] = "/VectorService/Delete",
    [VMXD_DISCARD_UPDATE] = "/VectorService/Update", [VMXD_DISCARD_STATS] = "/VectorService/DescribeIndexStats",
};

const char *
vmxd_discard_path(vmxd_discard_method method)
{
    return paths[method];
}

static bool
pack(const ProtobufCMessage *message, grpc_slice *reply)
{
    *reply = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(*reply));
    return true;
}

static float *
make_values(vmx_arena *arena, uint32_t dimension)
{
    float *values = vmx_arena_alloc(arena, (dimension + 1) * sizeof *values);
    for (uint32_t i = 0; values && i < dimension; i++)
        values[i] = (float)(i % 100) / 100 - 0.5f;
    return values;
}

static char *
make_id(vmx_arena *arena, uint32_t i)
{
    char *id = vmx_arena_alloc(arena, ID_SIZE);
    if (id)
        snprintf(id, ID_SIZE, "item-%012u", i);
    return id;
}

/* The same values and metadata in every match. */
static bool
pack_matches(vmx_arena *arena, const vmxd_discard_options *options, grpc_slice *reply)
{
    Pinecone__QueryResponse response = PINECONE__QUERY_RESPONSE__INIT;
    Pinecone__Usage usage = PINECONE__USAGE__INIT;
    Google__Protobuf__Struct *metadata = NULL;
    vmx_error error;
    float *values = make_values(arena, options->dimension);
    response.n_matches = options->matches;
    response.matches = vmx_arena_calloc(arena, options->matches + 1u, sizeof *response.matches);
    Pinecone__ScoredVector *matches = vmx_arena_calloc(arena, options->matches + 1u, sizeof *matches);
    if (!values || !response.matches || !matches ||
        vmx_struct_from_json(arena, VMX_STR(METADATA), "metadata", &metadata, &error) != VMX_OK)
        return false;
    for (uint32_t i = 0; i < options->matches; i++) {
        pinecone__scored_vector__init(&matches[i]);
        matches[i].id = make_id(arena, i);
        if (!matches[i].id)
            return false;
        matches[i].score = 1 - (float)i / 20000;
        matches[i].n_values = options->dimension;
        matches[i].values = values;
        matches[i].metadata = options->metadata ? metadata : NULL;
        response.matches[i] = &matches[i];
    }
    usage._read_units_case = PINECONE__USAGE___READ_UNITS_READ_UNITS;
    usage.read_units = 5;
    response.usage = &usage;
    return pack(&response.base, reply);
}

static bool
pack_record(vmx_arena *arena, const vmxd_discard_options *options, grpc_slice *reply)
{
    Pinecone__Vector vector = PINECONE__VECTOR__INIT;
    Pinecone__FetchResponse__VectorsEntry entry = PINECONE__FETCH_RESPONSE__VECTORS_ENTRY__INIT;
    Pinecone__FetchResponse__VectorsEntry *entries[] = {&entry};
    Pinecone__FetchResponse response = PINECONE__FETCH_RESPONSE__INIT;
    uint32_t dimension = options->dimension > 0 ? options->dimension : DEFAULT_DIMENSION;
    vector.id = entry.key = make_id(arena, 0);
    vector.n_values = dimension;
    vector.values = make_values(arena, dimension);
    entry.value = &vector;
    response.n_vectors = 1;
    response.vectors = entries;
    return vector.id && vector.values && pack(&response.base, reply);
}

static bool
pack_stats(const vmxd_discard_options *options, grpc_slice *reply)
{
    Pinecone__DescribeIndexStatsResponse response = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE__INIT;
    response._dimension_case = PINECONE__DESCRIBE_INDEX_STATS_RESPONSE___DIMENSION_DIMENSION;
    response.dimension = options->dimension > 0 ? options->dimension : DEFAULT_DIMENSION;
    return pack(&response.base, reply);
}

bool
vmxd_discard_reply(vmxd_discard_method method, const vmxd_discard_options *options, grpc_slice *reply)
{
    Pinecone__DeleteResponse empty = PINECONE__DELETE_RESPONSE__INIT;
    vmx_arena arena;
    vmx_arena_init(&arena, 0);
    bool packed;
    switch (method) {
    case VMXD_DISCARD_QUERY:
        packed = pack_matches(&arena, options, reply);
        break;
    case VMXD_DISCARD_FETCH:
        packed = pack_record(&arena, options, reply);
        break;
    case VMXD_DISCARD_STATS:
        packed = pack_stats(options, reply);
        break;
    default:
        packed = pack(&empty.base, reply);
    }
    vmx_arena_reset(&arena);
    return packed;
}
