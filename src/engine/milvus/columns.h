/*
 * engine/milvus/columns.h: rows become the columns of an UpsertRequest.
 *
 * In two steps, because an upsert may have to wait for the schema: the rows' parts are gathered column by column, which
 * needs no schema; then they are framed with what it says: names, types, the dimension. Values are not copied a
 * second time where a row has VMX_REFERENCE_MIN_BYTES of them or more.
 */
#ifndef VMX_ENGINE_MILVUS_COLUMNS_H
#define VMX_ENGINE_MILVUS_COLUMNS_H

#include "engine/milvus/schema.h"
#include "engine/row.h"

/* The first slices of a message are the values, the last is the other columns: ids, metadata, sparse parts, each as the
 * packed elements of its array (field 1 of StringArray, JSONArray and SparseFloatArray). */
typedef struct vmx_milvus_columns {
    uint32_t rows;
    size_t dimension; /* of every row; 0: they have no dense values */
    size_t values_bytes;
    size_t ids_bytes, metadata_bytes, sparse_bytes;
    bool has_metadata; /* some row has */
    bool has_sparse;
} vmx_milvus_columns;

extern const vmx_row_codec vmx_milvus_rows;

/* Gathers the rows' parts. Errors: VMX_ERR_NO_MEMORY, VMX_ERR_INVALID (dimensions differ). */
vmx_status
vmx_milvus_gather(const vmx_rows *rows, vmx_milvus_columns *columns, vmx_message *gathered, vmx_error *error);

/* Makes the request; `gathered` stays the caller's. Errors: VMX_ERR_INVALID and VMX_ERR_UNSUPPORTED (the rows do not fit
 * the schema), VMX_ERR_NO_MEMORY. */
vmx_status
vmx_milvus_frame(const vmx_milvus_columns *columns, const vmx_message *gathered, const vmx_milvus_schema *schema,
                 vmx_str collection, vmx_str partition, vmx_message *message, vmx_error *error);

#endif
