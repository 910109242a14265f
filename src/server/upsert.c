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
check_request(vmxd_store *store, const Pinecone__UpsertRequest *request, vmx_arena *arena, vmxd_status *status)
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
        if (!check_vector(store, request->vectors[i], arena, status))
            return false;
        if (vector->n_values != request->vectors[0]->n_values)
            return vmxd_invalid(status, "Vector dimension %zu of '%.*s' differs from the %zu of the request's first",
                                vector->n_values, vmxd_clip(vector->id), vector->id, request->vectors[0]->n_values);
    }
    uint32_t dimension = (uint32_t)request->vectors[0]->n_values, fixed;
    if (dimension > 0 && !vmxd_store_fix_dimension(store, dimension, &fixed))
        return vmxd_invalid(status, "Vector dimension %u does not match the dimension of the index %u", dimension,
                            fixed);
    return true;
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

void
vmxd_handle_upsert(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__UpsertRequest *request = (const Pinecone__UpsertRequest *)message;
    vmx_arena *arena = vmxd_call_arena(call);
    vmxd_status status;
    Pinecone__UpsertResponse response = PINECONE__UPSERT_RESPONSE__INIT;
    response.upserted_count = (uint32_t)request->n_vectors;
    bool done = check_request(service->store, request, arena, &status);
    vmxd_write *write = done ? new_upsert(request, arena) : NULL;
    if (done && !write)
        done = vmxd_no_memory(&status);
    if (done && vmxd_write_submit(service, call, request->namespace_, write, false, &status))
        vmxd_call_reply(call, &response.base);
    else
        vmxd_call_fail(call, &status);
}
