/* VectorService/Fetch and FetchByMetadata */
#include "server/check.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/page.h"
#include "server/results.h"

#define RECORDS_PER_READ_UNIT 10

/* Maps of protobuf-c are arrays of entries; the two replies have the same kind of entries under two names. */
typedef Pinecone__FetchResponse__VectorsEntry fetch_entry;
typedef Pinecone__FetchByMetadataResponse__VectorsEntry page_entry;

static uint32_t
read_units(size_t records)
{
    return (uint32_t)(records <= RECORDS_PER_READ_UNIT ? 1
                                                       : (records + RECORDS_PER_READ_UNIT - 1) / RECORDS_PER_READ_UNIT);
}

static bool
fill_fetch(const vmxd_records *records, const Pinecone__FetchRequest *request, vmx_arena *arena,
           Pinecone__FetchResponse *response, vmxd_status *status)
{
    fetch_entry *entries = vmx_arena_calloc(arena, request->n_ids, sizeof *entries);
    Pinecone__Vector *vectors = vmx_arena_calloc(arena, request->n_ids, sizeof *vectors);
    response->vectors = vmx_arena_calloc(arena, request->n_ids, sizeof(fetch_entry *));
    if (!entries || !vectors || !response->vectors)
        return vmxd_no_memory(status);
    for (size_t i = 0; i < request->n_ids; i++) {
        uint32_t slot = vmxd_records_find(records, request->ids[i]);
        if (slot == VMXD_NO_SLOT)
            continue;
        size_t at = response->n_vectors++;
        pinecone__fetch_response__vectors_entry__init(&entries[at]);
        entries[at].key = request->ids[i];
        entries[at].value = &vectors[at];
        response->vectors[at] = &entries[at];
        if (!vmxd_result_vector(records, slot, arena, &vectors[at], status))
            return false;
    }
    return true;
}

static bool
answer_fetch(vmxd_namespace *ns, vmxd_call *call, const Pinecone__FetchRequest *request, vmxd_status *status)
{
    vmx_arena *arena = vmxd_call_arena(call);
    Pinecone__FetchResponse response = PINECONE__FETCH_RESPONSE__INIT;
    response.namespace_ = request->namespace_;
    if (ns && !fill_fetch(&ns->records, request, arena, &response, status))
        return false;
    response.usage = vmxd_result_usage(read_units(response.n_vectors), arena);
    if (!response.usage)
        return vmxd_no_memory(status);
    vmxd_call_add_header(call, VMXD_HEADER_INDEXED_LSN, ns ? ns->indexed_lsn : 0);
    vmxd_call_reply(call, &response.base);
    return true;
}

void
vmxd_handle_fetch(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__FetchRequest *request = (const Pinecone__FetchRequest *)message;
    vmxd_status status;
    if (!vmxd_check_namespace(request->namespace_, &status) ||
        !vmxd_check_ids(request->ids, request->n_ids, VMXD_MAX_FETCH_IDS, &status)) {
        vmxd_call_fail(call, &status);
        return;
    }
    vmxd_namespace *ns = vmxd_store_find(service->store, request->namespace_);
    if (ns)
        vmxd_namespace_read_lock(ns);
    if (!answer_fetch(ns, call, request, &status))
        vmxd_call_fail(call, &status);
    if (ns)
        vmxd_namespace_unlock(ns);
}

static bool
read_page_request(const Pinecone__FetchByMetadataRequest *request, vmx_arena *arena, vmxd_page_request *page,
                  vmxd_status *status)
{
    bool has_limit = request->_limit_case == PINECONE__FETCH_BY_METADATA_REQUEST___LIMIT_LIMIT;
    bool has_token =
        request->_pagination_token_case == PINECONE__FETCH_BY_METADATA_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
    if (!vmxd_check_namespace(request->namespace_, status) || !vmxd_check_filter_given(request->filter, status) ||
        (has_limit && !vmxd_check_limit(request->limit, VMXD_MAX_FETCH_BY_FILTER, status)))
        return false;
    *page = (vmxd_page_request){.after = "", .prefix = "", .limit = has_limit ? request->limit : VMXD_DEFAULT_PAGE};
    if (has_token && !(page->after = vmxd_page_token_name(request->pagination_token, arena, status)))
        return false;
    page->filter = vmxd_filter_compile(request->filter, arena, status);
    return page->filter != NULL;
}

/* A page ends early where the reply would become larger than a reply may be. */
static bool
fill_page(const vmxd_records *records, const vmxd_page *page, vmx_arena *arena,
          Pinecone__FetchByMetadataResponse *response, vmxd_status *status)
{
    page_entry *entries = vmx_arena_calloc(arena, page->count, sizeof *entries);
    Pinecone__Vector *vectors = vmx_arena_calloc(arena, page->count, sizeof *vectors);
    response->vectors = vmx_arena_calloc(arena, page->count, sizeof(page_entry *));
    if (!entries || !vectors || !response->vectors)
        return vmxd_no_memory(status);
    size_t size = 0;
    for (size_t i = 0; i < page->count; i++) {
        if (!vmxd_result_vector(records, page->slots[i], arena, &vectors[i], status))
            return false;
        pinecone__fetch_by_metadata_response__vectors_entry__init(&entries[i]);
        entries[i].key = vectors[i].id;
        entries[i].value = &vectors[i];
        size += protobuf_c_message_get_packed_size(&entries[i].base) + 8;
        if (i > 0 && size > VMXD_MAX_REPLY_BYTES)
            break;
        response->vectors[response->n_vectors++] = &entries[i];
    }
    return true;
}

static bool
answer_page(vmxd_namespace *ns, vmxd_call *call, const vmxd_page_request *wanted, const char *name, vmxd_status *status)
{
    vmx_arena *arena = vmxd_call_arena(call);
    Pinecone__FetchByMetadataResponse response = PINECONE__FETCH_BY_METADATA_RESPONSE__INIT;
    vmxd_page page = {0};
    response.namespace_ = (char *)name;
    if (ns && !vmxd_page_find(&ns->records, wanted, arena, &page))
        return vmxd_no_memory(status);
    if (ns && !fill_page(&ns->records, &page, arena, &response, status))
        return false;
    if (page.more || response.n_vectors < page.count) {
        response.pagination = vmxd_result_pagination(response.vectors[response.n_vectors - 1]->key, arena);
        if (!response.pagination)
            return vmxd_no_memory(status);
    }
    response.usage = vmxd_result_usage(read_units(response.n_vectors), arena);
    if (!response.usage)
        return vmxd_no_memory(status);
    vmxd_call_add_header(call, VMXD_HEADER_INDEXED_LSN, ns ? ns->indexed_lsn : 0);
    vmxd_call_reply(call, &response.base);
    return true;
}

void
vmxd_handle_fetch_by_metadata(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__FetchByMetadataRequest *request = (const Pinecone__FetchByMetadataRequest *)message;
    vmxd_status status;
    vmxd_page_request page;
    if (!read_page_request(request, vmxd_call_arena(call), &page, &status)) {
        vmxd_call_fail(call, &status);
        return;
    }
    vmxd_namespace *ns = vmxd_store_find(service->store, request->namespace_);
    if (ns)
        vmxd_namespace_read_lock(ns);
    if (!answer_page(ns, call, &page, request->namespace_, &status))
        vmxd_call_fail(call, &status);
    if (ns)
        vmxd_namespace_unlock(ns);
}
