#include "engine/filter_text.h"

#include "core/number.h"

static void
value_text(const vmx_filter_value *value, vmx_buffer *out)
{
    char number[VMX_NUMBER_SIZE];
    switch (value->type) {
    case VMX_FILTER_TEXT:
        vmx_buffer_printf(out, "\"%.*s\"", (int)value->text.len, value->text.ptr);
        return;
    case VMX_FILTER_NUMBER:
        if (value->is_integer)
            vmx_buffer_printf(out, "%lldi", (long long)value->integer);
        else
            vmx_buffer_append(out, number, vmx_number_format(value->number, number));
        return;
    case VMX_FILTER_BOOLEAN:
        vmx_buffer_append_text(out, value->boolean ? "true" : "false");
    }
}

void
filter_text(const vmx_filter *filter, vmx_buffer *out)
{
    static const char *const names[] = {"and", "or", "not", "in", "gt", "gte", "lt", "lte", "exists"};
    if (filter == NULL) {
        vmx_buffer_append_text(out, "all");
        return;
    }
    vmx_buffer_printf(out, "%s(%s", names[filter->kind], filter->kind > VMX_FILTER_NOT ? filter->field.ptr : "");
    for (size_t i = 0; i < filter->child_count; i++) {
        if (i > 0)
            vmx_buffer_append_byte(out, ',');
        filter_text(filter->children[i], out);
    }
    for (size_t i = 0; i < filter->value_count; i++) {
        vmx_buffer_append_byte(out, ',');
        value_text(&filter->values[i], out);
    }
    vmx_buffer_append_byte(out, ')');
}
