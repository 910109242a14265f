#include "writer/columns.h"

#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "core/sized.h"

/* An id: a prefix and a row number. */
#define ID_SIZE (512 + 24)

void
vmx_columns_init(vmx_columns *columns, size_t size)
{
    vmx_sized_init(columns, size);
}

static vmx_str
number_id(const vmx_columns *columns, size_t i, char *text)
{
    size_t len = columns->id_prefix.len;
    if (len > 0)
        memcpy(text, columns->id_prefix.ptr, len);
    return (vmx_str){text, len + vmx_decimal_write(columns->first_id + i, text + len)};
}

static vmx_status
row_at(const vmx_record_source *source, size_t i, vmx_vector *vector, vmx_error *error)
{
    (void)error;
    const vmx_columns *columns = source->data;
    vmx_vector_init(vector, sizeof *vector);
    vector->id =
        columns->ids != NULL ? columns->ids[i] : number_id(columns, i, source->text + i % VMX_SOURCE_RUN * ID_SIZE);
    vector->values = (vmx_floats){columns->values + i * columns->stride, columns->dimension};
    if (columns->metadata != NULL)
        vector->metadata = columns->metadata[i];
    return VMX_OK;
}

vmx_status
vmx_writer_put_columns(vmx_writer *writer, const vmx_columns *theirs, int64_t timeout_ms, size_t *taken,
                       vmx_error *error)
{
    vmx_columns columns;
    char text[VMX_SOURCE_RUN * ID_SIZE];
    vmx_sized_read(&columns, sizeof columns, theirs);
    if (columns.stride == 0)
        columns.stride = columns.dimension;
    if (taken != NULL)
        *taken = 0;
    if (columns.id_prefix.len > 488)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "put: an id prefix of %zu bytes; with a number behind it, ids have at most 512",
                             columns.id_prefix.len);
    if (columns.stride < columns.dimension)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "put: a stride of %zu floats is less than the dimension %zu; it is the distance of rows",
                             columns.stride, columns.dimension);
    vmx_record_source source = {
        .at = row_at, .data = &columns, .count = columns.count, .at_once = VMX_SOURCE_RUN, .text = text};
    return vmx_writer_take_all(writer, &source, NULL, timeout_ms, taken, error);
}
