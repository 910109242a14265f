/* drop and list_indexes */
#include "core/error.h"
#include "engine/milvus/milvus.h"

static void
on_dropped(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    vmx_milvus_forget(machine->engine->state, machine->collection);
    vmx_exchange_done(machine, next);
}

static bool
on_missing(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code != VMX_ERR_NOT_FOUND)
        return false;
    vmx_error_clear(machine->error);
    vmx_milvus_forget(machine->engine->state, machine->collection);
    vmx_exchange_done(machine, next);
    return true;
}

vmx_status
vmx_milvus_drop(vmx_machine *machine, vmx_step *first)
{
    Milvus__DropCollectionRequest request = MILVUS__DROP_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_dropped;
    machine->on_failure = on_missing;
    return vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("DropCollection"), &request.base, first);
}

static void
on_collections(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__ShowCollectionsResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__show_collections_response__descriptor, next);
    if (response == NULL)
        return;
    size_t count = response->n_collection_names;
    vmx_str *names = vmx_id_list_grow(&machine->result->ids, count + 1, machine->arena);
    if (names == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    for (size_t i = 0; i < count; i++)
        names[i] = vmx_str_from(response->collection_names[i]);
    machine->result->ids.count += count;
    vmx_exchange_done(machine, next);
}

vmx_status
vmx_milvus_list_indexes(vmx_machine *machine, vmx_step *first)
{
    Milvus__ShowCollectionsRequest request = MILVUS__SHOW_COLLECTIONS_REQUEST__INIT;
    machine->on_reply = on_collections;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("ShowCollections"), &request.base, false, true, first);
}
