#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"
#include "engine/pinecone/plain.h"
#include "wire/struct_bytes.h"
#include "wire/vector_encoder.h"

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__UpsertResponse *response =
        vmx_exchange_unpack(machine, message, &pinecone__upsert_response__descriptor, next);
    if (response == NULL)
        return;
    machine->result->has_count = true;
    machine->result->count = response->upserted_count;
    vmx_pinecone_note_lsn(machine, reply);
    vmx_exchange_done(machine, next);
}

/* The vector is only named in an error where there is one: the name costs as much as short metadata. */
static vmx_status
pack_metadata(vmx_arena *scratch, const vmx_vector *from, size_t i, vmx_str *metadata, vmx_error *error)
{
    char what[VMX_CHECK_NAME_SIZE + 16], name[VMX_CHECK_NAME_SIZE];
    if (vmx_struct_bytes_from_json(scratch, from->metadata, "", metadata, NULL) == VMX_OK)
        return VMX_OK;
    vmx_check_name_vector(name, "upsert", i, from->id);
    snprintf(what, sizeof what, "%s: metadata", name);
    return vmx_struct_bytes_from_json(scratch, from->metadata, what, metadata, error);
}

/* Borrows the caller's id and numbers; the packed metadata is in `scratch`. */
static vmx_status
fill_item(vmx_arena *scratch, const vmx_vector *from, size_t i, vmx_vector_item *item, vmx_error *error)
{
    *item = (vmx_vector_item){.id = from->id, .values = from->values, .sparse = from->sparse};
    vmx_status status = from->metadata.len > 0 ? pack_metadata(scratch, from, i, &item->metadata, error) : VMX_OK;
    vmx_vector_item_measure(item);
    return status;
}

static vmx_status
fill_items(vmx_arena *scratch, const vmx_vectors *vectors, vmx_vector_item **out, vmx_error *error)
{
    vmx_vector_item *items = vmx_arena_array(scratch, vectors->count, sizeof *items);
    if (items == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = VMX_OK;
    for (size_t i = 0; i < vectors->count && status == VMX_OK; i++) {
        vmx_vector room;
        status = fill_item(scratch, vmx_vectors_item(vectors, i, &room), i, &items[i], error);
    }
    *out = items;
    return status;
}

static vmx_status
encode(vmx_machine *machine, const vmx_vector_item *items, size_t count, vmx_step *first)
{
    size_t max_bytes = machine->engine->limits.upsert_bytes, size_bytes;
    vmx_vectors_fit(items, count, machine->name_space, 0, &size_bytes);
    if (size_bytes > max_bytes)
        return vmx_error_set(machine->error, VMX_ERR_TOO_LARGE,
                             "upsert: %zu bytes in one request; at most %zu are allowed (upsert.max.bytes): split the "
                             "batch of %zu vectors",
                             size_bytes, max_bytes, count);
    if (!vmx_vectors_encode(items, count, machine->name_space, size_bytes, machine->lender, &first->request.message))
        return vmx_error_no_memory(machine->error);
    return VMX_OK;
}

static vmx_status
encode_any(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first)
{
    vmx_status status = vmx_check_vectors(vectors, &machine->engine->limits, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    vmx_vector_item *items;
    status = fill_items(&scratch, vectors, &items, machine->error);
    if (status == VMX_OK)
        status = encode(machine, items, vectors->count, first);
    vmx_arena_reset(&scratch);
    return status;
}

vmx_status
vmx_pinecone_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first)
{
    vmx_status status = VMX_OK;
    if (!vmx_plain_encode(vectors, &machine->engine->limits, machine->name_space, machine->lender,
                          &first->request.message))
        status = encode_any(machine, vectors, first);
    if (status != VMX_OK)
        return status;
    machine->on_reply = on_reply;
    first->kind = VMX_STEP_CALL;
    first->request.method = "/VectorService/Upsert";
    first->request.writes = first->request.idempotent = true;
    return VMX_OK;
}
