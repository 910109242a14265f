#include "core/error.h"
#include "engine/check.h"
#include "engine/filter.h"
#include "engine/pinecone/pinecone.h"
#include "wire/query_encoder.h"

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    vmx_pinecone_decode(machine, message, VMX_REPLY_QUERY, reply, next);
}

/* Borrows everything but the filter, whose packed bytes are in `scratch`. */
static vmx_status
fill_item(vmx_arena *scratch, const vmx_query *query, vmx_str name_space, vmx_query_item *item, vmx_error *error)
{
    *item = (vmx_query_item){
        .name_space = name_space,
        .id = query->id,
        .dense = query->dense,
        .sparse = query->sparse,
        .top_k = query->top_k,
        .max_candidates = query->max_candidates,
        .scan_factor = query->scan_factor,
        .include_values = query->include_values,
        .include_metadata = query->include_metadata,
    };
    return vmx_filter_pack(scratch, query->filter, "query: filter", &item->filter, error);
}

vmx_status
vmx_pinecone_query(vmx_machine *machine, const vmx_query *query, vmx_step *first)
{
    vmx_status status = vmx_check_query(machine->engine, query, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    vmx_query_item item;
    machine->on_reply = on_reply;
    status = fill_item(&scratch, query, machine->name_space, &item, machine->error);
    if (status == VMX_OK && !vmx_query_encode(&item, &machine->spare, &first->request.message))
        status = vmx_error_no_memory(machine->error);
    first->kind = VMX_STEP_CALL;
    first->request.method = "/VectorService/Query";
    first->request.idempotent = true;
    vmx_arena_reset(&scratch);
    return status;
}
