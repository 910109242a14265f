#include <inttypes.h>
#include <math.h>

#include "core/error.h"
#include "core/number.h"
#include "wire/struct_json.h"
#include "writer/arrow_batch.h"

bool
vmx_arrow_is_field(const vmx_arrow_column *column)
{
    switch (column->kind) {
    case VMX_ARROW_NULL:
    case VMX_ARROW_BOOL:
    case VMX_ARROW_FLOAT:
    case VMX_ARROW_TEXT:
    case VMX_ARROW_TEXT_VIEW:
        return true;
    case VMX_ARROW_INT:
    case VMX_ARROW_UINT:
        return column->entries == NULL || vmx_arrow_is_text(column);
    case VMX_ARROW_LIST:
    case VMX_ARROW_FIXED_LIST:
        return vmx_arrow_is_text(column->items);
    case VMX_ARROW_OTHER:
        break;
    }
    return false;
}

static vmx_status
append_text(const vmx_arrow_column *column, int64_t row, vmx_buffer *json, vmx_error *error)
{
    vmx_str text;
    vmx_status status = vmx_arrow_text(column, row, &text, error);
    if (status == VMX_OK)
        vmx_json_append_string(json, text);
    return status;
}

static vmx_status
append_float(const vmx_arrow_column *column, int64_t row, vmx_buffer *json, vmx_error *error)
{
    char text[VMX_NUMBER_SIZE];
    double value = vmx_arrow_float(column, row);
    if (!isfinite(value))
        return vmx_arrow_bad_row(column, row, "NaN or infinity, which JSON cannot say; make it null", error);
    size_t len = column->width == 8 ? vmx_number_format(value, text) : vmx_float_format((float)value, text);
    vmx_buffer_append(json, text, len);
    return VMX_OK;
}

static vmx_status
append_list(const vmx_arrow_column *column, int64_t row, vmx_buffer *json, vmx_error *error)
{
    int64_t first, count;
    const char *comma = "";
    vmx_status status = vmx_arrow_list(column, row, &first, &count, error);
    vmx_buffer_append_byte(json, '[');
    for (int64_t i = 0; status == VMX_OK && i < count; i++) {
        if (vmx_arrow_is_null(column->items, first + i))
            continue;
        vmx_buffer_append_text(json, comma);
        status = append_text(column->items, first + i, json, error);
        comma = ",";
    }
    vmx_buffer_append_byte(json, ']');
    return status;
}

static vmx_status
append_value(const vmx_arrow_column *column, int64_t row, vmx_buffer *json, vmx_error *error)
{
    if (vmx_arrow_is_text(column))
        return append_text(column, row, json, error);
    switch (column->kind) {
    case VMX_ARROW_BOOL:
        vmx_buffer_append_text(json, vmx_arrow_bool(column, row) ? "true" : "false");
        return VMX_OK;
    case VMX_ARROW_INT:
        vmx_buffer_printf(json, "%" PRId64, vmx_arrow_int(column, row));
        return VMX_OK;
    case VMX_ARROW_UINT:
        vmx_buffer_printf(json, "%" PRIu64, vmx_arrow_uint(column, row));
        return VMX_OK;
    case VMX_ARROW_FLOAT:
        return append_float(column, row, json, error);
    default:
        return append_list(column, row, json, error);
    }
}

vmx_status
vmx_arrow_fields_to_json(const vmx_arrow_column *fields, size_t count, int64_t row, vmx_buffer *json, vmx_error *error)
{
    vmx_status status = VMX_OK;
    bool any = false;
    for (size_t i = 0; i < count && status == VMX_OK; i++) {
        if (vmx_arrow_is_null(&fields[i], row))
            continue;
        vmx_buffer_append_byte(json, any ? ',' : '{');
        vmx_json_append_string(json, vmx_str_from(fields[i].name));
        vmx_buffer_append_byte(json, ':');
        status = append_value(&fields[i], row, json, error);
        any = true;
    }
    if (any)
        vmx_buffer_append_byte(json, '}');
    return status == VMX_OK && json->failed ? vmx_error_no_memory(error) : status;
}
