/* describe, stats, drop and list_indexes */
#include "core/error.h"
#include "engine/qdrant/qdrant.h"

/* --- describe ------------------------------------------------------------------------------------------------------ */

static void
on_info(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_qdrant_take_info(machine, message, next);
}

vmx_status
vmx_qdrant_describe(vmx_machine *machine, vmx_step *first)
{
    machine->on_reply = on_info;
    return vmx_qdrant_ask_info(machine, first);
}

/* --- drop ---------------------------------------------------------------------------------------------------------- */

static void
on_dropped(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    if (vmx_exchange_unpack(machine, message, &qdrant__collection_operation_response__descriptor, next) != NULL)
        vmx_exchange_done(machine, next);
}

/* What is not there is as good as dropped. */
static bool
on_not_dropped(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code != VMX_ERR_NOT_FOUND)
        return false;
    vmx_error_clear(machine->error);
    next->kind = VMX_STEP_DONE;
    return true;
}

vmx_status
vmx_qdrant_drop(vmx_machine *machine, vmx_step *first)
{
    Qdrant__DeleteCollection request = QDRANT__DELETE_COLLECTION__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    machine->on_reply = on_dropped;
    machine->on_failure = on_not_dropped;
    return vmx_exchange_call(machine, "/qdrant.Collections/Delete", &request.base, true, true, first);
}

/* --- list_indexes -------------------------------------------------------------------------------------------------- */

static void
on_listed(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Qdrant__ListCollectionsResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__list_collections_response__descriptor, next);
    if (response == NULL)
        return;
    vmx_str *names = vmx_id_list_grow(&machine->result->ids, response->n_collections + 1, machine->arena);
    if (names == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    for (size_t i = 0; i < response->n_collections; i++)
        names[i] = vmx_str_from(response->collections[i]->name);
    machine->result->ids.count = response->n_collections;
    vmx_exchange_done(machine, next);
}

vmx_status
vmx_qdrant_list_indexes(vmx_machine *machine, vmx_step *first)
{
    Qdrant__ListCollectionsRequest request = QDRANT__LIST_COLLECTIONS_REQUEST__INIT;
    machine->on_reply = on_listed;
    return vmx_exchange_call(machine, "/qdrant.Collections/List", &request.base, false, true, first);
}
