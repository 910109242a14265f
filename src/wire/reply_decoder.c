#include "wire/reply_decoder.h"

#include "wire/field_reader.h"

/* Field numbers. */
enum { QUERY_MATCHES = 2, QUERY_USAGE = 4 };                       /* of QueryResponse */
enum { FETCH_VECTORS = 1, FETCH_USAGE = 3, FETCH_PAGINATION = 4 }; /* of FetchResponse */
enum { ENTRY_KEY = 1, ENTRY_VECTOR = 2 };                          /* of its map's entries */
enum { USAGE_READ_UNITS = 1, USAGE_EGRESS_BYTES = 2, PAGINATION_NEXT = 1 };
enum { SPARSE_INDICES = 1, SPARSE_VALUES = 2 };

/* Where ScoredVector and Vector have the same things. */
typedef struct layout {
    uint32_t id, score, values, metadata, sparse; /* score 0: has none */
} layout;

static const layout scored_vector = {.id = 1, .score = 2, .values = 3, .metadata = 4, .sparse = 5};
static const layout plain_vector = {.id = 1, .score = 0, .values = 2, .metadata = 3, .sparse = 4};

/* --- numbers ------------------------------------------------------------------------------------------------------- */

/* A repeated float comes packed, in one piece or several, or one by one. */
static size_t
count_floats(vmx_str bytes, uint32_t number)
{
    size_t count = 0;
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (vmx_field_next(&reader, &field))
        if (field.number == number)
            count += field.type == VMX_WIRE_BYTES ? field.bytes.len / sizeof(float) : 1;
    return count;
}

static bool
read_floats(vmx_str bytes, uint32_t number, vmx_arena *arena, vmx_floats *out)
{
    size_t count = count_floats(bytes, number);
    if (count == 0)
        return true;
    float *values = vmx_arena_alloc(arena, count * sizeof *values);
    if (values == NULL)
        return false;
    *out = (vmx_floats){values, count};
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (vmx_field_next(&reader, &field)) {
        if (field.number != number)
            continue;
        size_t len = field.type == VMX_WIRE_BYTES ? field.bytes.len : sizeof *values;
        memcpy(values, field.type == VMX_WIRE_BYTES ? (const void *)field.bytes.ptr : &field.value, len);
        values += len / sizeof *values;
    }
    return true;
}

/* One piece of repeated uint32, packed or single; writes to `out` unless NULL; returns how many. */
static size_t
read_indices_of(const vmx_field *field, uint32_t *out)
{
    if (field->type != VMX_WIRE_BYTES) {
        if (out != NULL)
            *out = (uint32_t)field->value;
        return 1;
    }
    size_t count = 0;
    vmx_field_reader reader = vmx_field_reader_on(field->bytes);
    for (; reader.at < reader.end; count++) {
        uint32_t index = (uint32_t)vmx_varint_read(&reader.at);
        if (out != NULL)
            out[count] = index;
    }
    return count;
}

static size_t
read_indices(vmx_str bytes, uint32_t *out)
{
    size_t count = 0;
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (vmx_field_next(&reader, &field))
        if (field.number == SPARSE_INDICES)
            count += read_indices_of(&field, out != NULL ? out + count : NULL);
    return count;
}

static bool
read_sparse(vmx_str bytes, vmx_arena *arena, vmx_sparse *out)
{
    vmx_floats values = {NULL, 0};
    size_t count = read_indices(bytes, NULL);
    uint32_t *indices = vmx_arena_alloc(arena, count * sizeof *indices);
    if (indices == NULL || !read_floats(bytes, SPARSE_VALUES, arena, &values))
        return false;
    read_indices(bytes, indices);
    *out = (vmx_sparse){indices, values.ptr, count < values.len ? count : values.len};
    return true;
}

/* --- records ------------------------------------------------------------------------------------------------------- */

static bool
read_match(vmx_str bytes, const layout *at, vmx_arena *arena, vmx_match *match)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    vmx_str sparse = {NULL, 0};
    match->id = (vmx_str){"", 0};
    while (vmx_field_next(&reader, &field)) {
        if (field.number == at->id)
            match->id = field.bytes;
        else if (field.number == at->score)
            match->score = vmx_field_float(&field);
        else if (field.number == at->metadata)
            match->metadata = field.bytes;
        else if (field.number == at->sparse)
            sparse = field.bytes;
    }
    return read_floats(bytes, at->values, arena, &match->values) &&
           (sparse.ptr == NULL || read_sparse(sparse, arena, &match->sparse));
}

/* An entry of a fetched map: the key is the id. */
static bool
read_entry(vmx_str bytes, vmx_arena *arena, vmx_match *match)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    vmx_str key = {"", 0}, vector = {"", 0};
    while (vmx_field_next(&reader, &field)) {
        if (field.number == ENTRY_KEY)
            key = field.bytes;
        else if (field.number == ENTRY_VECTOR)
            vector = field.bytes;
    }
    bool read = read_match(vector, &plain_vector, arena, match);
    match->id = key;
    return read;
}

/* --- replies ------------------------------------------------------------------------------------------------------- */

static void
read_usage(vmx_str bytes, vmx_decoded *decoded)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (vmx_field_next(&reader, &field)) {
        if (field.number == USAGE_READ_UNITS) {
            decoded->has_read_units = true;
            decoded->read_units = (uint32_t)field.value;
        } else if (field.number == USAGE_EGRESS_BYTES) {
            decoded->has_egress_bytes = true;
            decoded->egress_bytes = (uint32_t)field.value;
        }
    }
}

static vmx_str
read_token(vmx_str bytes)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    vmx_str token = {NULL, 0};
    while (vmx_field_next(&reader, &field))
        if (field.number == PAGINATION_NEXT && field.bytes.len > 0)
            token = field.bytes;
    return token;
}

/* Room for every field `number` of the reply. */
static bool
make_matches(vmx_str bytes, uint32_t number, vmx_arena *arena, vmx_decoded *decoded)
{
    size_t count = 0;
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (vmx_field_next(&reader, &field))
        count += field.number == number;
    *decoded = (vmx_decoded){.matches = vmx_arena_calloc(arena, count, sizeof(vmx_match))};
    return decoded->matches != NULL;
}

bool
vmx_query_reply_decode(vmx_str bytes, vmx_arena *arena, vmx_decoded *decoded)
{
    bool read = make_matches(bytes, QUERY_MATCHES, arena, decoded);
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (read && vmx_field_next(&reader, &field)) {
        if (field.number == QUERY_MATCHES)
            read = read_match(field.bytes, &scored_vector, arena, &decoded->matches[decoded->match_count++]);
        else if (field.number == QUERY_USAGE)
            read_usage(field.bytes, decoded);
    }
    return read;
}

bool
vmx_fetch_reply_decode(vmx_str bytes, vmx_arena *arena, vmx_decoded *decoded)
{
    bool read = make_matches(bytes, FETCH_VECTORS, arena, decoded);
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    while (read && vmx_field_next(&reader, &field)) {
        if (field.number == FETCH_VECTORS)
            read = read_entry(field.bytes, arena, &decoded->matches[decoded->match_count++]);
        else if (field.number == FETCH_USAGE)
            read_usage(field.bytes, decoded);
        else if (field.number == FETCH_PAGINATION)
            decoded->next_token = read_token(field.bytes);
    }
    return read;
}

bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    return vmx_field_next(&reader, &field) && read_match(field.bytes, &plain_vector, arena, match);
}
