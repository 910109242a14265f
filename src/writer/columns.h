/*
 * writer/columns.h: where records come from: rows, columns, Arrow record batches.
 */
#ifndef VMX_WRITER_COLUMNS_H
#define VMX_WRITER_COLUMNS_H

#include <vecmux/writer.h>

#include "core/slice.h"

/* So many records at most are read before the first of them is taken. */
#define VMX_SOURCE_RUN 16

/* Records in whatever form. */
typedef struct vmx_record_source {
    /* Record `i`; *vector is the source's own, or made in `room`. */
    vmx_status (*at)(const struct vmx_record_source *source, size_t i, vmx_vector *room, const vmx_vector **vector,
                     vmx_error *error);
    void *data;
    size_t count;
    size_t first;   /* the number of record 0, for errors */
    size_t at_once; /* so many calls of `at` later what the first gave still lives: 1 to VMX_SOURCE_RUN */
} vmx_record_source;

/* Takes all records, as vmx_writer_put does. `lender` NULL: values are copied. */
vmx_status
vmx_writer_take_all(vmx_writer *writer, const vmx_record_source *source, vmx_block *lender, int64_t timeout_ms,
                    size_t *taken, vmx_error *error);

#endif
