#include "wire/records.h"

#include <string.h>

#include "wire/oracle.h"
#include "wire/struct_bytes.h"
#include "wire/varint.h"

size_t
choose(record_source *source, size_t max)
{
    if (source->left == 0)
        return (size_t)vmx_random_up_to(&source->chance, max);
    uint64_t value = 0;
    for (size_t covered = max; covered > 0 && source->left > 0; covered >>= 8, source->left--)
        value = value << 8 | *source->bytes++;
    return (size_t)(value % (max + 1));
}

static vmx_str
make_text(record_source *source, size_t max)
{
    static const char *const pieces[] = {"a", "Z", "7", "é", "日", "🙂", " ", "\"", "\\", "\n"};
    char *text = vmx_arena_alloc(source->arena, max * 4 + 1);
    size_t len = 0;
    for (size_t i = choose(source, max); i > 0; i--) {
        const char *piece = pieces[choose(source, 9)];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    text[len] = '\0';
    return (vmx_str){text, len};
}

static float *
make_floats(record_source *source, size_t count)
{
    float *values = vmx_arena_alloc(source->arena, (count + 1) * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(vmx_random_unit(&source->chance) * 2 - 1);
    return values;
}

/* Sizes on both sides of the thresholds: for references, and of the decoder's moves. */
static size_t
choose_dimension(record_source *source)
{
    switch (choose(source, 3)) {
    case 0:
        return 0;
    case 1:
        return choose(source, 40);
    default:
        return VMX_REFERENCE_MIN_BYTES / sizeof(float) + choose(source, 20) - 10;
    }
}

static vmx_sparse
make_sparse(record_source *source)
{
    size_t count = choose(source, 3) == 0 ? choose(source, 30) : 0;
    uint32_t *indices = vmx_arena_alloc(source->arena, (count + 1) * sizeof *indices);
    for (size_t i = 0; i < count; i++)
        indices[i] = (uint32_t)choose(source, UINT32_MAX) >> choose(source, 31);
    return (vmx_sparse){indices, make_floats(source, count), count};
}

static vmx_str
make_metadata(record_source *source)
{
    static const char *const texts[] = {
        "{}", "{\"a\":1,\"é\":[\"x\",\"y\"],\"n\":null}",
        "{\"deep\":{\"er\":{\"list\":[1,[2,[3]],{\"b\":true}]}},\"s\":\"\\u0001\\\"\"}"};
    vmx_str bytes = {NULL, 0};
    if (choose(source, 2) > 0) {
        const char *text = texts[choose(source, 2)];
        ORACLE_CHECK(vmx_struct_bytes_from_json(source->arena, vmx_str_from(text), "m", &bytes, NULL) == VMX_OK);
    }
    return bytes;
}

void
make_record(record_source *source, vmx_vector_item *item)
{
    size_t dimension = choose_dimension(source);
    *item = (vmx_vector_item){
        .id = make_text(source, 8),
        .values = {make_floats(source, dimension), dimension},
        .sparse = make_sparse(source),
        .metadata = make_metadata(source),
    };
    vmx_vector_item_measure(item);
}

void
make_query(record_source *source, vmx_query_item *query)
{
    vmx_vector_item record;
    make_record(source, &record);
    *query = (vmx_query_item){
        .name_space = make_text(source, choose(source, 1) * 40),
        .id = record.id,
        .dense = record.values,
        .sparse = record.sparse,
        .filter = record.metadata,
        .top_k = (uint32_t)choose(source, choose(source, 1) == 0 ? 10 : UINT32_MAX),
        .max_candidates = choose(source, 1) == 0 ? 0 : (uint32_t)choose(source, 100000),
        .scan_factor = choose(source, 1) == 0 ? 0 : make_floats(source, 1)[0],
        .include_values = choose(source, 1) == 0,
        .include_metadata = choose(source, 1) == 0,
    };
}

static Pinecone__Usage *
make_usage(record_source *source)
{
    Pinecone__Usage *usage = vmx_arena_calloc(source->arena, 1, sizeof *usage);
    pinecone__usage__init(usage);
    if (choose(source, 1) == 0) {
        usage->_read_units_case = PINECONE__USAGE___READ_UNITS_READ_UNITS;
        usage->read_units = (uint32_t)choose(source, 3);
    }
    if (choose(source, 1) == 0) {
        usage->_egress_bytes_case = PINECONE__USAGE___EGRESS_BYTES_EGRESS_BYTES;
        usage->egress_bytes = (uint32_t)choose(source, 300000);
    }
    return choose(source, 3) == 0 ? NULL : usage;
}

static Pinecone__ScoredVector *
make_match(record_source *source)
{
    vmx_vector_item item;
    make_record(source, &item);
    const Pinecone__Vector *from = oracle_vector(source->arena, &item);
    Pinecone__ScoredVector *match = vmx_arena_calloc(source->arena, 1, sizeof *match);
    pinecone__scored_vector__init(match);
    match->id = from->id;
    match->score = make_floats(source, 1)[0];
    match->values = from->values;
    match->n_values = from->n_values;
    match->metadata = from->metadata;
    match->sparse_values = from->sparse_values;
    return match;
}

/* The matches once more, in the field of old servers, which is checked and not read. */
static vmx_str
add_results(record_source *source, const Pinecone__QueryResponse *reply, vmx_str bytes)
{
    Pinecone__SingleQueryResults results = PINECONE__SINGLE_QUERY_RESULTS__INIT;
    results.matches = reply->matches;
    results.n_matches = reply->n_matches;
    vmx_str packed = oracle_pack(source->arena, &results.base);
    uint8_t *both = vmx_arena_alloc(source->arena, vmx_field_size(packed.len) + bytes.len);
    uint8_t *end = vmx_field_write(both, 1, packed.ptr, packed.len);
    memcpy(end, bytes.ptr, bytes.len);
    return (vmx_str){(const char *)both, vmx_field_size(packed.len) + bytes.len};
}

vmx_str
make_query_reply(record_source *source, size_t max)
{
    Pinecone__QueryResponse reply = PINECONE__QUERY_RESPONSE__INIT;
    size_t count = choose(source, max);
    reply.matches = vmx_arena_calloc(source->arena, count + 1, sizeof(Pinecone__ScoredVector *));
    while (reply.n_matches < count)
        reply.matches[reply.n_matches++] = make_match(source);
    reply.namespace_ = (char *)(uintptr_t)make_text(source, 4).ptr;
    reply.usage = make_usage(source);
    vmx_str bytes = oracle_pack(source->arena, &reply.base);
    return choose(source, 7) == 0 ? add_results(source, &reply, bytes) : bytes;
}

vmx_str
make_fetch_reply(record_source *source, size_t max)
{
    typedef Pinecone__FetchByMetadataResponse__VectorsEntry entry;
    Pinecone__FetchByMetadataResponse reply = PINECONE__FETCH_BY_METADATA_RESPONSE__INIT;
    Pinecone__Pagination page = PINECONE__PAGINATION__INIT;
    size_t count = choose(source, max);
    reply.vectors = vmx_arena_calloc(source->arena, count + 1, sizeof(entry *));
    for (; reply.n_vectors < count; reply.n_vectors++) {
        vmx_vector_item item;
        make_record(source, &item);
        entry *made = vmx_arena_calloc(source->arena, 1, sizeof *made);
        pinecone__fetch_by_metadata_response__vectors_entry__init(made);
        made->value = oracle_vector(source->arena, &item);
        made->key = made->value->id;
        reply.vectors[reply.n_vectors] = made;
    }
    page.next = (char *)(uintptr_t)(choose(source, 1) == 0 ? "" : "next page");
    reply.pagination = choose(source, 1) == 0 ? NULL : &page;
    reply.usage = make_usage(source);
    return oracle_pack(source->arena, &reply.base);
}
