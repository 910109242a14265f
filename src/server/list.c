/* VectorService/List */
#include "server/check.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/page.h"
#include "server/results.h"

static bool
read_page_request(const Pinecone__ListRequest *request, vmx_arena *arena, vmxd_page_request *page, vmxd_status *status)
{
    bool has_limit = request->_limit_case == PINECONE__LIST_REQUEST___LIMIT_LIMIT;
    bool has_prefix = request->_prefix_case == PINECONE__LIST_REQUEST___PREFIX_PREFIX;
    bool has_token = request->_pagination_token_case == PINECONE__LIST_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
    if (!vmxd_check_namespace(request->namespace_, status) ||
        (has_limit && !vmxd_check_limit(request->limit, VMXD_MAX_LIST, status)))
        return false;
    *page = (vmxd_page_request){.after = "",
                                .prefix = has_prefix ? request->prefix : "",
                                .limit = has_limit ? request->limit : VMXD_DEFAULT_PAGE};
    if (has_token)
        page->after = vmxd_page_token_name(request->pagination_token, arena, status);
    return page->after != NULL;
}

static bool
fill_items(const vmxd_records *records, const vmxd_page *page, vmx_arena *arena, Pinecone__ListResponse *response)
{
    Pinecone__ListItem *items = vmx_arena_calloc(arena, page->count, sizeof *items);
    response->vectors = vmx_arena_calloc(arena, page->count, sizeof(Pinecone__ListItem *));
    if (!items || !response->vectors)
        return false;
    for (size_t i = 0; i < page->count; i++) {
        pinecone__list_item__init(&items[i]);
        items[i].id = (char *)records->slots[page->slots[i]]->id;
        response->vectors[i] = &items[i];
    }
    response->n_vectors = page->count;
    if (!page->more)
        return true;
    response->pagination = vmxd_result_pagination(items[page->count - 1].id, arena);
    return response->pagination != NULL;
}

static bool
answer(vmxd_namespace *ns, vmxd_call *call, const vmxd_page_request *wanted, const char *name, vmxd_status *status)
{
    vmx_arena *arena = vmxd_call_arena(call);
    Pinecone__ListResponse response = PINECONE__LIST_RESPONSE__INIT;
    vmxd_page page;
    response.namespace_ = (char *)name;
    response.usage = vmxd_result_usage(1, arena);
    if (!response.usage || (ns && (!vmxd_page_find(&ns->records, wanted, arena, &page) ||
                                   !fill_items(&ns->records, &page, arena, &response))))
        return vmxd_no_memory(status);
    vmxd_call_add_header(call, VMXD_HEADER_INDEXED_LSN, ns ? ns->indexed_lsn : 0);
    vmxd_call_reply(call, &response.base);
    return true;
}

void
vmxd_handle_list(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__ListRequest *request = (const Pinecone__ListRequest *)message;
    vmxd_status status;
    vmxd_page_request page;
    if (!read_page_request(request, vmxd_call_arena(call), &page, &status)) {
        vmxd_call_fail(call, &status);
        return;
    }
    vmxd_namespace *ns = vmxd_store_find(service->store, request->namespace_);
    if (ns)
        vmxd_namespace_read_lock(ns);
    if (!answer(ns, call, &page, request->namespace_, &status))
        vmxd_call_fail(call, &status);
    if (ns)
        vmxd_namespace_unlock(ns);
}
