#include "engine/pinecone/pages.h"

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__ListResponse *response =
        vmx_exchange_unpack(machine, message, &pinecone__list_response__descriptor, next);
    if (response == NULL)
        return;
    vmx_id_list *list = &machine->result->ids;
    vmx_str *ids = vmx_id_list_grow(list, response->n_vectors + 1, machine->arena);
    if (ids == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    for (size_t i = 0; i < response->n_vectors; i++)
        ids[i] = vmx_pinecone_str(response->vectors[i]->id);
    list->count += response->n_vectors;
    vmx_pinecone_note_usage(machine, response->usage);
    vmx_pinecone_note_lsn(machine, reply);
    vmx_pages_next(machine, response->n_vectors, response->pagination, next);
}

static vmx_status
ask(vmx_machine *machine, const vmx_pages *pages, uint32_t limit, vmx_step *step)
{
    Pinecone__ListRequest request = PINECONE__LIST_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    request._limit_case = PINECONE__LIST_REQUEST___LIMIT_LIMIT;
    request.limit = limit;
    if (pages->prefix != NULL) {
        request._prefix_case = PINECONE__LIST_REQUEST___PREFIX_PREFIX;
        request.prefix = (char *)(uintptr_t)pages->prefix;
    }
    if (pages->token != NULL) {
        request._pagination_token_case = PINECONE__LIST_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
        request.pagination_token = (char *)(uintptr_t)pages->token;
    }
    return vmx_exchange_call(machine, "/VectorService/List", &request.base, false, true, step);
}

vmx_status
vmx_pinecone_list(vmx_machine *machine, const vmx_list *list, vmx_step *first)
{
    machine->on_reply = on_reply;
    return vmx_pages_begin(machine, "list", list, ask, first);
}
