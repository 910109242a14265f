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

/* Columns, and the texts of ids that are numbers. */
typedef struct reading {
    vmx_columns columns;
    vmx_vector vector; /* the row that was asked for last; the next one differs in three members */
    size_t at;         /* the row whose number stands in `digits` */
    size_t digit_count;
    char digits[VMX_DECIMAL_DIGITS];
    char texts[VMX_SOURCE_RUN][ID_SIZE]; /* each begins with the prefix */
} reading;

static void
begin_reading(reading *self)
{
    const vmx_columns *columns = &self->columns;
    self->vector = (vmx_vector){.size = sizeof self->vector, .values = {.len = columns->dimension}};
    size_t texts = columns->ids == NULL && columns->count > 0 ? VMX_SOURCE_RUN : 0;
    if (texts > columns->count)
        texts = columns->count;
    for (size_t i = 0; i < texts && columns->id_prefix.len > 0; i++)
        memcpy(self->texts[i], columns->id_prefix.ptr, columns->id_prefix.len);
    self->at = SIZE_MAX - 1; /* no row is behind it */
}

/* Rows come one after the other, but for those that found no room. */
static vmx_str
number_id(reading *self, size_t i)
{
    char *text = self->texts[i % VMX_SOURCE_RUN];
    size_t prefix = self->columns.id_prefix.len;
    if (i == self->at + 1)
        self->digit_count = vmx_decimal_count_up(self->digits, self->digit_count);
    else
        self->digit_count = vmx_decimal_write(self->columns.first_id + i, self->digits);
    self->at = i;
    memcpy(text + prefix, self->digits, sizeof self->digits);
    return (vmx_str){text, prefix + self->digit_count};
}

static vmx_status
row_at(const vmx_record_source *source, size_t i, vmx_vector *room, const vmx_vector **vector, vmx_error *error)
{
    (void)room;
    (void)error;
    reading *self = source->data;
    const vmx_columns *columns = &self->columns;
    self->vector.id = columns->ids != NULL ? columns->ids[i] : number_id(self, i);
    self->vector.values.ptr = columns->values + i * columns->stride;
    if (columns->metadata != NULL)
        self->vector.metadata = columns->metadata[i];
    *vector = &self->vector;
    return VMX_OK;
}

vmx_status
vmx_writer_put_columns(vmx_writer *writer, const vmx_columns *theirs, int64_t timeout_ms, size_t *taken,
                       vmx_error *error)
{
    reading self;
    vmx_columns *columns = &self.columns;
    vmx_sized_read(columns, sizeof *columns, theirs);
    if (columns->stride == 0)
        columns->stride = columns->dimension;
    if (taken != NULL)
        *taken = 0;
    if (columns->id_prefix.len > 488)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "put: an id prefix of %zu bytes; with a number behind it, ids have at most 512",
                             columns->id_prefix.len);
    if (columns->stride < columns->dimension)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "put: a stride of %zu floats is less than the dimension %zu; it is the distance of rows",
                             columns->stride, columns->dimension);
    begin_reading(&self);
    vmx_record_source source = {.at = row_at, .data = &self, .count = columns->count, .at_once = VMX_SOURCE_RUN};
    return vmx_writer_take_all(writer, &source, NULL, timeout_ms, taken, error);
}
