#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"

static void
on_fetched(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    vmx_pinecone_decode(machine, message, VMX_REPLY_FETCH, reply, next);
}

static void
on_fetched_by_metadata(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    vmx_pinecone_decode(machine, message, VMX_REPLY_FETCH_BY_METADATA, reply, next);
}

static vmx_status
fetch_by_ids(vmx_machine *machine, const vmx_fetch *fetch, vmx_arena *scratch, vmx_step *first)
{
    Pinecone__FetchRequest request = PINECONE__FETCH_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    request.ids = vmx_pinecone_texts(scratch, &fetch->ids);
    if (request.ids == NULL)
        return vmx_error_no_memory(machine->error);
    request.n_ids = fetch->ids.count;
    machine->on_reply = on_fetched;
    return vmx_exchange_call(machine, "/VectorService/Fetch", &request.base, false, true, first);
}

static vmx_status
fetch_by_filter(vmx_machine *machine, const vmx_fetch *fetch, vmx_arena *scratch, vmx_step *first)
{
    Pinecone__FetchByMetadataRequest request = PINECONE__FETCH_BY_METADATA_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    if (fetch->limit != 0) {
        request._limit_case = PINECONE__FETCH_BY_METADATA_REQUEST___LIMIT_LIMIT;
        request.limit = fetch->limit;
    }
    if (fetch->token.len != 0) {
        request._pagination_token_case = PINECONE__FETCH_BY_METADATA_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
        request.pagination_token = vmx_exchange_text(scratch, fetch->token);
        if (request.pagination_token == NULL)
            return vmx_error_no_memory(machine->error);
    }
    vmx_status status = vmx_pinecone_filter(scratch, fetch->filter, "fetch: filter", &request.filter, machine->error);
    if (status != VMX_OK)
        return status;
    machine->on_reply = on_fetched_by_metadata;
    return vmx_exchange_call(machine, "/VectorService/FetchByMetadata", &request.base, false, true, first);
}

vmx_status
vmx_pinecone_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first)
{
    vmx_status status = vmx_check_fetch(machine->engine, fetch, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    status = fetch->ids.count > 0 ? fetch_by_ids(machine, fetch, &scratch, first)
                                  : fetch_by_filter(machine, fetch, &scratch, first);
    vmx_arena_reset(&scratch);
    return status;
}
