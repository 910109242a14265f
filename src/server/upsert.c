/* VectorService/Upsert */
#include "core/alloc.h"
#include "server/check.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/metadata.h"
#include "server/write.h"

typedef struct upsert {
    vmxd_write write; /* first */
    const Pinecone__UpsertRequest *request;
    vmxd_record **records; /* of the request's vectors; NULL once they are stored */
} upsert;

static bool
check_vector(const vmxd_store *store, Pinecone__Vector *vector, vmx_arena *arena, vmxd_status *status)
{
    if (!vmxd_check_id(vector->id, status))
        return false;
    bool sparse_index = vmxd_store_config(store)->sparse;
    if ((!sparse_index || vector->n_values > 0) &&
        !vmxd_check_dense(store, vector->values, vector->n_values, vector->id, status))
        return false;
    if (sparse_index && !vector->sparse_values)
        return vmxd_invalid(status, "Vector '%.*s' has no sparse values, but the index is sparse",
                            vmxd_clip(vector->id), vector->id);
    if (vector->sparse_values && !vmxd_check_sparse(store, vector->sparse_values, vector->id, arena, status))
        return false;
    return !vector->metadata || vmxd_metadata_check(vector->metadata, arena, status);
}

static bool
check_request(const vmxd_service *service, const Pinecone__UpsertRequest *request, vmx_arena *arena,
              vmxd_status *status)
{
    if (!vmxd_check_namespace(request->namespace_, status))
        return false;
    if (request->n_vectors == 0)
        return vmxd_invalid(status, "No vectors given; at least one is needed");
    if (request->n_vectors > VMXD_MAX_UPSERT_RECORDS)
        return vmxd_invalid(status, "Request has %zu vectors; at most %d are allowed in one upsert", request->n_vectors,
                            VMXD_MAX_UPSERT_RECORDS);
    for (size_t i = 0; i < request->n_vectors; i++) {
        const Pinecone__Vector *vector = request->vectors[i];
        if (!check_vector(service->store, request->vectors[i], arena, status))
            return false;
        if (vector->n_values != request->vectors[0]->n_values)
            return vmxd_invalid(status, "Vector dimension %zu of '%.*s' differs from the %zu of the request's first",
                                vector->n_values, vmxd_clip(vector->id), vector->id, request->vectors[0]->n_values);
    }
    uint32_t dimension = (uint32_t)request->vectors[0]->n_values;
    return dimension == 0 || vmxd_write_fix_dimension(service, dimension, status);
}

static void
discard(vmxd_write *write)
{
    upsert *self = (upsert *)write;
    for (size_t i = 0; i < self->request->n_vectors; i++)
        vmxd_record_free(self->records[i]);
}

static bool
apply(vmxd_namespace *ns, vmxd_write *write, bool commit, vmxd_status *status)
{
    upsert *self = (upsert *)write;
    const Pinecone__UpsertRequest *request = self->request;
    if (write->count)
        *write->count = (uint32_t)request->n_vectors;
    if (!commit)
        return true;
    if (!vmxd_records_reserve(&ns->records, (uint32_t)request->vectors[0]->n_values, request->n_vectors))
        return vmxd_no_memory(status);
    for (size_t i = 0; i < request->n_vectors; i++) {
        vmxd_records_put(&ns->records, self->records[i], request->vectors[i]->values);
        self->records[i] = NULL;
    }
    return true;
}

/* Records are made here, outside the namespace's lock. */
static vmxd_write *
new_upsert(const Pinecone__UpsertRequest *request, vmx_arena *arena)
{
    upsert *self = vmx_arena_calloc(arena, 1, sizeof *self);
    vmxd_record **records = vmx_arena_calloc(arena, request->n_vectors, sizeof *records);
    if (!self || !records)
        return NULL;
    *self = (upsert){.write = {.apply = apply, .discard = discard}, .request = request, .records = records};
    for (size_t i = 0; i < request->n_vectors; i++) {
        const Pinecone__Vector *vector = request->vectors[i];
        records[i] = vmxd_record_new(vector->id, vector->sparse_values, vector->metadata);
        if (!records[i]) {
            discard(&self->write);
            return NULL;
        }
    }
    return &self->write;
}

vmxd_write *
vmxd_upsert_new(const vmxd_service *service, const Pinecone__UpsertRequest *request, vmx_arena *arena,
                vmxd_status *status)
{
    if (!check_request(service, request, arena, status))
        return NULL;
    vmxd_write *write = new_upsert(request, arena);
    if (!write)
        vmxd_no_memory(status);
    return write;
}

static void
reply(vmxd_call *call, uint32_t count)
{
    Pinecone__UpsertResponse response = PINECONE__UPSERT_RESPONSE__INIT;
    response.upserted_count = count;
    vmxd_call_reply(call, &response.base);
}

void
vmxd_handle_upsert(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__UpsertRequest *request = (const Pinecone__UpsertRequest *)message;
    vmxd_status status;
    vmxd_write *write = vmxd_upsert_new(service, request, vmxd_call_arena(call), &status);
    if (write)
        vmxd_write_submit(service, call, VMXD_JOURNAL_UPSERT, request->namespace_, write, reply);
    else
        vmxd_call_fail(call, &status);
}
