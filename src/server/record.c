#include "server/record.h"

#include <string.h>

#include "core/alloc.h"

/* Room for everything behind the struct, sparse part first because it must be aligned. */
static vmxd_record *
record_alloc(vmx_str id, size_t sparse_len, size_t metadata_len)
{
    size_t sparse_bytes = sparse_len * (sizeof(uint32_t) + sizeof(float));
    vmxd_record *record = vmx_alloc(sizeof *record + sparse_bytes + metadata_len + id.len + 1);
    if (!record)
        return NULL;
    uint8_t *at = (uint8_t *)(record + 1);
    record->sparse.indices = (uint32_t *)(void *)at;
    record->sparse.values = (float *)(void *)(at + sparse_len * sizeof(uint32_t));
    record->sparse.len = sparse_len;
    record->metadata = at + sparse_bytes;
    record->metadata_len = (uint32_t)metadata_len;
    record->id = (char *)(at + sparse_bytes + metadata_len);
    record->id_len = (uint32_t)id.len;
    memcpy(at + sparse_bytes + metadata_len, id.ptr, id.len);
    at[sparse_bytes + metadata_len + id.len] = '\0';
    return record;
}

static void
copy_sparse(vmxd_record *record, vmx_sparse from)
{
    if (from.len == 0)
        return;
    memcpy((uint32_t *)record->sparse.indices, from.indices, from.len * sizeof(uint32_t));
    memcpy((float *)record->sparse.values, from.values, from.len * sizeof(float));
}

static vmx_sparse
sparse_of(const Pinecone__SparseValues *message)
{
    return message ? (vmx_sparse){message->indices, message->values, message->n_indices} : (vmx_sparse){0};
}

vmxd_record *
vmxd_record_new(const char *id, const Pinecone__SparseValues *sparse, const Google__Protobuf__Struct *metadata)
{
    vmx_sparse pairs = sparse_of(sparse);
    size_t metadata_len = metadata ? google__protobuf__struct__get_packed_size(metadata) : 0;
    vmxd_record *record = record_alloc((vmx_str){id, strlen(id)}, pairs.len, metadata_len);
    if (!record)
        return NULL;
    copy_sparse(record, pairs);
    record->has_metadata = metadata != NULL;
    if (metadata)
        google__protobuf__struct__pack(metadata, (uint8_t *)record->metadata);
    return record;
}

vmxd_record *
vmxd_record_changed(const vmxd_record *old, const Pinecone__SparseValues *sparse,
                    const Google__Protobuf__Struct *metadata)
{
    vmx_sparse pairs = sparse ? sparse_of(sparse) : old->sparse;
    size_t metadata_len = metadata ? google__protobuf__struct__get_packed_size(metadata) : old->metadata_len;
    vmxd_record *record = record_alloc((vmx_str){old->id, old->id_len}, pairs.len, metadata_len);
    if (!record)
        return NULL;
    copy_sparse(record, pairs);
    record->has_metadata = metadata != NULL || old->has_metadata;
    if (metadata)
        google__protobuf__struct__pack(metadata, (uint8_t *)record->metadata);
    else
        memcpy((uint8_t *)record->metadata, old->metadata, metadata_len);
    return record;
}

void
vmxd_record_free(vmxd_record *record)
{
    vmx_dealloc(record);
}

vmx_str
vmxd_record_metadata(const vmxd_record *record)
{
    return (vmx_str){(const char *)record->metadata, record->metadata_len};
}

size_t
vmxd_record_size(const vmxd_record *record)
{
    return sizeof *record + record->sparse.len * (sizeof(uint32_t) + sizeof(float)) + record->metadata_len +
           record->id_len + 1;
}
