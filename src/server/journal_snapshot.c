#include "server/journal_snapshot.h"

#include <string.h>
#include <unistd.h>

#include "server/journal_frame.h"
#include "server/limits.h"
#include "wire/arena_allocator.h"

#define BATCH_BYTES (1 << 20) /* of vectors and metadata, in one upsert */

typedef struct snapshot {
    vmxd_journal_file *file;
    vmx_buffer body; /* of the record at hand */
    vmx_arena arena; /* of the messages in it */
} snapshot;

static bool
append(snapshot *self, vmxd_journal_kind kind, const void *body, size_t len, vmxd_status *status)
{
    vmxd_journal_record record = {kind, {body, len}};
    return vmxd_journal_file_append(self->file, &record, 1, false, status);
}

static bool
append_message(snapshot *self, vmxd_journal_kind kind, const ProtobufCMessage *message, vmxd_status *status)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    self->body.len = 0;
    uint8_t *bytes = vmx_buffer_reserve(&self->body, len);
    if (!bytes)
        return vmxd_no_memory(status);
    protobuf_c_message_pack(message, bytes);
    return append(self, kind, bytes, len, status);
}

static bool
append_creation(snapshot *self, const vmxd_namespace *ns, vmxd_status *status)
{
    Pinecone__CreateNamespaceRequest request = PINECONE__CREATE_NAMESPACE_REQUEST__INIT;
    Pinecone__MetadataSchema schema = PINECONE__METADATA_SCHEMA__INIT;
    Pinecone__MetadataFieldProperties filterable = PINECONE__METADATA_FIELD_PROPERTIES__INIT;
    Pinecone__MetadataSchema__FieldsEntry *entries = vmx_arena_calloc(&self->arena, ns->schema_len, sizeof *entries);
    schema.fields = vmx_arena_calloc(&self->arena, ns->schema_len, sizeof *schema.fields);
    if (!entries || !schema.fields)
        return vmxd_no_memory(status);
    filterable.filterable = true;
    schema.n_fields = ns->schema_len;
    for (size_t i = 0; i < ns->schema_len; i++) {
        pinecone__metadata_schema__fields_entry__init(&entries[i]);
        entries[i].key = ns->schema[i];
        entries[i].value = &filterable;
        schema.fields[i] = &entries[i];
    }
    request.name = ns->name;
    request.schema = ns->has_schema ? &schema : NULL;
    return append_message(self, VMXD_JOURNAL_CREATE_NAMESPACE, &request.base, status);
}

/* What a slot holds, as the request that stored it said; points into the records. NULL when memory is out. */
static Pinecone__Vector *
vector_of(snapshot *self, const vmxd_records *records, uint32_t slot)
{
    const vmxd_record *record = records->slots[slot];
    vmx_floats values = vmxd_records_values(records, slot);
    Pinecone__Vector *vector = vmx_arena_alloc(&self->arena, sizeof *vector);
    Pinecone__SparseValues *sparse = vmx_arena_alloc(&self->arena, sizeof *sparse);
    if (!vector || !sparse)
        return NULL;
    pinecone__vector__init(vector);
    vector->id = (char *)record->id;
    vector->values = (float *)values.ptr;
    vector->n_values = values.len;
    if (record->sparse.len > 0) {
        pinecone__sparse_values__init(sparse);
        sparse->indices = (uint32_t *)record->sparse.indices;
        sparse->values = (float *)record->sparse.values;
        sparse->n_indices = sparse->n_values = record->sparse.len;
        vector->sparse_values = sparse;
    }
    if (!record->has_metadata)
        return vector;
    ProtobufCAllocator allocator = vmx_arena_allocator(&self->arena);
    vector->metadata = google__protobuf__struct__unpack(&allocator, record->metadata_len, record->metadata);
    return vector->metadata ? vector : NULL;
}

/* An upsert of the records from `*slot` on, as many as make a batch. */
static bool
append_batch(snapshot *self, const vmxd_namespace *ns, uint32_t *slot, vmxd_status *status)
{
    Pinecone__UpsertRequest request = PINECONE__UPSERT_REQUEST__INIT;
    Pinecone__Vector *vectors[VMXD_MAX_UPSERT_RECORDS];
    size_t row = ns->records.dimension * sizeof(float);
    request.namespace_ = ns->name;
    request.vectors = vectors;
    for (size_t bytes = 0;
         *slot < ns->records.count && request.n_vectors < VMXD_MAX_UPSERT_RECORDS && bytes < BATCH_BYTES; ++*slot) {
        Pinecone__Vector *vector = vector_of(self, &ns->records, *slot);
        if (!vector)
            return vmxd_no_memory(status);
        vectors[request.n_vectors++] = vector;
        bytes += row + vmxd_record_size(ns->records.slots[*slot]);
    }
    bool done = append_message(self, VMXD_JOURNAL_UPSERT, &request.base, status);
    vmx_arena_reset(&self->arena);
    return done;
}

/* Last of a namespace, because upserts count. */
static bool
append_lsn(snapshot *self, const vmxd_namespace *ns, vmxd_status *status)
{
    size_t name_len = strlen(ns->name);
    self->body.len = 0;
    uint8_t *bytes = vmx_buffer_reserve(&self->body, sizeof(uint64_t) + name_len);
    if (!bytes)
        return vmxd_no_memory(status);
    vmxd_put_u64(bytes, ns->request_lsn);
    memcpy(bytes + sizeof(uint64_t), ns->name, name_len);
    return append(self, VMXD_JOURNAL_LSN, bytes, sizeof(uint64_t) + name_len, status);
}

static bool
append_namespace(snapshot *self, vmxd_namespace *ns, vmxd_status *status)
{
    vmxd_namespace_read_lock(ns);
    bool done = !ns->exists || append_creation(self, ns, status);
    for (uint32_t slot = 0; done && slot < ns->records.count;)
        done = append_batch(self, ns, &slot, status);
    if (done && ns->request_lsn > 0)
        done = append_lsn(self, ns, status);
    vmxd_namespace_unlock(ns);
    vmx_arena_reset(&self->arena);
    return done;
}

static bool
append_store(snapshot *self, vmxd_store *store, vmxd_status *status)
{
    uint8_t dimension[4];
    vmxd_put_u32(dimension, vmxd_store_dimension(store));
    if (vmxd_store_dimension(store) > 0 && !append(self, VMXD_JOURNAL_DIMENSION, dimension, sizeof dimension, status))
        return false;
    vmx_arena arena = {0};
    vmxd_namespace **all;
    size_t count = 0;
    bool done = vmxd_store_all(store, &arena, &all, &count) || vmxd_no_memory(status);
    for (size_t i = 0; done && i < count; i++)
        done = append_namespace(self, all[i], status);
    vmx_arena_reset(&arena);
    return done;
}

bool
vmxd_journal_snapshot(vmxd_journal_file *file, const char *path, vmxd_store *store, vmxd_status *status)
{
    snapshot self = {.file = file};
    if (!vmxd_journal_file_create(file, path, vmxd_store_config(store), status))
        return false;
    bool done = append_store(&self, store, status) && vmxd_journal_file_sync(file, status);
    vmx_buffer_free(&self.body);
    vmx_arena_reset(&self.arena);
    if (!done) {
        vmxd_journal_file_close(file);
        unlink(path);
    }
    return done;
}

uint64_t
vmxd_journal_live_bytes(vmxd_store *store)
{
    vmx_arena arena = {0};
    vmxd_namespace **all;
    size_t count = 0;
    uint64_t bytes = 0;
    if (!vmxd_store_all(store, &arena, &all, &count))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        vmxd_namespace_read_lock(all[i]);
        bytes += vmxd_records_size(&all[i]->records) + strlen(all[i]->name);
        vmxd_namespace_unlock(all[i]);
    }
    vmx_arena_reset(&arena);
    return bytes;
}
