#include "writer/arrow_column.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* A list of a dictionary of texts is as deep as anything that is read. */
#define MAX_DEPTH 3

static vmx_status
bad_column(const vmx_arrow_column *column, const char *what, vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_INVALID, "put: column \"%.64s\" (format \"%.16s\"): %s", column->name,
                         column->format, what);
}

vmx_status
vmx_arrow_bad_row(const vmx_arrow_column *column, int64_t row, const char *what, vmx_error *error)
{
    return vmx_error_set(error, VMX_ERR_INVALID, "put: row %lld, column \"%.64s\" (format \"%.16s\"): %s",
                         (long long)row, column->name, column->format, what);
}

/* --- types --------------------------------------------------------------------------------------------------------- */

typedef struct type_row {
    const char *format;
    vmx_arrow_kind kind;
    size_t width;
} type_row;

static const type_row types[] = {
    {"n", VMX_ARROW_NULL, 0},       {"b", VMX_ARROW_BOOL, 0},  {"c", VMX_ARROW_INT, 1},   {"C", VMX_ARROW_UINT, 1},
    {"s", VMX_ARROW_INT, 2},        {"S", VMX_ARROW_UINT, 2},  {"i", VMX_ARROW_INT, 4},   {"I", VMX_ARROW_UINT, 4},
    {"l", VMX_ARROW_INT, 8},        {"L", VMX_ARROW_UINT, 8},  {"e", VMX_ARROW_FLOAT, 2}, {"f", VMX_ARROW_FLOAT, 4},
    {"g", VMX_ARROW_FLOAT, 8},      {"u", VMX_ARROW_TEXT, 4},  {"U", VMX_ARROW_TEXT, 8},  {"+l", VMX_ARROW_LIST, 4},
    {"vu", VMX_ARROW_TEXT_VIEW, 0}, {"+L", VMX_ARROW_LIST, 8},
};

/* "+w:768" */
static bool
read_fixed_list(const char *format, int64_t *list_size)
{
    char *end;
    if (strncmp(format, "+w:", 3) != 0)
        return false;
    *list_size = strtoll(format + 3, &end, 10);
    return end > format + 3 && *end == '\0' && *list_size >= 0 && *list_size <= INT32_MAX;
}

static void
read_type(vmx_arrow_column *column)
{
    column->kind = VMX_ARROW_OTHER;
    if (read_fixed_list(column->format, &column->list_size))
        column->kind = VMX_ARROW_FIXED_LIST;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(column->format, types[i].format) == 0) {
            column->kind = types[i].kind;
            column->width = types[i].width;
        }
    }
}

static bool
is_list(const vmx_arrow_column *column)
{
    return column->kind == VMX_ARROW_LIST || column->kind == VMX_ARROW_FIXED_LIST;
}

bool
vmx_arrow_is_text(const vmx_arrow_column *column)
{
    const vmx_arrow_column *values = column->entries != NULL ? column->entries : column;
    return values->kind == VMX_ARROW_TEXT || values->kind == VMX_ARROW_TEXT_VIEW;
}

/* --- checking an array --------------------------------------------------------------------------------------------- */

static int64_t
buffers_of(vmx_arrow_kind kind)
{
    switch (kind) {
    case VMX_ARROW_NULL:
        return 0;
    case VMX_ARROW_FIXED_LIST:
        return 1;
    case VMX_ARROW_TEXT:
    case VMX_ARROW_TEXT_VIEW: /* at least: validity, views, sizes of the data buffers */
        return 3;
    default:
        return 2;
    }
}

static vmx_status
check_buffers(const vmx_arrow_column *column, vmx_error *error)
{
    const struct ArrowArray *array = column->array;
    int64_t wanted = buffers_of(column->kind);
    bool counted = column->kind == VMX_ARROW_TEXT_VIEW ? array->n_buffers >= wanted : array->n_buffers == wanted;
    if (column->kind == VMX_ARROW_NULL) /* old producers give it a bitmap */
        return VMX_OK;
    if (!counted || array->n_buffers > INT32_MAX)
        return bad_column(column, "the array has another number of buffers than its format", error);
    if (wanted > 0 && array->buffers == NULL)
        return bad_column(column, "the array's buffers are NULL", error);
    if (wanted > 0 && array->null_count > 0 && array->buffers[0] == NULL)
        return bad_column(column, "the array has nulls, but no validity bitmap", error);
    bool empty = array->length == 0 && array->offset == 0;
    if (wanted > 1 && !empty && array->buffers[1] == NULL)
        return bad_column(column, "the array's second buffer is NULL", error);
    if (column->kind == VMX_ARROW_TEXT_VIEW && array->n_buffers > 3 && array->buffers[array->n_buffers - 1] == NULL)
        return bad_column(column, "the array does not tell the sizes of its data buffers", error);
    return VMX_OK;
}

static vmx_status
check_array(const vmx_arrow_column *column, int64_t rows, vmx_error *error)
{
    const struct ArrowArray *array = column->array;
    if (array == NULL || array->release == NULL)
        return bad_column(column, "the array is missing, or was released", error);
    if (array->length < 0 || array->offset < 0 || array->length > INT64_MAX / 32 - array->offset)
        return bad_column(column, "the array's length or offset is impossible", error);
    if (array->null_count < -1 || array->null_count > array->length)
        return bad_column(column, "the array's null count is impossible", error);
    if (array->length < rows)
        return bad_column(column, "the array is shorter than the record batch", error);
    return check_buffers(column, error);
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static vmx_status
open_column(vmx_arena *arena, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t rows, int depth,
            vmx_arrow_column *column, vmx_error *error);

/* How many items the rows of a list of fixed size need. */
static bool
fixed_items(const vmx_arrow_column *column, int64_t *items)
{
    return !__builtin_mul_overflow(column->array->offset + column->array->length, column->list_size, items);
}

static vmx_status
open_items(vmx_arena *arena, const struct ArrowSchema *schema, int depth, vmx_arrow_column *column, vmx_error *error)
{
    const struct ArrowArray *array = column->array;
    int64_t rows = 0;
    if (schema->n_children != 1 || schema->children == NULL || schema->children[0] == NULL || array->n_children != 1 ||
        array->children == NULL)
        return bad_column(column, "a list has one column of items", error);
    if (column->kind == VMX_ARROW_FIXED_LIST && !fixed_items(column, &rows))
        return bad_column(column, "the array's length is impossible", error);
    column->items = vmx_arena_calloc(arena, 1, sizeof *column->items);
    if (column->items == NULL)
        return vmx_error_no_memory(error);
    return open_column(arena, schema->children[0], array->children[0], rows, depth + 1, column->items, error);
}

static vmx_status
open_entries(vmx_arena *arena, const struct ArrowSchema *schema, int depth, vmx_arrow_column *column, vmx_error *error)
{
    column->entries = vmx_arena_calloc(arena, 1, sizeof *column->entries);
    if (column->entries == NULL)
        return vmx_error_no_memory(error);
    return open_column(arena, schema->dictionary, column->array->dictionary, 0, depth + 1, column->entries, error);
}

static vmx_status
open_column(vmx_arena *arena, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t rows, int depth,
            vmx_arrow_column *column, vmx_error *error)
{
    if (schema->release == NULL || schema->format == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID, "put: an Arrow schema has no format, or was released");
    *column = (vmx_arrow_column){.name = schema->name != NULL ? schema->name : "", .format = schema->format};
    column->array = array;
    read_type(column);
    bool encoded = schema->dictionary != NULL;
    if (encoded && column->kind != VMX_ARROW_INT && column->kind != VMX_ARROW_UINT)
        column->kind = VMX_ARROW_OTHER;
    if (depth == MAX_DEPTH)
        column->kind = VMX_ARROW_OTHER;
    if (column->kind == VMX_ARROW_OTHER)
        return VMX_OK;
    vmx_status status = check_array(column, rows, error);
    if (status == VMX_OK && is_list(column))
        status = open_items(arena, schema, depth, column, error);
    if (status == VMX_OK && encoded)
        status = open_entries(arena, schema, depth, column, error);
    return status;
}

vmx_status
vmx_arrow_column_open(vmx_arena *arena, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t rows,
                      vmx_arrow_column *column, vmx_error *error)
{
    return open_column(arena, schema, array, rows, 0, column, error);
}
