/* update and delete */
#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"

/* --- update -------------------------------------------------------------------------------------------------------- */

static void
on_updated(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__UpdateResponse *response =
        vmx_exchange_unpack(machine, message, &pinecone__update_response__descriptor, next);
    if (response == NULL)
        return;
    if (response->_matched_records_case == PINECONE__UPDATE_RESPONSE___MATCHED_RECORDS_MATCHED_RECORDS) {
        machine->result->has_matched = true;
        machine->result->matched = response->matched_records;
    }
    vmx_pinecone_note_lsn(machine, reply);
    vmx_exchange_done(machine, next);
}

static vmx_status
fill_update(vmx_arena *scratch, const vmx_update *update, Pinecone__UpdateRequest *request, vmx_error *error)
{
    if (update->id.len > 0 && (request->id = vmx_exchange_text(scratch, update->id)) == NULL)
        return vmx_error_no_memory(error);
    request->n_values = update->values.len;
    request->values = (float *)(uintptr_t)update->values.ptr;
    if (update->dry_run) {
        request->_dry_run_case = PINECONE__UPDATE_REQUEST___DRY_RUN_DRY_RUN;
        request->dry_run = true;
    }
    vmx_status status = vmx_pinecone_sparse(scratch, update->sparse, &request->sparse_values, error);
    if (status == VMX_OK)
        status = vmx_pinecone_struct(scratch, update->set_metadata, "update: metadata", &request->set_metadata, error);
    return status == VMX_OK ? vmx_pinecone_filter(scratch, update->filter, "update: filter", &request->filter, error)
                            : status;
}

vmx_status
vmx_pinecone_update(vmx_machine *machine, const vmx_update *update, vmx_step *first)
{
    vmx_status status = vmx_check_update(machine->engine, update, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    Pinecone__UpdateRequest request = PINECONE__UPDATE_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_updated;
    status = fill_update(&scratch, update, &request, machine->error);
    if (status == VMX_OK)
        status = vmx_exchange_call(machine, "/VectorService/Update", &request.base, !update->dry_run, update->dry_run,
                                   first);
    vmx_arena_reset(&scratch);
    return status;
}

/* --- delete -------------------------------------------------------------------------------------------------------- */

static void
on_deleted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    if (vmx_exchange_unpack(machine, message, &pinecone__delete_response__descriptor, next) == NULL)
        return;
    vmx_pinecone_note_lsn(machine, reply);
    vmx_exchange_done(machine, next);
}

static vmx_status
fill_delete(vmx_arena *scratch, const vmx_delete *del, Pinecone__DeleteRequest *request, vmx_error *error)
{
    request->delete_all = del->all;
    request->n_ids = del->ids.count;
    request->ids = vmx_pinecone_texts(scratch, &del->ids);
    if (request->ids == NULL)
        return vmx_error_no_memory(error);
    return vmx_pinecone_filter(scratch, del->filter, "delete: filter", &request->filter, error);
}

vmx_status
vmx_pinecone_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first)
{
    vmx_status status = vmx_check_delete(machine->engine, del, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    Pinecone__DeleteRequest request = PINECONE__DELETE_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_deleted;
    status = fill_delete(&scratch, del, &request, machine->error);
    if (status == VMX_OK)
        status = vmx_exchange_call(machine, "/VectorService/Delete", &request.base, true, del->ids.count > 0, first);
    vmx_arena_reset(&scratch);
    return status;
}

vmx_status
vmx_pinecone_delete_namespace(vmx_machine *machine, vmx_step *first)
{
    Pinecone__DeleteNamespaceRequest request = PINECONE__DELETE_NAMESPACE_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_deleted;
    return vmx_exchange_call(machine, "/VectorService/DeleteNamespace", &request.base, true, false, first);
}
