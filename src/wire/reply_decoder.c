#include "wire/reply_decoder.h"

#include <stdalign.h>

#include "wire/checked_reader.h"
#include "wire/slice_reader.h"
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

/* Bytes of a message that lie in one piece. */
typedef struct piece {
    vmx_str bytes;
    bool may_move; /* as of the decoder */
} piece;

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

static bool
is_aligned(const void *at)
{
    return (uintptr_t)at % alignof(float) == 0;
}

/* Whether the packed values can be read where they are, or where they are moved to in the end. */
static bool
values_can_stay(const record *from, bool may_move)
{
    return from->value_pieces == 1 && from->values.len > 0 &&
           (is_aligned(from->values.ptr) || (may_move && from->values.len >= MOVABLE_MIN_BYTES));
}

static vmx_status
make_values(vmx_decoder *decoder, const piece *of, uint32_t number, const record *from, vmx_floats *out)
{
    vmx_status status = VMX_OK;
    if (from->value_count == 0)
        return VMX_OK;
    if (values_can_stay(from, of->may_move)) {
        *out = (vmx_floats){(const void *)from->values.ptr, from->value_count};
        return VMX_OK;
    }
    float *copy = take_memory(decoder, from->value_count, sizeof *copy, &status);
    if (copy != NULL) {
        gather_floats(of->bytes, number, copy);
        *out = (vmx_floats){copy, from->value_count};
    }
    return status;
}

/* Moves values to where floats may stand: over their tag and length, which have been read. */
static void
align_values(const vmx_decoded *decoded)
{
    for (size_t i = 0; i < decoded->match_count; i++) {
        vmx_floats *values = &decoded->matches[i].values;
        const char *from = (const void *)values->ptr;
        if (is_aligned(from))
            continue;
        char *to = (char *)(uintptr_t)from - (uintptr_t)from % alignof(float);
        memmove(to, from, values->len * sizeof *values->ptr);
        values->ptr = (const float *)(void *)to;
    }
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
read_record(vmx_decoder *decoder, const piece *of, const layout *at, unsigned depth, vmx_match *match)
{
    record found;
    if (!find_record(of->bytes, at, depth, &found))
        return VMX_ERR_PROTOCOL;
    *match = (vmx_match){.id = found.id, .score = found.score, .metadata = found.metadata};
    vmx_status status = make_sparse(decoder, &found.sparse, &match->sparse);
    return status == VMX_OK ? make_values(decoder, of, at->values, &found, &match->values) : status;
}

/* An entry of a fetched map; the key is the id. */
static vmx_status
read_entry(vmx_decoder *decoder, const piece *of, unsigned depth, vmx_match *match)
{
    vmx_checked_reader reader = vmx_checked_reader_on(of->bytes);
    vmx_str key = {"", 0};
    vmx_status status = VMX_OK;
    *match = (vmx_match){.id = {"", 0}};
    for (vmx_field field; status == VMX_OK && vmx_checked_next(&reader, &field);) {
        if (field.number == ENTRY_KEY) {
            key = field.bytes;
            status = text_is_good(&field) ? VMX_OK : VMX_ERR_PROTOCOL;
        } else if (field.number == ENTRY_VECTOR) {
            piece vector = {field.bytes, of->may_move};
            status = field.type != VMX_WIRE_BYTES ? VMX_ERR_PROTOCOL
                                                  : read_record(decoder, &vector, &plain_vector, depth + 1, match);
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

/* False if the fields of the reply are not whole. */
static bool
count_records(const vmx_slice *slices, size_t slice_count, const shape *at, size_t *count)
{
    vmx_slice_reader reader = vmx_slice_reader_on(slices, slice_count);
    for (vmx_field field; vmx_slice_reader_next(&reader, &field); vmx_slice_reader_skip(&reader, &field))
        *count += field.number == at->records;
    return !reader.broken;
}

static vmx_status
read_one(vmx_decoder *decoder, vmx_reply_kind kind, const vmx_field *field, bool may_move, vmx_match *match)
{
    piece of = {field->bytes, may_move};
    if (field->type != VMX_WIRE_BYTES)
        return VMX_ERR_PROTOCOL;
    return kind == VMX_REPLY_QUERY ? read_record(decoder, &of, &scored_vector, 2, match)
                                   : read_entry(decoder, &of, 2, match);
}

/* What is no record. */
static bool
read_other(const vmx_field *field, const shape *at, vmx_decoded *decoded)
{
    if (field->number == at->usage)
        return read_usage(field, decoded);
    if (field->number == at->name_space)
        return text_is_good(field);
    if (field->number == at->pagination)
        return read_pagination(field, decoded);
    return field->number != at->results || results_are_good(field);
}

static vmx_status
read_fields(vmx_decoder *decoder, vmx_reply_kind kind, const vmx_slice *slices, size_t slice_count,
            vmx_decoded *decoded)
{
    vmx_slice_reader reader = vmx_slice_reader_on(slices, slice_count);
    vmx_match *match = decoded->matches;
    vmx_status status = VMX_OK;
    bool copied;
    for (vmx_field field; status == VMX_OK && vmx_slice_reader_next(&reader, &field);) {
        if (!vmx_slice_reader_take(&reader, decoder->arena, &field, &copied))
            status = VMX_ERR_NO_MEMORY;
        else if (field.number == shapes[kind].records)
            status = read_one(decoder, kind, &field, copied || decoder->may_move, match++);
        else
            status = read_other(&field, &shapes[kind], decoded) ? VMX_OK : VMX_ERR_PROTOCOL;
    }
    return status;
}

vmx_status
vmx_reply_decode(vmx_decoder *decoder, vmx_reply_kind kind, const vmx_slice *slices, size_t slice_count,
                 vmx_decoded *decoded)
{
    vmx_status status = VMX_OK;
    *decoded = (vmx_decoded){0};
    decoder->needed_bytes = 0;
    if (!count_records(slices, slice_count, &shapes[kind], &decoded->match_count))
        return VMX_ERR_PROTOCOL;
    decoded->matches = take_memory(decoder, decoded->match_count, sizeof *decoded->matches, &status);
    if (status == VMX_OK)
        status = read_fields(decoder, kind, slices, slice_count, decoded);
    if (status == VMX_OK)
        align_values(decoded);
    return status;
}

bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match)
{
    vmx_decoder decoder = {.arena = arena, .max_bytes = SIZE_MAX};
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    if (!vmx_field_next(&reader, &field))
        return false;
    piece vector = {field.bytes, false};
    return read_record(&decoder, &vector, &plain_vector, 2, match) == VMX_OK;
}
