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

/* Where ScoredVector and Vector have the same things, up to the last of them; 0: nowhere. */
typedef struct layout {
    uint32_t id, score, values, metadata, sparse;
} layout;

static const layout scored_vector = {.id = 1, .score = 2, .values = 3, .metadata = 4, .sparse = 5};
static const layout plain_vector = {.id = 1, .score = 0, .values = 2, .metadata = 3, .sparse = 4};

/* Where the replies have the same things, all of them length-delimited; 0: nowhere. */
typedef struct shape {
    uint32_t records, name_space, usage, pagination, results, last;
} shape;

static const shape shapes[] = {
    [VMX_REPLY_QUERY] = {.records = 2, .name_space = 3, .usage = 4, .results = 1, .last = 4},
    [VMX_REPLY_FETCH] = {.records = 1, .name_space = 2, .usage = 3, .last = 3},
    [VMX_REPLY_FETCH_BY_METADATA] = {.records = 1, .name_space = 2, .usage = 3, .pagination = 4, .last = 4},
};

/* A packed field this long has three bytes of tag and length before its values. */
#define MOVABLE_MIN_BYTES 128

/* Room for so many records, at most, is made when only the first is known. */
#define GUESSED_RECORDS 128

/* A reply on its way into `decoded`. */
typedef struct decoding {
    vmx_decoder *decoder;
    vmx_reply_kind kind;
    vmx_slice_reader reader;
    vmx_decoded *decoded;
    size_t capacity; /* of decoded->matches */
    bool moves;      /* some values must be moved in the end */
} decoding;

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

/* --- fields of a record, each behind its tag ----------------------------------------------------------------------- */

static inline vmx_str
read_text(vmx_checked_reader *reader)
{
    vmx_str text = vmx_checked_bytes(reader);
    if (!vmx_text_valid(text))
        vmx_checked_refuse(reader);
    return text;
}

/* A repeated float, as far as it has been seen. */
typedef struct float_part {
    vmx_str bytes; /* the last packed piece: all of them, if there are no others */
    size_t pieces; /* packed ones and single ones */
    size_t count;
} float_part;

/* One piece, packed or single. */
static inline void
find_floats(vmx_checked_reader *reader, uint32_t tag, float_part *found)
{
    bool packed = (tag & 7) == VMX_WIRE_BYTES;
    found->pieces++;
    if (packed)
        found->bytes = vmx_checked_bytes(reader);
    else
        vmx_checked_fixed(reader, NULL, sizeof(float));
    found->count += packed ? found->bytes.len / sizeof(float) : 1;
    if (packed ? found->bytes.len % sizeof(float) != 0 : (tag & 7) != VMX_WIRE_32BIT)
        vmx_checked_refuse(reader);
}

/* One piece of a repeated uint32, packed or single; adds how many. */
static void
count_indices(vmx_checked_reader *reader, uint32_t tag, size_t *count)
{
    if ((tag & 7) == VMX_WIRE_VARINT) {
        vmx_checked_integer(reader);
        *count += 1;
        return;
    }
    if ((tag & 7) != VMX_WIRE_BYTES)
        vmx_checked_refuse(reader);
    vmx_checked_reader packed = vmx_checked_reader_on(vmx_checked_bytes(reader));
    for (; packed.at < packed.end; *count += 1)
        vmx_checked_integer(&packed);
    if (packed.broken)
        vmx_checked_refuse(reader);
}

/* A SparseValues message. */
typedef struct sparse_part {
    vmx_str bytes; /* ptr NULL: none */
    size_t index_count;
    float_part values;
} sparse_part;

static bool
find_sparse(vmx_str bytes, sparse_part *found)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    *found = (sparse_part){.bytes = bytes};
    for (uint32_t tag; vmx_checked_tag(&reader, &tag);) {
        if (vmx_tag_number(tag) == SPARSE_INDICES)
            count_indices(&reader, tag, &found->index_count);
        else if (vmx_tag_number(tag) == SPARSE_VALUES)
            find_floats(&reader, tag, &found->values);
        else
            vmx_checked_skip(&reader, tag);
    }
    return !reader.broken;
}

/* --- numbers that cannot stay where they are ------------------------------------------------------------------------ */

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

/* Of the field that has just been read. */
static bool
may_move(const decoding *self)
{
    return self->reader.copied || self->decoder->may_move;
}

/* Whether packed values can be read where they are, or where they are moved to in the end. */
static bool
values_can_stay(const decoding *self, const float_part *from)
{
    return from->pieces == 1 && from->bytes.len > 0 &&
           (is_aligned(from->bytes.ptr) || (may_move(self) && from->bytes.len >= MOVABLE_MIN_BYTES));
}

/* Of a record: its field `number`. */
static vmx_status
make_values(decoding *self, vmx_str bytes, uint32_t number, const float_part *from, vmx_floats *out)
{
    vmx_status status = VMX_OK;
    if (values_can_stay(self, from)) {
        *out = (vmx_floats){(const void *)from->bytes.ptr, from->count};
        self->moves = self->moves || !is_aligned(from->bytes.ptr);
        return VMX_OK;
    }
    float *copy = take_memory(self->decoder, from->count, sizeof *copy, &status);
    if (copy != NULL) {
        gather_floats(bytes, number, copy);
        *out = (vmx_floats){copy, from->count};
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
make_sparse(decoding *self, const sparse_part *from, vmx_sparse *out)
{
    vmx_status status = VMX_OK;
    size_t index_count = from->index_count, value_count = from->values.count;
    if (index_count == 0 && value_count == 0)
        return VMX_OK;
    uint32_t *indices = take_memory(self->decoder, index_count, sizeof *indices, &status);
    float *values = indices != NULL ? take_memory(self->decoder, value_count, sizeof *values, &status) : NULL;
    if (values == NULL)
        return status;
    gather_indices(from->bytes, indices);
    gather_floats(from->bytes, SPARSE_VALUES, values);
    *out = (vmx_sparse){indices, values, index_count < value_count ? index_count : value_count};
    return VMX_OK;
}

/* --- records -------------------------------------------------------------------------------------------------------- */

/* Member by member: as a whole it would be zeroed by a loop of the processor's, which takes its time to begin. */
static inline void
begin_match(vmx_match *match, vmx_str id)
{
    match->id = id;
    match->score = 0;
    match->values = (vmx_floats){NULL, 0};
    match->sparse = (vmx_sparse){NULL, NULL, 0};
    match->metadata = match->metadata_json = (vmx_str){NULL, 0};
}

/* A message at `depth`. Made for each layout, whose numbers are constants there. */
static inline vmx_status
read_record(decoding *self, vmx_str bytes, const layout at, unsigned depth, vmx_match *match)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    float_part values = {.count = 0};
    sparse_part sparse = {.index_count = 0};
    bool good = true;
    begin_match(match, VMX_STR(""));
    for (uint32_t tag; good && vmx_checked_tag(&reader, &tag);) {
        if (tag == vmx_tag(at.id, VMX_WIRE_BYTES)) {
            match->id = vmx_checked_bytes(&reader);
            good = vmx_text_valid(match->id);
        } else if (at.score != 0 && tag == vmx_tag(at.score, VMX_WIRE_32BIT)) {
            vmx_checked_fixed(&reader, &match->score, sizeof match->score);
        } else if (vmx_tag_number(tag) == at.values) {
            find_floats(&reader, tag, &values);
        } else if (tag == vmx_tag(at.metadata, VMX_WIRE_BYTES)) {
            match->metadata = vmx_checked_bytes(&reader);
            good = vmx_struct_bytes_check(match->metadata, depth + 1);
        } else if (tag == vmx_tag(at.sparse, VMX_WIRE_BYTES)) {
            good = find_sparse(vmx_checked_bytes(&reader), &sparse);
        } else {
            vmx_checked_unknown(&reader, tag, at.sparse);
        }
    }
    vmx_status status = reader.broken || !good ? VMX_ERR_PROTOCOL : VMX_OK;
    if (status == VMX_OK && sparse.bytes.ptr != NULL)
        status = make_sparse(self, &sparse, &match->sparse);
    if (status == VMX_OK && values.count > 0)
        status = make_values(self, bytes, at.values, &values, &match->values);
    return status;
}

/* An id and a score and nothing else, which is what most queries ask for. False: it is something else, or broken. */
static inline bool
read_short(vmx_str bytes, vmx_match *match)
{
    enum { ID_TAG = 1 << 3 | VMX_WIRE_BYTES, SCORE_TAG = 2 << 3 | VMX_WIRE_32BIT };
    enum { ID_AT = 2, SCORE_BYTES = 1 + sizeof(float), REST_BYTES = ID_AT + SCORE_BYTES };
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    size_t id_bytes = bytes.len - REST_BYTES; /* wraps around where there is too little */
    if (id_bytes >= 0x80 || at[0] != ID_TAG || at[1] != id_bytes || at[ID_AT + id_bytes] != SCORE_TAG)
        return false;
    begin_match(match, (vmx_str){bytes.ptr + ID_AT, id_bytes});
    memcpy(&match->score, at + ID_AT + id_bytes + 1, sizeof match->score);
    return vmx_text_valid(match->id);
}

static vmx_status
read_scored(decoding *self, vmx_str bytes, unsigned depth, vmx_match *match)
{
    return read_record(self, bytes, scored_vector, depth, match);
}

static vmx_status
read_plain(decoding *self, vmx_str bytes, unsigned depth, vmx_match *match)
{
    return read_record(self, bytes, plain_vector, depth, match);
}

/* An entry of a fetched map, which is a message at `depth`; the key is the id. */
static vmx_status
read_entry(decoding *self, vmx_str bytes, unsigned depth, vmx_match *match)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    vmx_str key = {"", 0};
    vmx_status status = VMX_OK;
    begin_match(match, VMX_STR(""));
    for (uint32_t tag; status == VMX_OK && vmx_checked_tag(&reader, &tag);) {
        if (tag == vmx_tag(ENTRY_KEY, VMX_WIRE_BYTES)) {
            key = read_text(&reader);
        } else if (tag == vmx_tag(ENTRY_VECTOR, VMX_WIRE_BYTES)) {
            vmx_str vector = vmx_checked_bytes(&reader);
            status = reader.broken ? VMX_ERR_PROTOCOL : read_plain(self, vector, depth + 1, match);
        } else {
            vmx_checked_unknown(&reader, tag, ENTRY_VECTOR);
        }
    }
    match->id = key;
    return reader.broken ? VMX_ERR_PROTOCOL : status;
}

/* --- what is no record ---------------------------------------------------------------------------------------------- */

static bool
read_usage(vmx_str bytes, vmx_decoded *decoded)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    for (uint32_t tag; vmx_checked_tag(&reader, &tag);) {
        if (tag == vmx_tag(USAGE_READ_UNITS, VMX_WIRE_VARINT)) {
            decoded->has_read_units = true;
            decoded->read_units = (uint32_t)vmx_checked_integer(&reader);
        } else if (tag == vmx_tag(USAGE_EGRESS_BYTES, VMX_WIRE_VARINT)) {
            decoded->has_egress_bytes = true;
            decoded->egress_bytes = (uint32_t)vmx_checked_integer(&reader);
        } else {
            vmx_checked_unknown(&reader, tag, USAGE_EGRESS_BYTES);
        }
    }
    return !reader.broken;
}

static bool
read_pagination(vmx_str bytes, vmx_decoded *decoded)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    decoded->next_token = (vmx_str){NULL, 0};
    for (uint32_t tag; vmx_checked_tag(&reader, &tag);) {
        if (tag == vmx_tag(PAGINATION_NEXT, VMX_WIRE_BYTES)) {
            vmx_str token = read_text(&reader);
            decoded->next_token = token.len > 0 ? token : (vmx_str){NULL, 0};
        } else {
            vmx_checked_unknown(&reader, tag, PAGINATION_NEXT);
        }
    }
    return !reader.broken;
}

/* A SingleQueryResults, which nobody sends any more: its records are of no use, but must be good. */
static vmx_status
read_results(decoding *self, vmx_str bytes)
{
    vmx_checked_reader reader = vmx_checked_reader_on(bytes);
    vmx_status status = VMX_OK;
    vmx_match unused;
    for (uint32_t tag; status == VMX_OK && vmx_checked_tag(&reader, &tag);) {
        if (tag == vmx_tag(RESULTS_MATCHES, VMX_WIRE_BYTES)) {
            vmx_str match = vmx_checked_bytes(&reader);
            status = reader.broken ? VMX_ERR_PROTOCOL : read_scored(self, match, 3, &unused);
        } else if (tag == vmx_tag(RESULTS_NAMESPACE, VMX_WIRE_BYTES)) {
            read_text(&reader);
        } else {
            vmx_checked_unknown(&reader, tag, RESULTS_NAMESPACE);
        }
    }
    return reader.broken ? VMX_ERR_PROTOCOL : status;
}

/* --- replies -------------------------------------------------------------------------------------------------------- */

/* How many records follow, by the heads of the fields. */
static size_t
count_records(const decoding *self)
{
    vmx_slice_reader ahead = self->reader;
    size_t count = 0;
    for (vmx_field field; vmx_slice_reader_next(&ahead, NULL, &field);)
        count += field.number == shapes[self->kind].records;
    return count;
}

/* How many records there would be if all were as long as the first, and some more; no more than there may be. */
static size_t
guess_records(const decoding *self, size_t first_bytes)
{
    size_t more = vmx_slice_reader_left(&self->reader) / vmx_field_size(first_bytes), guess = 2 + more + more / 8;
    size_t allowed = self->decoder->max_bytes / sizeof *self->decoded->matches;
    guess = guess < GUESSED_RECORDS ? guess : GUESSED_RECORDS;
    return guess < allowed || allowed == 0 ? guess : allowed;
}

/* For a record that has been met, and others: by a guess, and where that was too low, as many as there are. */
static vmx_status
make_room(decoding *self, size_t record_bytes)
{
    vmx_decoded *decoded = self->decoded;
    vmx_status status;
    size_t count = decoded->match_count;
    size_t capacity = count == 0 ? guess_records(self, record_bytes) : count + 1 + count_records(self);
    vmx_match *matches = take_memory(self->decoder, capacity, sizeof *matches, &status);
    if (matches == NULL)
        return status;
    if (count > 0)
        memcpy(matches, decoded->matches, count * sizeof *matches);
    decoded->matches = matches;
    self->capacity = capacity;
    return VMX_OK;
}

static vmx_status
add_record(decoding *self, vmx_str bytes)
{
    vmx_decoded *decoded = self->decoded;
    vmx_status status = decoded->match_count < self->capacity ? VMX_OK : make_room(self, bytes.len);
    if (status != VMX_OK)
        return status;
    vmx_match *match = &decoded->matches[decoded->match_count++];
    if (self->kind != VMX_REPLY_QUERY)
        return read_entry(self, bytes, 2, match);
    return read_short(bytes, match) ? VMX_OK : read_scored(self, bytes, 2, match);
}

/* What is no record. */
static vmx_status
read_other(decoding *self, const vmx_field *field)
{
    const shape *at = &shapes[self->kind];
    bool good = true;
    if (field->number == at->results)
        return read_results(self, field->bytes);
    if (field->number == at->name_space)
        good = vmx_text_valid(field->bytes);
    else if (field->number == at->usage)
        good = read_usage(field->bytes, self->decoded);
    else if (field->number == at->pagination)
        good = read_pagination(field->bytes, self->decoded);
    return good ? VMX_OK : VMX_ERR_PROTOCOL;
}

static inline vmx_status
read_field(decoding *self, const vmx_field *field)
{
    const shape *at = &shapes[self->kind];
    if (field->type != VMX_WIRE_BYTES)
        return field->number > at->last ? VMX_OK : VMX_ERR_PROTOCOL;
    return field->number == at->records ? add_record(self, field->bytes) : read_other(self, field);
}

vmx_status
vmx_reply_decode(vmx_decoder *decoder, vmx_reply_kind kind, const vmx_slice *slices, size_t slice_count,
                 vmx_decoded *decoded)
{
    vmx_status status = VMX_OK;
    decoding self = {
        .decoder = decoder, .kind = kind, .reader = vmx_slice_reader_on(slices, slice_count), .decoded = decoded};
    *decoded = (vmx_decoded){0};
    decoder->needed_bytes = 0;
    for (vmx_field field; status == VMX_OK && vmx_slice_reader_next(&self.reader, decoder->arena, &field);)
        status = read_field(&self, &field);
    if (self.reader.broken)
        status = VMX_ERR_PROTOCOL;
    if (self.reader.no_memory)
        status = VMX_ERR_NO_MEMORY;
    if (status == VMX_OK && self.moves)
        align_values(decoded);
    return status;
}

bool
vmx_vector_field_decode(vmx_str bytes, vmx_arena *arena, vmx_match *match)
{
    vmx_decoder decoder = {.arena = arena, .max_bytes = SIZE_MAX};
    decoding self = {.decoder = &decoder};
    vmx_field_reader reader = vmx_field_reader_on(bytes);
    vmx_field field;
    return vmx_field_next(&reader, &field) && read_plain(&self, field.bytes, 2, match) == VMX_OK;
}
