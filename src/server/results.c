#include "server/results.h"

#include "server/page.h"
#include "wire/arena_allocator.h"

bool
vmxd_result_metadata(const vmxd_record *record, vmx_arena *arena, Google__Protobuf__Struct **out, vmxd_status *status)
{
    if (!record->has_metadata)
        return true;
    ProtobufCAllocator allocator = vmx_arena_allocator(arena);
    *out = google__protobuf__struct__unpack(&allocator, record->metadata_len, record->metadata);
    return *out ? true : vmxd_no_memory(status);
}

bool
vmxd_result_sparse(const vmxd_record *record, vmx_arena *arena, Pinecone__SparseValues **out, vmxd_status *status)
{
    if (record->sparse.len == 0)
        return true;
    Pinecone__SparseValues *sparse = vmx_arena_alloc(arena, sizeof *sparse);
    if (!sparse)
        return vmxd_no_memory(status);
    pinecone__sparse_values__init(sparse);
    sparse->n_indices = sparse->n_values = record->sparse.len;
    sparse->indices = (uint32_t *)record->sparse.indices;
    sparse->values = (float *)record->sparse.values;
    *out = sparse;
    return true;
}

bool
vmxd_result_vector(const vmxd_records *records, uint32_t slot, vmx_arena *arena, Pinecone__Vector *out,
                   vmxd_status *status)
{
    const vmxd_record *record = records->slots[slot];
    vmx_floats values = vmxd_records_values(records, slot);
    pinecone__vector__init(out);
    out->id = (char *)record->id;
    out->values = (float *)values.ptr;
    out->n_values = values.len;
    return vmxd_result_sparse(record, arena, &out->sparse_values, status) &&
           vmxd_result_metadata(record, arena, &out->metadata, status);
}

Pinecone__Usage *
vmxd_result_usage(uint32_t read_units, vmx_arena *arena)
{
    Pinecone__Usage *usage = vmx_arena_alloc(arena, sizeof *usage);
    if (!usage)
        return NULL;
    pinecone__usage__init(usage);
    usage->_read_units_case = PINECONE__USAGE___READ_UNITS_READ_UNITS;
    usage->read_units = read_units;
    return usage;
}

Pinecone__Pagination *
vmxd_result_pagination(const char *last_name, vmx_arena *arena)
{
    Pinecone__Pagination *pagination = vmx_arena_alloc(arena, sizeof *pagination);
    char *token = vmxd_page_token(last_name, arena);
    if (!pagination || !token)
        return NULL;
    pinecone__pagination__init(pagination);
    pagination->next = token;
    return pagination;
}
