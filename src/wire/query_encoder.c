#include "wire/query_encoder.h"

#include "wire/sparse_encoder.h"
#include "wire/varint.h"

/* Field numbers of QueryRequest. */
enum {
    NAMESPACE = 1,
    TOP_K = 2,
    FILTER = 3,
    INCLUDE_VALUES = 4,
    INCLUDE_METADATA = 5,
    VECTOR = 7,
    ID = 8,
    SPARSE_VECTOR = 9,
    SCAN_FACTOR = 10,
    MAX_CANDIDATES = 11
};

static size_t
bytes_field_size(size_t content_bytes)
{
    return content_bytes > 0 ? vmx_field_size(content_bytes) : 0;
}

static size_t
number_field_size(uint64_t value)
{
    return value != 0 ? 1 + vmx_varint_size(value) : 0;
}

static uint8_t *
write_bytes_field(uint8_t *at, unsigned field, const void *content, size_t content_bytes)
{
    return content_bytes > 0 ? vmx_field_write(at, field, content, content_bytes) : at;
}

static uint8_t *
write_number_field(uint8_t *at, unsigned field, uint64_t value)
{
    if (value == 0)
        return at;
    *at++ = (uint8_t)(field << 3 | VMX_WIRE_VARINT);
    return vmx_varint_write(at, value);
}

static uint8_t *
write_float_field(uint8_t *at, unsigned field, float value)
{
    if (value == 0)
        return at;
    *at++ = (uint8_t)(field << 3 | VMX_WIRE_32BIT);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static size_t
query_size(const vmx_query_item *query, size_t sparse_indices_bytes)
{
    size_t size = bytes_field_size(query->name_space.len) + number_field_size(query->top_k) +
                  number_field_size(query->include_values) + number_field_size(query->include_metadata) +
                  bytes_field_size(query->dense.len * sizeof(float)) + bytes_field_size(query->id.len) +
                  number_field_size(query->max_candidates);
    if (query->filter.ptr != NULL)
        size += vmx_field_size(query->filter.len);
    if (query->sparse.len > 0)
        size += vmx_field_size(vmx_sparse_size(query->sparse, sparse_indices_bytes));
    return query->scan_factor != 0 ? size + 1 + sizeof query->scan_factor : size;
}

/* protobuf-c writes fields by their numbers. */
static void
write_query(const vmx_query_item *query, size_t sparse_indices_bytes, uint8_t *at)
{
    at = write_bytes_field(at, NAMESPACE, query->name_space.ptr, query->name_space.len);
    at = write_number_field(at, TOP_K, query->top_k);
    if (query->filter.ptr != NULL)
        at = vmx_field_write(at, FILTER, query->filter.ptr, query->filter.len);
    at = write_number_field(at, INCLUDE_VALUES, query->include_values);
    at = write_number_field(at, INCLUDE_METADATA, query->include_metadata);
    at = write_bytes_field(at, VECTOR, query->dense.ptr, query->dense.len * sizeof(float));
    at = write_bytes_field(at, ID, query->id.ptr, query->id.len);
    if (query->sparse.len > 0)
        at = vmx_sparse_write(at, SPARSE_VECTOR, query->sparse, sparse_indices_bytes);
    at = write_float_field(at, SCAN_FACTOR, query->scan_factor);
    write_number_field(at, MAX_CANDIDATES, query->max_candidates);
}

bool
vmx_query_encode(const vmx_query_item *query, vmx_block **spare, vmx_message *message)
{
    size_t sparse_indices_bytes = vmx_sparse_indices_size(query->sparse);
    size_t size_bytes = query_size(query, sparse_indices_bytes);
    uint8_t *data;
    vmx_block *block = vmx_block_reuse(spare, size_bytes, &data);
    if (block == NULL)
        return false;
    write_query(query, sparse_indices_bytes, data);
    vmx_message_init_one(message, block, data, size_bytes);
    return true;
}
