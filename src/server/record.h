/*
 * server/record.h: what is stored of one record besides its dense values: id, sparse values, metadata. Immutable; one
 * allocation.
 */
#ifndef VMXD_RECORD_H
#define VMXD_RECORD_H

#include <google/protobuf/struct.pb-c.h>
#include <pinecone/vector_service.pb-c.h>
#include <vecmux/types.h>

typedef struct vmxd_record {
    const char *id; /* ends in NUL */
    vmx_sparse sparse;
    const uint8_t *metadata; /* a packed Struct without duplicate keys */
    uint32_t metadata_len;
    uint32_t id_len;
    bool has_metadata; /* an empty Struct is not the same as none */
} vmxd_record;

/* Copies everything; `sparse` and `metadata` may be NULL. NULL when memory is out. */
vmxd_record *
vmxd_record_new(const char *id, const Pinecone__SparseValues *sparse, const Google__Protobuf__Struct *metadata);

/* A record like `old`, with what is not NULL replaced. */
vmxd_record *
vmxd_record_changed(const vmxd_record *old, const Pinecone__SparseValues *sparse,
                    const Google__Protobuf__Struct *metadata);

void
vmxd_record_free(vmxd_record *record);

vmx_str
vmxd_record_metadata(const vmxd_record *record);

/* Bytes of memory it takes. */
size_t
vmxd_record_size(const vmxd_record *record);

#endif
