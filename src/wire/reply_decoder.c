#include "wire/reply_decoder.h"

#include <stdalign.h>

#include "wire/checked_reader.h"
#include "wire/struct_bytes.h"
#include "wire/text_check.h"

/* Field numbers. */
enum { RESULTS_MATCHES = 1, RESULTS_NAMESPACE = 2 }; /* of SingleQueryResults */
enum { ENTRY_KEY = 1, ENTRY_VECTOR = 2 };            /* of an entry of a fetched map */
enum { USAGE_READ_UNITS = 1, USAGE_EGRESS_BYTES = 2, PAGINATION_NEXT = 1 };
enum { SPARSE_INDICES = 1, SPARSE_VALUES = 2 };

/* Where ScoredVector and Vector have the same things; 0: nowhere. */
typedef struct layout {
    uint32_t id, score, values, metadata, sparse;
} layout;

static const layout scored_vector = {.id = 1, .score = 2, .values = 3, .metadata = 4, .sparse = 5};
static const layout plain_vector = {.id = 1, .score = 0, .values = 2, .metadata = 3, .sparse = 4};

/* Where the replies have the same things; 0: nowhere. */
typedef struct shape {
    uint32_t records, name_space, usage, pagination, results;
} shape;

static const shape shapes[] = {
    [VMX_REPLY_QUERY] = {.records = 2, .name_space = 3, .usage = 4, .results = 1},
    [VMX_REPLY_FETCH] = {.records = 1, .name_space = 2, .usage = 3},
    [VMX_REPLY_FETCH_BY_METADATA] = {.records = 1, .name_space = 2, .usage = 3, .pagination = 4},
};

/* A packed field this long has three bytes of tag and length before its values. */
#define MOVABLE_MIN_BYTES 128

/* --- checks ------------------------------------------------------------------------------------------------------- */

/* A string field. */
static bool
text_is_good(const vmx_field *field)
{
    return field->type == VMX_WIRE_BYTES && vmx_text_valid(field->bytes);
}

/* One piece of repeated float, packed or single; adds how many. */
static bool
count_floats(const vmx_field *field, size_t *count)
{
    bool packed = field->type == VMX_WIRE_BYTES;
    *count += packed ? field->bytes.len / sizeof(float) : 1;
    return packed ? field->bytes.len % sizeof(float) == 0 : field->type == VMX_WIRE_32BIT;
}

/* One piece of repeated uint32, packed or single; adds how many. */
static bool
count_indices(const vmx_field *field, size_t *count)
{
    *count += 1;
    if (field->type != VMX_WIRE_BYTES)
        return field->type == VMX_WIRE_VARINT;
    *count -= 1;
    const uint8_t *at = (const uint8_t *)field->bytes.ptr, *end = at + field->bytes.len;
    for (uint64_t index; at != NULL && at < end; *count += 1)
        at = vmx_checked_varint(at, end, VMX_MAX_VARINT_BYTES, &index);
    return at != NULL;
}

/* --- records: one walk that checks and finds ---------------------------------------------------------------------- */

/* A SparseValues message. */
typedef struct sparse_part {
    vmx_str bytes; /* ptr NULL: none */
    size_t index_count, value_count;
} sparse_part;

/* What a record has, and where. */
typedef struct record {
    vmx_str id;
    float score;
    vmx_str values;      /* a packed piece of them: all, if there are no others */
    size_t value_pieces; /* packed ones and single ones */
    size_t value_count;
    vmx_str metadata; /* ptr NULL: none */
    sparse_part sparse;
} record;

static bool
find_sparse(vmx_str bytes, sparse_part *sparse)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = true;
    *sparse = (sparse_part){.bytes = bytes};
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number == SPARSE_INDICES)
            good = count_indices(&field, &sparse->index_count);
        else if (field.number == SPARSE_VALUES)
            good = count_floats(&field, &sparse->value_count);
    }
    return good && !reader.broken;
}

static bool
find_metadata(const vmx_field *field, unsigned depth, vmx_str *metadata)
{
    *metadata = field->bytes;
    return field->type == VMX_WIRE_BYTES && vmx_struct_bytes_check(field->bytes, depth);
}

/* The record is a message at `depth`. */
static bool
find_record(vmx_str bytes, const layout *at, unsigned depth, record *found)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = true;
    *found = (record){.id = {"", 0}};
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number == at->id) {
            found->id = field.bytes;
            good = text_is_good(&field);
        } else if (field.number == at->score) {
            found->score = vmx_field_float(&field);
            good = field.type == VMX_WIRE_32BIT;
        } else if (field.number == at->values) {
            found->values = field.bytes;
            found->value_pieces++;
            good = count_floats(&field, &found->value_count);
        } else if (field.number == at->metadata) {
            good = find_metadata(&field, depth + 1, &found->metadata);
        } else if (field.number == at->sparse) {
            good = field.type == VMX_WIRE_BYTES && find_sparse(field.bytes, &found->sparse);
        }
    }
    return good && !reader.broken;
}

/* --- records: making them ----------------------------------------------------------------------------------------- */

/* Memory of the result; NULL sets *status. */
static void *
take_memory(vmx_decoder *decoder, size_t count, size_t item_bytes, vmx_status *status)
{
    bool fits = count <= (decoder->max_bytes - decoder->needed_bytes) / item_bytes;
    void *memory = fits ? vmx_arena_alloc(decoder->arena, count * item_bytes) : NULL;
    decoder->needed_bytes += count * item_bytes;
    *status = !fits ? VMX_ERR_TOO_LARGE : memory == NULL ? VMX_ERR_NO_MEMORY : VMX_OK;
    return memory;
}

/* All pieces of field `number`, one after the other. */
static void
gather_floats(vmx_str bytes, uint32_t number, float *out)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    for (vmx_field field; vmx_field_next(&reader, &field);) {
        if (field.number != number)
            continue;
        bool packed = field.type == VMX_WIRE_BYTES;
        size_t len = packed ? field.bytes.len : sizeof *out;
        memcpy(out, packed ? (const void *)field.bytes.ptr : &field.value, len);
        out += len / sizeof *out;
    }
}

/* The packed values where they are, or a few bytes before; NULL where that cannot be. */
static const float *
values_in_place(const vmx_decoder *decoder, const record *from)
{
    size_t off = (uintptr_t)from->values.ptr % alignof(float);
    if (from->value_pieces != 1 || from->values.len == 0)
        return NULL;
    if (off == 0)
        return (const float *)(const void *)from->values.ptr;
    if (!decoder->may_move || from->values.len < MOVABLE_MIN_BYTES)
        return NULL;
    char *to = (char *)(uintptr_t)from->values.ptr - off; /* over their tag and length, which have been read */
    memmove(to, from->values.ptr, from->values.len);
    return (const float *)(void *)to;
}

static vmx_status
make_values(vmx_decoder *decoder, vmx_str bytes, uint32_t number, const record *from, vmx_floats *out)
{
    if (from->value_count == 0)
        return VMX_OK;
    const float *values = values_in_place(decoder, from);
    vmx_status status = VMX_OK;
    if (values == NULL) {
        float *copy = take_memory(decoder, from->value_count, sizeof *copy, &status);
        if (copy != NULL)
            gather_floats(bytes, number, copy);
        values = copy;
    }
    *out = (vmx_floats){values, values != NULL ? from->value_count : 0};
    return status;
}

static void
gather_indices(vmx_str bytes, uint32_t *out)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    for (vmx_field field; vmx_field_next(&reader, &field);) {
        if (field.number != SPARSE_INDICES)
            continue;
        if (field.type != VMX_WIRE_BYTES)
            *out++ = (uint32_t)field.value;
        vmx_field_reader packed = vmx_field_reader_on(field.bytes);
        while (packed.at < packed.end)
            *out++ = (uint32_t)vmx_varint_read(&packed.at);
    }
}

static vmx_status
make_sparse(vmx_decoder *decoder, const sparse_part *from, vmx_sparse *out)
{
    vmx_status status = VMX_OK;
    if (from->bytes.ptr == NULL || (from->index_count == 0 && from->value_count == 0))
        return VMX_OK;
    uint32_t *indices = take_memory(decoder, from->index_count, sizeof *indices, &status);
    float *values = indices != NULL ? take_memory(decoder, from->value_count, sizeof *values, &status) : NULL;
    if (values == NULL)
        return status;
    gather_indices(from->bytes, indices);
    gather_floats(from->bytes, SPARSE_VALUES, values);
    *out = (vmx_sparse){indices, values, from->index_count < from->value_count ? from->index_count : from->value_count};
    return VMX_OK;
}

static vmx_status
read_record(vmx_decoder *decoder, vmx_str bytes, const layout *at, unsigned depth, vmx_match *match)
{
    record found;
    if (!find_record(bytes, at, depth, &found))
        return VMX_ERR_PROTOCOL;
    *match = (vmx_match){.id = found.id, .score = found.score, .metadata = found.metadata};
    vmx_status status = make_sparse(decoder, &found.sparse, &match->sparse);
    return status == VMX_OK ? make_values(decoder, bytes, at->values, &found, &match->values) : status;
}

/* An entry of a fetched map; the key is the id. */
static vmx_status
read_entry(vmx_decoder *decoder, vmx_str bytes, unsigned depth, vmx_match *match)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    vmx_str key = {"", 0};
    vmx_status status = VMX_OK;
    *match = (vmx_match){.id = {"", 0}};
    for (vmx_field field; status == VMX_OK && vmx_checked_next(&reader, &field);) {
        if (field.number == ENTRY_KEY) {
            key = field.bytes;
            status = text_is_good(&field) ? VMX_OK : VMX_ERR_PROTOCOL;
        } else if (field.number == ENTRY_VECTOR) {
            status = field.type != VMX_WIRE_BYTES ? VMX_ERR_PROTOCOL
                                                  : read_record(decoder, field.bytes, &plain_vector, depth + 1, match);
        }
    }
    match->id = key;
    return reader.broken ? VMX_ERR_PROTOCOL : status;
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

static bool
read_usage(const vmx_field *of, vmx_decoded *decoded)
{
    vmx_checked_reader reader = vmx_checked_reader_on(of->bytes);
    bool good = of->type == VMX_WIRE_BYTES;
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number == USAGE_READ_UNITS) {
            decoded->has_read_units = true;
            decoded->read_units = (uint32_t)field.value;
        } else if (field.number == USAGE_EGRESS_BYTES) {
            decoded->has_egress_bytes = true;
            decoded->egress_bytes = (uint32_t)field.value;
        } else {
            continue;
        }
        good = field.type == VMX_WIRE_VARINT;
    }
    return good && !reader.broken;
}

static bool
read_pagination(const vmx_field *of, vmx_decoded *decoded)
{
    vmx_checked_reader reader = vmx_checked_reader_on(of->bytes);
    bool good = of->type == VMX_WIRE_BYTES;
    decoded->next_token = (vmx_str){NULL, 0};
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number != PAGINATION_NEXT)
            continue;
        good = text_is_good(&field);
        decoded->next_token = field.bytes.len > 0 ? field.bytes : (vmx_str){NULL, 0};
    }
    return good && !reader.broken;
}

/* A SingleQueryResults, which nobody sends any more and which is not read, but checked. */
static bool
results_are_good(const vmx_field *of)
{
    vmx_checked_reader reader = vmx_checked_reader_on(of->bytes);
    bool good = of->type == VMX_WIRE_BYTES;
    record unread;
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number == RESULTS_MATCHES)
            good = field.type == VMX_WIRE_BYTES && find_record(field.bytes, &scored_vector, 3, &unread);
        else if (field.number == RESULTS_NAMESPACE)
            good = text_is_good(&field);
    }
    return good && !reader.broken;
}

/* Everything but the records, which are counted. */
static bool
read_around_records(vmx_str bytes, const shape *at, vmx_decoded *decoded)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    bool good = true;
    for (vmx_field field; good && vmx_checked_next(&reader, &field);) {
        if (field.number == at->records) {
            decoded->match_count++;
            good = field.type == VMX_WIRE_BYTES;
        } else if (field.number == at->usage) {
            good = read_usage(&field, decoded);
        } else if (field.number == at->name_space) {
            good = text_is_good(&field);
        } else if (field.number == at->pagination) {
            good = read_pagination(&field, decoded);
        } else if (field.number == at->results) {
            good = results_are_good(&field);
        }
    }
    return good && !reader.broken;
}

static vmx_status
read_records(vmx_decoder *decoder, vmx_reply_kind kind, vmx_str bytes, vmx_match *match)
{
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_status status = VMX_OK;
    for (vmx_field field; status == VMX_OK && vmx_field_next(&reader, &field);) {
        if (field.number != shapes[kind].records)
            continue;
        status = kind == VMX_REPLY_QUERY ? read_record(decoder, field.bytes, &scored_vector, 2, match)
                                         : read_entry(decoder, field.bytes, 2, match);
        match++;
    }
    return status;
}

vmx_status
vmx_reply_decode(vmx_decoder *decoder, vmx_reply_kind kind, vmx_str bytes, vmx_decoded *decoded)
{
    vmx_status status = VMX_OK;
    *decoded = (vmx_decoded){0};
    decoder->needed_bytes = 0;
    if (!read_around_records(bytes, &shapes[kind], decoded))
        return VMX_ERR_PROTOCOL;
    decoded->matches = take_memory(decoder, decoded->match_count, sizeof *decoded->matches, &status);
    return status == VMX_OK ? read_records(decoder, kind, bytes, decoded->matches) : status;
}

bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match)
{
    vmx_decoder decoder = {.arena = arena, .max_bytes = SIZE_MAX};
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    return vmx_field_next(&reader, &field) && read_record(&decoder, field.bytes, &plain_vector, 2, match) == VMX_OK;
}
