/* Columns of replies become rows again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "engine/milvus/milvus.h"
#include "wire/struct_bytes.h"
#include "wire/text_check.h"

#define MAX_INTEGER_TEXT 24

size_t
vmx_milvus_output_fields(const vmx_milvus_schema *schema, bool id, vmx_milvus_wanted wanted,
                         char *names[VMX_MILVUS_MAX_OUTPUT])
{
    size_t count = 0;
    if (id)
        names[count++] = (char *)(uintptr_t)schema->id;
    if (wanted.values && schema->vector[0] != '\0')
        names[count++] = (char *)(uintptr_t)schema->vector;
    if (wanted.values && schema->sparse[0] != '\0')
        names[count++] = (char *)(uintptr_t)schema->sparse;
    if (wanted.metadata && schema->metadata[0] != '\0')
        names[count++] = (char *)(uintptr_t)schema->metadata;
    return count;
}

static bool
refuse(vmx_machine *machine, const char *what, size_t found, size_t expected)
{
    vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply has %zu %s where %zu were expected", found,
                  what, expected);
    return false;
}

static bool
out_of_memory(vmx_machine *machine)
{
    vmx_error_no_memory(machine->error);
    return false;
}

/* --- one column ---------------------------------------------------------------------------------------------------- */

static bool
integer_text(vmx_machine *machine, int64_t integer, vmx_str *id)
{
    char *text = vmx_arena_alloc(machine->arena, MAX_INTEGER_TEXT);
    if (text == NULL)
        return out_of_memory(machine);
    *id = (vmx_str){text, (size_t)snprintf(text, MAX_INTEGER_TEXT, "%" PRId64, integer)};
    return true;
}

/* Either list may be NULL. */
static bool
read_ids(vmx_machine *machine, const Milvus__LongArray *integers, const Milvus__StringArray *texts, vmx_match *matches,
         size_t rows)
{
    size_t count = integers != NULL ? integers->n_data : texts != NULL ? texts->n_data : 0;
    if (count != rows)
        return refuse(machine, "ids", count, rows);
    for (size_t i = 0; i < rows; i++) {
        if (integers == NULL)
            matches[i].id = vmx_str_from(texts->data[i]);
        else if (!integer_text(machine, integers->data[i], &matches[i].id))
            return false;
    }
    return true;
}

static bool
read_values(vmx_machine *machine, const Milvus__VectorField *vectors, vmx_match *matches, size_t rows)
{
    const Milvus__FloatArray *floats = vectors->float_vector;
    size_t dimension = rows > 0 && vectors->dim > 0 ? (size_t)vectors->dim : 0;
    if (floats == NULL || dimension == 0 || floats->n_data / dimension != rows || floats->n_data % dimension != 0)
        return rows == 0 || refuse(machine, "values", floats != NULL ? floats->n_data : 0, rows * dimension);
    for (size_t i = 0; i < rows; i++)
        matches[i].values = (vmx_floats){floats->data + i * dimension, dimension};
    return true;
}

/* Pairs of a little-endian index and value (schema.proto: SparseFloatArray). */
static bool
read_sparse(vmx_machine *machine, const Milvus__VectorField *vectors, vmx_match *matches, size_t rows)
{
    const Milvus__SparseFloatArray *array = vectors->sparse_float_vector;
    if (array->n_contents != rows)
        return refuse(machine, "sparse vectors", array->n_contents, rows);
    for (size_t i = 0; i < rows; i++) {
        const ProtobufCBinaryData *content = &array->contents[i];
        size_t len = content->len / 8;
        uint32_t *indices = vmx_arena_calloc(machine->arena, len + 1, sizeof *indices);
        float *values = vmx_arena_calloc(machine->arena, len + 1, sizeof *values);
        if (indices == NULL || values == NULL)
            return out_of_memory(machine);
        for (size_t k = 0; k < len; k++) {
            memcpy(&indices[k], content->data + 8 * k, 4);
            memcpy(&values[k], content->data + 8 * k + 4, 4);
        }
        matches[i].sparse = (vmx_sparse){indices, values, len};
    }
    return true;
}

/* As our own JSON, compact; what others stored and we could not (an integer over 2^53) is handed on as it is. */
static bool
read_metadata(vmx_machine *machine, const Milvus__JSONArray *array, vmx_match *matches, size_t rows)
{
    if (array->n_data != rows)
        return refuse(machine, "metadata", array->n_data, rows);
    for (size_t i = 0; i < rows; i++) {
        vmx_str json = {(const char *)array->data[i].data, array->data[i].len};
        if (json.len <= 2) /* {} is none */
            continue;
        vmx_status status = vmx_struct_bytes_from_json(machine->arena, json, "metadata", &matches[i].metadata, NULL);
        if (status == VMX_ERR_NO_MEMORY)
            return out_of_memory(machine);
        if (status == VMX_OK)
            continue;
        if (memchr(json.ptr, '\0', json.len) != NULL || !vmx_utf8_valid(json))
            return refuse(machine, "rows whose metadata is no JSON", 1, 0);
        matches[i].metadata_json = json;
    }
    return true;
}

/* --- all columns --------------------------------------------------------------------------------------------------- */

static bool
is_id_column(const Milvus__FieldData *column)
{
    return column->field_case == MILVUS__FIELD_DATA__FIELD_SCALARS && column->scalars != NULL &&
           (column->type == VMX_MILVUS_INT64 || column->type == VMX_MILVUS_VARCHAR);
}

static bool
read_column(vmx_machine *machine, const Milvus__FieldData *column, vmx_milvus_wanted wanted, vmx_match *matches,
            size_t rows)
{
    if (column->field_case == MILVUS__FIELD_DATA__FIELD_VECTORS && column->vectors != NULL && wanted.values) {
        if (column->vectors->data_case == MILVUS__VECTOR_FIELD__DATA_SPARSE_FLOAT_VECTOR)
            return read_sparse(machine, column->vectors, matches, rows);
        return column->vectors->data_case != MILVUS__VECTOR_FIELD__DATA_FLOAT_VECTOR ||
               read_values(machine, column->vectors, matches, rows);
    }
    bool is_json = column->field_case == MILVUS__FIELD_DATA__FIELD_SCALARS && column->scalars != NULL &&
                   column->scalars->data_case == MILVUS__SCALAR_FIELD__DATA_JSON_DATA;
    return !is_json || !wanted.metadata || read_metadata(machine, column->scalars->json_data, matches, rows);
}

/* The result's matches, with room for `more`; NULL when memory is out. */
static vmx_match *
grow_matches(vmx_machine *machine, size_t more)
{
    vmx_result *result = machine->result;
    vmx_match *matches = vmx_arena_calloc(machine->arena, result->match_count + more + 1, sizeof *matches);
    if (matches != NULL && result->match_count > 0)
        memcpy(matches, result->matches, result->match_count * sizeof *matches);
    if (matches != NULL)
        result->matches = matches;
    return matches;
}

static bool
read_id_column(vmx_machine *machine, Milvus__FieldData **columns, size_t count, vmx_match *matches, size_t rows)
{
    for (size_t i = 0; i < count; i++)
        if (is_id_column(columns[i])) {
            const Milvus__ScalarField *scalars = columns[i]->scalars;
            bool integers = scalars->data_case == MILVUS__SCALAR_FIELD__DATA_LONG_DATA;
            bool texts = scalars->data_case == MILVUS__SCALAR_FIELD__DATA_STRING_DATA;
            return read_ids(machine, integers ? scalars->long_data : NULL, texts ? scalars->string_data : NULL, matches,
                            rows);
        }
    return rows == 0 || refuse(machine, "ids", 0, rows);
}

bool
vmx_milvus_read_rows(vmx_machine *machine, Milvus__FieldData **columns, size_t column_count, const Milvus__IDs *ids,
                     size_t rows, vmx_milvus_wanted wanted)
{
    vmx_match *matches = grow_matches(machine, rows);
    if (matches == NULL)
        return out_of_memory(machine);
    matches += machine->result->match_count;
    bool integers = ids != NULL && ids->id_field_case == MILVUS__IDS__ID_FIELD_INT_ID;
    bool texts = ids != NULL && ids->id_field_case == MILVUS__IDS__ID_FIELD_STR_ID;
    bool sound = ids != NULL
                     ? read_ids(machine, integers ? ids->int_id : NULL, texts ? ids->str_id : NULL, matches, rows)
                     : read_id_column(machine, columns, column_count, matches, rows);
    for (size_t i = 0; i < column_count && sound; i++)
        sound = read_column(machine, columns[i], wanted, matches, rows);
    if (sound)
        machine->result->match_count += rows;
    return sound;
}

/* How many rows a Query's reply has: as many as ids. */
static size_t
count_rows(Milvus__FieldData **columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_id_column(columns[i])) {
            const Milvus__ScalarField *scalars = columns[i]->scalars;
            if (scalars->data_case == MILVUS__SCALAR_FIELD__DATA_LONG_DATA)
                return scalars->long_data->n_data;
            return scalars->data_case == MILVUS__SCALAR_FIELD__DATA_STRING_DATA ? scalars->string_data->n_data : 0;
        }
    return 0;
}

bool
vmx_milvus_read_query(vmx_machine *machine, const Milvus__QueryResults *response, vmx_milvus_wanted wanted)
{
    size_t rows = count_rows(response->fields_data, response->n_fields_data);
    return vmx_milvus_read_rows(machine, response->fields_data, response->n_fields_data, NULL, rows, wanted);
}

bool
vmx_milvus_read_ids(vmx_machine *machine, Milvus__FieldData **columns, size_t column_count, size_t *count)
{
    vmx_id_list *list = &machine->result->ids;
    *count = count_rows(columns, column_count);
    vmx_str *ids = vmx_id_list_grow(list, *count + 1, machine->arena);
    vmx_match *matches = vmx_arena_calloc(machine->arena, *count + 1, sizeof *matches);
    if (ids == NULL || matches == NULL)
        return out_of_memory(machine);
    if (!read_id_column(machine, columns, column_count, matches, *count))
        return false;
    for (size_t i = 0; i < *count; i++)
        ids[i] = matches[i].id;
    list->count += *count;
    return true;
}
