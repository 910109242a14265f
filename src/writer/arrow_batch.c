#include "writer/arrow_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

/* --- the columns --------------------------------------------------------------------------------------------------- */

static bool
is_named(const struct ArrowSchema *schema, vmx_str name)
{
    const char *theirs = schema->name != NULL ? schema->name : "";
    return strlen(theirs) == name.len && memcmp(theirs, name.ptr, name.len) == 0;
}

/* The one column of this name. */
static vmx_status
find_column(const struct ArrowSchema *schema, const char *what, vmx_str name, int64_t *found, vmx_error *error)
{
    *found = -1;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (!is_named(schema->children[i], name))
            continue;
        if (*found >= 0)
            return vmx_error_set(error, VMX_ERR_INVALID, "put: two columns are named \"%.*s\"", vmx_error_clip(name),
                                 name.ptr);
        *found = i;
    }
    if (*found >= 0)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID, "put: no column \"%.*s\" in the record batch; set %s",
                         vmx_error_clip(name), name.ptr, what);
}

static vmx_status
unsupported(const vmx_arrow_column *column, const char *wanted, vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_UNSUPPORTED, "put: column \"%.64s\" has the Arrow format \"%.16s\"; %s",
                         column->name, column->format, wanted);
}

static vmx_status
open_one(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema, int64_t i,
         vmx_arrow_column *column, vmx_error *error)
{
    int64_t rows = array->offset + array->length;
    return vmx_arrow_column_open(&batch->arena, schema->children[i], array->children[i], rows, column, error);
}

static vmx_status
check_id(const vmx_arrow_column *id, vmx_error *error)
{
    bool number = id->entries == NULL && (id->kind == VMX_ARROW_INT || id->kind == VMX_ARROW_UINT);
    if (number || vmx_arrow_is_text(id))
        return VMX_OK;
    return unsupported(id, "an id is utf8 or a whole number", error);
}

static vmx_status
check_vector(const vmx_arrow_column *vector, vmx_error *error)
{
    bool list = vector->kind == VMX_ARROW_LIST || vector->kind == VMX_ARROW_FIXED_LIST;
    if (list && vector->items->kind == VMX_ARROW_FLOAT)
        return VMX_OK;
    return unsupported(list ? vector->items : vector,
                       "a vector is a list, large_list or fixed_size_list of float16, float32 or float64", error);
}

static vmx_status
open_fields(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema, int64_t id,
            int64_t vector, vmx_error *error)
{
    batch->fields = vmx_arena_calloc(&batch->arena, (size_t)schema->n_children, sizeof *batch->fields);
    if (batch->fields == NULL)
        return vmx_error_no_memory(error);
    for (int64_t i = 0; i < schema->n_children; i++) {
        vmx_arrow_column *field = &batch->fields[batch->field_count];
        if (i == id || i == vector)
            continue;
        vmx_status status = open_one(batch, array, schema, i, field, error);
        if (status != VMX_OK)
            return status;
        if (!vmx_arrow_is_field(field))
            return unsupported(field,
                               "metadata is whole numbers, floats, bool, utf8, lists of utf8 or null: convert it, or "
                               "leave the column out",
                               error);
        batch->field_count++;
    }
    return VMX_OK;
}

static vmx_status
open_json(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema, vmx_str name,
          vmx_error *error)
{
    int64_t column;
    batch->is_json = true;
    batch->field_count = 1;
    batch->fields = vmx_arena_calloc(&batch->arena, 1, sizeof *batch->fields);
    if (batch->fields == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = find_column(schema, "metadata_column", name, &column, error);
    if (status == VMX_OK)
        status = open_one(batch, array, schema, column, batch->fields, error);
    if (status == VMX_OK && batch->fields->kind != VMX_ARROW_NULL && !vmx_arrow_is_text(batch->fields))
        status = unsupported(batch->fields, "a column of JSON is utf8", error);
    return status;
}

/* --- the batch ----------------------------------------------------------------------------------------------------- */

static vmx_status
check_struct(const struct ArrowArray *array, const struct ArrowSchema *schema, vmx_error *error)
{
    if (schema->release == NULL || schema->format == NULL || array->release == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "put: the Arrow array or its schema was released");
    if (strcmp(schema->format, "+s") != 0)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "put: an Arrow array of format \"%.16s\"; a record batch is a struct (\"+s\")",
                             schema->format);
    bool sound = array->length >= 0 && array->offset >= 0 && array->length <= INT64_MAX / 32 - array->offset &&
                 array->n_children == schema->n_children && array->n_children > 0 && array->children != NULL &&
                 schema->children != NULL && array->n_buffers == 1 && array->buffers != NULL;
    for (int64_t i = 0; sound && i < schema->n_children; i++)
        sound = schema->children[i] != NULL && array->children[i] != NULL;
    return sound ? VMX_OK
                 : vmx_error_set(error, VMX_ERR_INVALID,
                                 "put: the Arrow struct array contradicts its schema, or has no columns");
}

static vmx_str
name_or(vmx_str name, const char *otherwise)
{
    return name.len > 0 ? name : vmx_str_from(otherwise);
}

static vmx_status
open_columns(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema,
             const vmx_arrow_options *options, vmx_error *error)
{
    int64_t id, vector;
    vmx_arrow_column *columns = vmx_arena_calloc(&batch->arena, 3, sizeof *columns);
    if (columns == NULL)
        return vmx_error_no_memory(error);
    batch->id = &columns[0];
    batch->vector = &columns[1];
    batch->rows = &columns[2];
    *batch->rows = (vmx_arrow_column){.name = "", .format = "+s", .kind = VMX_ARROW_OTHER, .array = array};
    vmx_status status = find_column(schema, "id_column", name_or(options->id_column, "id"), &id, error);
    if (status == VMX_OK)
        status = find_column(schema, "vector_column", name_or(options->vector_column, "values"), &vector, error);
    if (status == VMX_OK)
        status = open_one(batch, array, schema, id, batch->id, error);
    if (status == VMX_OK)
        status = check_id(batch->id, error);
    if (status == VMX_OK)
        status = open_one(batch, array, schema, vector, batch->vector, error);
    if (status == VMX_OK)
        status = check_vector(batch->vector, error);
    if (status == VMX_OK && options->metadata == VMX_ARROW_METADATA_COLUMNS)
        status = open_fields(batch, array, schema, id, vector, error);
    if (status == VMX_OK && options->metadata == VMX_ARROW_METADATA_JSON)
        status = open_json(batch, array, schema, options->metadata_column, error);
    return status;
}

vmx_status
vmx_arrow_batch_open(vmx_arrow_batch *batch, const struct ArrowArray *array, const struct ArrowSchema *schema,
                     const vmx_arrow_options *options, vmx_error *error)
{
    memset(batch, 0, sizeof *batch);
    vmx_status status = check_struct(array, schema, error);
    if (status == VMX_OK)
        status = open_columns(batch, array, schema, options, error);
    if (status != VMX_OK)
        return status;
    batch->offset = array->offset;
    batch->row_count = (size_t)array->length;
    batch->in_place = array->length > 0 && vmx_arrow_floats_in_place(batch->vector->items, 0) != NULL;
    return VMX_OK;
}

void
vmx_arrow_batch_clear(vmx_arrow_batch *batch)
{
    vmx_arena_reset(&batch->arena);
    vmx_buffer_free(&batch->json);
    vmx_dealloc(batch->floats);
    batch->floats = NULL;
}

/* --- a record ------------------------------------------------------------------------------------------------------ */

static vmx_status
read_id(vmx_arrow_batch *batch, int64_t row, vmx_str *id, vmx_error *error)
{
    const vmx_arrow_column *column = batch->id;
    if (vmx_arrow_is_null(batch->rows, row - batch->offset) || vmx_arrow_is_null(column, row))
        return vmx_arrow_bad_row(column, row, "null; every vector has an id", error);
    if (vmx_arrow_is_text(column))
        return vmx_arrow_text(column, row, id, error);
    int len = column->kind == VMX_ARROW_INT
                  ? snprintf(batch->id_text, sizeof batch->id_text, "%" PRId64, vmx_arrow_int(column, row))
                  : snprintf(batch->id_text, sizeof batch->id_text, "%" PRIu64, vmx_arrow_uint(column, row));
    *id = (vmx_str){batch->id_text, (size_t)len};
    return VMX_OK;
}

static bool
grow_floats(vmx_arrow_batch *batch, size_t count)
{
    if (count <= batch->floats_capacity)
        return true;
    float *larger = vmx_realloc(batch->floats, count * sizeof *larger);
    if (larger == NULL)
        return false;
    batch->floats = larger;
    batch->floats_capacity = count;
    return true;
}

static bool
has_null(const vmx_arrow_column *items, int64_t first, int64_t count)
{
    bool found = false;
    if (items->array->null_count == 0 || items->array->buffers[0] == NULL)
        return false;
    for (int64_t i = 0; i < count && !found; i++)
        found = vmx_arrow_is_null(items, first + i);
    return found;
}

static vmx_status
read_values(vmx_arrow_batch *batch, int64_t row, vmx_floats *values, vmx_error *error)
{
    const vmx_arrow_column *column = batch->vector;
    int64_t first, count;
    if (vmx_arrow_is_null(column, row))
        return vmx_arrow_bad_row(column, row, "null; every record has a vector", error);
    vmx_status status = vmx_arrow_list(column, row, &first, &count, error);
    if (status != VMX_OK)
        return status;
    if (has_null(column->items, first, count))
        return vmx_arrow_bad_row(column, row, "a null inside the vector", error);
    *values = (vmx_floats){NULL, (size_t)count};
    if (count == 0 || batch->in_place) {
        values->ptr = count > 0 ? vmx_arrow_floats_in_place(column->items, first) : NULL;
        return VMX_OK;
    }
    if (!grow_floats(batch, (size_t)count))
        return vmx_error_no_memory(error);
    for (int64_t i = 0; i < count; i++)
        batch->floats[i] = (float)vmx_arrow_float(column->items, first + i);
    values->ptr = batch->floats;
    return VMX_OK;
}

static vmx_status
read_metadata(vmx_arrow_batch *batch, int64_t row, vmx_str *metadata, vmx_error *error)
{
    if (batch->is_json)
        return vmx_arrow_is_null(batch->fields, row) ? VMX_OK : vmx_arrow_text(batch->fields, row, metadata, error);
    batch->json.len = 0;
    vmx_status status = vmx_arrow_fields_to_json(batch->fields, batch->field_count, row, &batch->json, error);
    *metadata = (vmx_str){(const char *)batch->json.data, batch->json.len};
    return status;
}

vmx_status
vmx_arrow_batch_at(vmx_arrow_batch *batch, size_t i, vmx_vector *vector, vmx_error *error)
{
    int64_t row = (int64_t)i + batch->offset;
    vmx_vector_init(vector, sizeof *vector);
    vmx_status status = read_id(batch, row, &vector->id, error);
    if (status == VMX_OK)
        status = read_values(batch, row, &vector->values, error);
    if (status == VMX_OK)
        status = read_metadata(batch, row, &vector->metadata, error);
    return status;
}
