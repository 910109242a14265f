#include <stdio.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__UpsertResponse *response =
        vmx_pinecone_unpack(machine, message, &pinecone__upsert_response__descriptor, next);
    if (response == NULL)
        return;
    machine->result->has_count = true;
    machine->result->count = response->upserted_count;
    vmx_pinecone_note_lsn(machine, reply);
    vmx_pinecone_done(machine, next);
}

/* Borrows the caller's floats; the rest is copied into `scratch`. */
static vmx_status
fill_vector(vmx_arena *scratch, const vmx_vector *from, size_t i, Pinecone__Vector *to, vmx_error *error)
{
    char what[VMX_CHECK_NAME_SIZE + 16], name[VMX_CHECK_NAME_SIZE];
    pinecone__vector__init(to);
    to->id = vmx_pinecone_text(scratch, from->id);
    if (to->id == NULL)
        return vmx_error_no_memory(error);
    to->n_values = from->values.len;
    to->values = (float *)(uintptr_t)from->values.ptr;
    vmx_check_name_vector(name, i, from->id);
    snprintf(what, sizeof what, "%s: metadata", name);
    vmx_status status = vmx_pinecone_struct(scratch, from->metadata, what, &to->metadata, error);
    return status == VMX_OK ? vmx_pinecone_sparse(scratch, from->sparse, &to->sparse_values, error) : status;
}

static vmx_status
fill_request(vmx_arena *scratch, const vmx_vectors *vectors, Pinecone__UpsertRequest *request, vmx_error *error)
{
    Pinecone__Vector *items = vmx_arena_calloc(scratch, vectors->count, sizeof *items);
    request->vectors = vmx_arena_calloc(scratch, vectors->count, sizeof *request->vectors);
    if (items == NULL || request->vectors == NULL)
        return vmx_error_no_memory(error);
    for (size_t i = 0; i < vectors->count; i++) {
        vmx_vector vector;
        vmx_vectors_at(vectors, i, &vector);
        vmx_status status = fill_vector(scratch, &vector, i, &items[i], error);
        if (status != VMX_OK)
            return status;
        request->vectors[i] = &items[i];
    }
    request->n_vectors = vectors->count;
    return VMX_OK;
}

static vmx_status
check_size(const Pinecone__UpsertRequest *request, size_t max_bytes, vmx_error *error)
{
    size_t size = pinecone__upsert_request__get_packed_size(request);
    if (size <= max_bytes)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                         "upsert: %zu bytes in one request; at most %zu are allowed (upsert.max.bytes): split the "
                         "batch of %zu vectors",
                         size, max_bytes, request->n_vectors);
}

vmx_status
vmx_pinecone_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first)
{
    const vmx_limits *limits = &machine->engine->limits;
    vmx_status status = vmx_check_vectors(vectors, limits, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    Pinecone__UpsertRequest request = PINECONE__UPSERT_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_reply;
    status = fill_request(&scratch, vectors, &request, machine->error);
    if (status == VMX_OK)
        status = check_size(&request, limits->upsert_bytes, machine->error);
    if (status == VMX_OK)
        status = vmx_pinecone_call(machine, "/VectorService/Upsert", &request.base, true, true, first);
    vmx_arena_reset(&scratch);
    return status;
}
