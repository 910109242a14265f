#include "engine/milvus/columns.h"

#include <string.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/error.h"
#include "engine/milvus/milvus.h"
#include "wire/field_reader.h"

/* Field numbers. */
enum { COLLECTION = 3, PARTITION = 4, FIELDS_DATA = 5, NUM_ROWS = 7 };       /* of UpsertRequest */
enum { TYPE = 1, FIELD_NAME = 2, SCALARS = 3, VECTORS = 4, IS_DYNAMIC = 6 }; /* of FieldData */
enum { LONG_DATA = 3, STRING_DATA = 6, JSON_DATA = 9 };                      /* of ScalarField */
enum { DIM = 1, FLOAT_VECTOR = 2, SPARSE_VECTOR = 6 };                       /* of VectorField */
enum { DATA = 1 };                                                           /* of the arrays */

/* --- gathering ----------------------------------------------------------------------------------------------------- */

typedef struct gathering {
    vmx_milvus_columns *columns;
    vmx_message *message;
    vmx_block *block;
    uint8_t *values, *ids, *metadata, *sparse; /* where the next goes; copied values first */
} gathering;

/* What stands after a row's values: an element of each column, tag and length with it. */
typedef struct pieces {
    const uint8_t *metadata, *sparse;
    size_t metadata_bytes, sparse_bytes;
} pieces;

static pieces
take_apart(const vmx_slice *after)
{
    const uint8_t *at = after->data + 1;
    size_t len = (size_t)vmx_varint_read(&at);
    const uint8_t *sparse = at + len;
    size_t metadata_bytes = (size_t)(sparse - after->data);
    return (pieces){after->data, sparse, metadata_bytes, after->len - metadata_bytes};
}

static bool
is_copied(const vmx_slice *values)
{
    return values->len < VMX_REFERENCE_MIN_BYTES;
}

/* Sizes of the columns; returns how many bytes of values are copied. */
static vmx_status
measure_columns(const vmx_rows *rows, vmx_milvus_columns *c, size_t *copied_bytes, vmx_error *error)
{
    *c = (vmx_milvus_columns){.rows = (uint32_t)rows->count};
    *copied_bytes = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const vmx_row_view *view = &rows->views[i];
        if (i > 0 && view->values.len != rows->views[0].values.len)
            return vmx_error_set(error, VMX_ERR_INVALID, "upsert: %zu and %zu dimensions in one batch; it has one",
                                 rows->views[0].values.len / sizeof(float), view->values.len / sizeof(float));
        c->values_bytes += view->values.len;
        *copied_bytes += is_copied(&view->values) ? view->values.len : 0;
        c->ids_bytes += view->before.len;
        pieces parts = take_apart(&view->after);
        c->metadata_bytes += parts.metadata_bytes;
        c->sparse_bytes += parts.sparse_bytes;
        c->has_metadata = c->has_metadata || parts.metadata_bytes > vmx_field_size(2); /* {} is none */
        c->has_sparse = c->has_sparse || parts.sparse_bytes > vmx_field_size(0);
    }
    c->dimension = rows->count > 0 ? rows->views[0].values.len / sizeof(float) : 0;
    return VMX_OK;
}

/* Values that follow those before them lengthen their slice. */
static void
add_values(gathering *g, const uint8_t *data, size_t len, vmx_block *block)
{
    vmx_message *message = g->message;
    vmx_slice *last = message->count > 0 ? &message->slices[message->count - 1] : NULL;
    if (last == NULL || last->block != block || last->data + last->len != data) {
        vmx_message_add(message, data, len, block);
        return;
    }
    last->len += len;
    message->size_bytes += len;
}

static void
gather_values(gathering *g, const vmx_slice *values)
{
    if (values->len == 0)
        return;
    if (!is_copied(values)) {
        add_values(g, values->data, values->len, values->block);
        return;
    }
    memcpy(g->values, values->data, values->len);
    add_values(g, g->values, values->len, g->block);
    g->values += values->len;
}

static void
gather_row(gathering *g, const vmx_row_view *view)
{
    gather_values(g, &view->values);
    memcpy(g->ids, view->before.data, view->before.len);
    g->ids += view->before.len;
    pieces parts = take_apart(&view->after);
    memcpy(g->metadata, parts.metadata, parts.metadata_bytes);
    memcpy(g->sparse, parts.sparse, parts.sparse_bytes);
    g->metadata += parts.metadata_bytes;
    g->sparse += parts.sparse_bytes;
}

vmx_status
vmx_milvus_gather(const vmx_rows *rows, vmx_milvus_columns *c, vmx_message *gathered, vmx_error *error)
{
    size_t copied_bytes;
    uint8_t *at;
    vmx_status status = measure_columns(rows, c, &copied_bytes, error);
    if (status != VMX_OK)
        return status;
    size_t other_bytes = c->ids_bytes + c->metadata_bytes + c->sparse_bytes;
    *gathered = (vmx_message){.count = 0};
    gathering g = {.columns = c, .message = gathered, .block = vmx_block_new(copied_bytes + other_bytes, &at)};
    gathered->slices = g.block != NULL ? vmx_alloc((rows->count + 1) * sizeof *gathered->slices) : NULL;
    if (gathered->slices == NULL) {
        vmx_block_release(g.block);
        return vmx_error_no_memory(error);
    }
    uint8_t *others = at + copied_bytes;
    g.values = at;
    g.ids = others;
    g.metadata = g.ids + c->ids_bytes;
    g.sparse = g.metadata + c->metadata_bytes;
    for (size_t i = 0; i < rows->count; i++)
        gather_row(&g, &rows->views[i]);
    vmx_message_add(gathered, others, other_bytes, g.block);
    vmx_block_release(g.block);
    return VMX_OK;
}

/* --- framing ------------------------------------------------------------------------------------------------------- */

/* Packs integers that were texts; the errors name them. */
static bool
pack_integers(vmx_str ids, vmx_buffer *packed, vmx_error *error)
{
    vmx_field_reader reader = vmx_field_reader_on(ids);
    for (vmx_field field; vmx_field_next(&reader, &field);) {
        int64_t integer;
        uint8_t bytes[10];
        if (vmx_milvus_integer_id(field.bytes, "upsert", &integer, error) != VMX_OK)
            return false;
        vmx_buffer_append(packed, bytes, (size_t)(vmx_varint_write(bytes, (uint64_t)integer) - bytes));
    }
    return true;
}

static vmx_status
check_fit(const vmx_milvus_columns *c, const vmx_milvus_schema *schema, vmx_error *error)
{
    if (schema->strange[0] != '\0')
        return vmx_error_set(
            error, VMX_ERR_UNSUPPORTED,
            "upsert: the collection has the column \"%s\", which vecmux cannot fill; write to one that "
            "has an id, vectors and a JSON column or dynamic fields",
            schema->strange);
    if (c->dimension != schema->dimension)
        return vmx_error_set(error, VMX_ERR_INVALID, "upsert: vectors of %zu dimensions, but the collection has %u",
                             c->dimension, schema->dimension);
    if (c->has_sparse && schema->sparse[0] == '\0')
        return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                             "upsert: the collection has no sparse vectors; create it with the spec's `sparse`");
    if (c->has_metadata && schema->metadata[0] == '\0')
        return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                             "upsert: the collection has neither a JSON column nor dynamic fields for metadata");
    return VMX_OK;
}

static void
append_varint(vmx_buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    vmx_buffer_append(out, bytes, (size_t)(vmx_varint_write(bytes, value) - bytes));
}

static void
append_tag(vmx_buffer *out, unsigned field, unsigned type)
{
    vmx_buffer_append_byte(out, (uint8_t)(field << 3 | type));
}

/* Tag and length of a field of `content_bytes`. */
static void
append_begin(vmx_buffer *out, unsigned field, size_t content_bytes)
{
    append_tag(out, field, VMX_WIRE_BYTES);
    append_varint(out, content_bytes);
}

static void
append_text(vmx_buffer *out, unsigned field, vmx_str text)
{
    append_begin(out, field, text.len);
    vmx_buffer_append(out, text.ptr, text.len);
}

static void
append_number(vmx_buffer *out, unsigned field, uint64_t value)
{
    append_tag(out, field, VMX_WIRE_VARINT);
    append_varint(out, value);
}

static size_t
number_size(uint64_t value)
{
    return 1 + vmx_varint_size(value);
}

/* Tag and length of everything that a column's `payload_bytes` lie in, the payload's own excepted. */
typedef struct column {
    const char *name;
    unsigned type;
    unsigned kind;  /* SCALARS or VECTORS */
    unsigned array; /* the field of that */
    bool dynamic;
    size_t dimension; /* of VECTORS of floats */
    bool packed;      /* the payload is one field of numbers, else it has its own tags */
    size_t payload_bytes;
} column;

static void
append_column(vmx_buffer *out, const column *c)
{
    size_t array_bytes = c->packed ? vmx_field_size(c->payload_bytes) : c->payload_bytes;
    size_t kind_bytes = vmx_field_size(array_bytes) + (c->dimension > 0 ? number_size(c->dimension) : 0);
    size_t bytes = number_size(c->type) + vmx_field_size(strlen(c->name)) + vmx_field_size(kind_bytes) +
                   (c->dynamic ? number_size(1) : 0);
    append_begin(out, FIELDS_DATA, bytes);
    append_number(out, TYPE, c->type);
    append_text(out, FIELD_NAME, vmx_str_from(c->name));
    if (c->dynamic)
        append_number(out, IS_DYNAMIC, 1);
    append_begin(out, c->kind, kind_bytes);
    if (c->dimension > 0)
        append_number(out, DIM, c->dimension);
    append_begin(out, c->array, array_bytes);
    if (c->packed)
        append_begin(out, DATA, c->payload_bytes);
}

/* What is written between the payloads, one behind the other. */
typedef struct frames {
    vmx_buffer bytes;
    size_t before_values, before_metadata, before_sparse; /* where each begins */
    bool integers;                                        /* the ids are in `bytes` too */
} frames;

static void
frame_ids(frames *f, const vmx_milvus_columns *c, const vmx_milvus_schema *schema, vmx_str packed)
{
    column ids = {.name = schema->id, .kind = SCALARS};
    f->integers = schema->integer_ids;
    ids.type = schema->integer_ids ? VMX_MILVUS_INT64 : VMX_MILVUS_VARCHAR;
    ids.array = schema->integer_ids ? LONG_DATA : STRING_DATA;
    ids.packed = schema->integer_ids;
    ids.payload_bytes = schema->integer_ids ? packed.len : c->ids_bytes;
    append_column(&f->bytes, &ids);
    vmx_buffer_append(&f->bytes, packed.ptr, packed.len);
}

static void
frame_columns(frames *f, const vmx_milvus_columns *c, const vmx_milvus_schema *schema, vmx_str packed)
{
    frame_ids(f, c, schema, packed);
    f->before_values = f->bytes.len;
    if (schema->dimension > 0)
        append_column(&f->bytes, &(column){.name = schema->vector,
                                           .type = VMX_MILVUS_FLOAT_VECTOR,
                                           .kind = VECTORS,
                                           .array = FLOAT_VECTOR,
                                           .dimension = c->dimension,
                                           .packed = true,
                                           .payload_bytes = c->values_bytes});
    f->before_metadata = f->bytes.len;
    if (schema->metadata[0] != '\0')
        append_column(&f->bytes, &(column){.name = schema->metadata,
                                           .type = VMX_MILVUS_JSON,
                                           .kind = SCALARS,
                                           .array = JSON_DATA,
                                           .dynamic = schema->dynamic,
                                           .payload_bytes = c->metadata_bytes});
    f->before_sparse = f->bytes.len;
    if (schema->sparse[0] != '\0')
        append_column(&f->bytes, &(column){.name = schema->sparse,
                                           .type = VMX_MILVUS_SPARSE_VECTOR,
                                           .kind = VECTORS,
                                           .array = SPARSE_VECTOR,
                                           .payload_bytes = c->sparse_bytes});
}

/* Frames and payloads by turns. */
static bool
weave(const vmx_milvus_columns *c, const vmx_message *gathered, const vmx_milvus_schema *schema, const frames *f,
      vmx_message *message)
{
    uint8_t *frame;
    vmx_block *block = vmx_block_new(f->bytes.len, &frame);
    const vmx_slice *others = &gathered->slices[gathered->count - 1];
    const uint8_t *metadata = others->data + c->ids_bytes, *sparse = metadata + c->metadata_bytes;
    *message = (vmx_message){.count = 0};
    message->slices = block != NULL ? vmx_alloc((gathered->count + 8) * sizeof *message->slices) : NULL;
    if (message->slices != NULL) {
        memcpy(frame, f->bytes.data, f->bytes.len);
        vmx_message_add(message, frame, f->before_values, block);
        vmx_message_add(message, others->data, f->integers ? 0 : c->ids_bytes, others->block);
        vmx_message_add(message, frame + f->before_values, f->before_metadata - f->before_values, block);
        for (size_t i = 0; i + 1 < gathered->count; i++)
            vmx_message_add(message, gathered->slices[i].data, gathered->slices[i].len, gathered->slices[i].block);
        vmx_message_add(message, frame + f->before_metadata, f->before_sparse - f->before_metadata, block);
        vmx_message_add(message, metadata, schema->metadata[0] != '\0' ? c->metadata_bytes : 0, others->block);
        vmx_message_add(message, frame + f->before_sparse, f->bytes.len - f->before_sparse, block);
        vmx_message_add(message, sparse, schema->sparse[0] != '\0' ? c->sparse_bytes : 0, others->block);
    }
    vmx_block_release(block);
    return message->slices != NULL;
}

vmx_status
vmx_milvus_frame(const vmx_milvus_columns *c, const vmx_message *gathered, const vmx_milvus_schema *schema,
                 vmx_str collection, vmx_str partition, vmx_message *message, vmx_error *error)
{
    vmx_status status = check_fit(c, schema, error);
    if (status != VMX_OK)
        return status;
    vmx_buffer packed = {0};
    frames f = {.integers = false};
    vmx_str ids = {(const char *)gathered->slices[gathered->count - 1].data, c->ids_bytes};
    bool sound = !schema->integer_ids || pack_integers(ids, &packed, error);
    bool made = false;
    if (sound) {
        append_text(&f.bytes, COLLECTION, collection);
        append_text(&f.bytes, PARTITION, partition);
        append_number(&f.bytes, NUM_ROWS, c->rows);
        frame_columns(&f, c, schema, (vmx_str){(const char *)packed.data, packed.len});
        made = !packed.failed && !f.bytes.failed && weave(c, gathered, schema, &f, message);
    }
    vmx_buffer_free(&packed);
    vmx_buffer_free(&f.bytes);
    if (!sound)
        return error->code;
    return made ? VMX_OK : vmx_error_no_memory(error);
}
