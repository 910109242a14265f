/* VectorService/Query */
#include "server/check.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/results.h"
#include "server/sparse.h"

static bool
check_options(const Pinecone__QueryRequest *request, vmxd_status *status)
{
    if (request->top_k < 1 || request->top_k > VMXD_MAX_TOP_K)
        return vmxd_invalid(status, "top_k is %u; it must be from 1 to %d", request->top_k, VMXD_MAX_TOP_K);
    if (request->n_queries > 0)
        return vmxd_invalid(status, "The field \"queries\" is no longer served; send one query per call");
    if (request->_scan_factor_case == PINECONE__QUERY_REQUEST___SCAN_FACTOR_SCAN_FACTOR &&
        !(request->scan_factor >= 0.5f && request->scan_factor <= 4.0f))
        return vmxd_invalid(status, "scan_factor is %g; it must be from 0.5 to 4", (double)request->scan_factor);
    if (request->_max_candidates_case == PINECONE__QUERY_REQUEST___MAX_CANDIDATES_MAX_CANDIDATES &&
        (request->max_candidates < request->top_k || request->max_candidates > VMXD_MAX_CANDIDATES))
        return vmxd_invalid(status, "max_candidates is %u; it must be from top_k (%u) to %d", request->max_candidates,
                            request->top_k, VMXD_MAX_CANDIDATES);
    return true;
}

static bool
check_vector(const vmxd_store *store, const Pinecone__QueryRequest *request, vmxd_status *status)
{
    uint32_t dimension = vmxd_store_dimension(store);
    if (vmxd_store_config(store)->sparse)
        return vmxd_invalid(status, "The query has a dense vector, but the index is sparse");
    if (request->n_vector > VMXD_MAX_DIMENSION)
        return vmxd_invalid(status, "Query vector has dimension %zu; at most %d is allowed", request->n_vector,
                            VMXD_MAX_DIMENSION);
    if (dimension != 0 && request->n_vector != dimension)
        return vmxd_invalid(status, "Query vector dimension %zu does not match the dimension of the index %u",
                            request->n_vector, dimension);
    return vmxd_check_floats(request->vector, request->n_vector, "Query", "vector", status);
}

/* Exactly one of: an id; a vector, a sparse vector, or both. */
static bool
check_subject(const vmxd_store *store, const Pinecone__QueryRequest *request, vmx_arena *arena, vmxd_status *status)
{
    bool by_id = request->id[0] != '\0';
    bool by_value = request->n_vector > 0 || request->sparse_vector;
    if (by_id == by_value)
        return vmxd_invalid(status, "Provide either an id or a vector (dense, sparse or both), %s",
                            by_id ? "not both" : "got neither");
    if (by_id)
        return vmxd_check_id(request->id, status);
    if (request->n_vector > 0 && !check_vector(store, request, status))
        return false;
    return !request->sparse_vector || vmxd_check_sparse(store, request->sparse_vector, "query", arena, status);
}

static bool
fill_filter(vmxd_query *query, vmx_arena *arena, vmxd_status *status)
{
    const Google__Protobuf__Struct *filter = query->request->filter;
    if (!filter || filter->n_fields == 0)
        return true;
    query->filter = vmxd_filter_compile(filter, arena, status);
    if (!query->filter)
        return false;
    size_t size = google__protobuf__struct__get_packed_size(filter);
    uint8_t *key = vmx_arena_alloc(arena, size);
    if (!key)
        return vmxd_no_memory(status);
    google__protobuf__struct__pack(filter, key);
    query->filter_key = (vmx_str){(const char *)key, size};
    return true;
}

/* NULL with the reason in `status`. */
static vmxd_query *
new_query(vmxd_service *service, vmxd_call *call, const Pinecone__QueryRequest *request, vmxd_status *status)
{
    vmx_arena *arena = vmxd_call_arena(call);
    if (!vmxd_check_namespace(request->namespace_, status) || !check_options(request, status) ||
        !check_subject(service->store, request, arena, status))
        return NULL;
    vmxd_query *query = vmx_arena_calloc(arena, 1, sizeof *query);
    const Pinecone__SparseValues *sparse = request->sparse_vector;
    if (!query || (sparse && !vmxd_sparse_sort((vmx_sparse){sparse->indices, sparse->values, sparse->n_indices}, arena,
                                               &query->sparse))) {
        vmxd_no_memory(status);
        return NULL;
    }
    query->call = call;
    query->request = request;
    query->dense = (vmx_floats){request->vector, request->n_vector};
    query->ns = vmxd_store_find(service->store, request->namespace_);
    return fill_filter(query, arena, status) ? query : NULL;
}

static void
reply_empty(vmxd_call *call, const Pinecone__QueryRequest *request)
{
    Pinecone__QueryResponse response = PINECONE__QUERY_RESPONSE__INIT;
    response.namespace_ = request->namespace_;
    response.usage = vmxd_result_usage(1, vmxd_call_arena(call));
    vmxd_call_add_header(call, VMXD_HEADER_INDEXED_LSN, 0);
    vmxd_call_reply(call, &response.base);
}

void
vmxd_handle_query(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__QueryRequest *request = (const Pinecone__QueryRequest *)message;
    vmxd_status status;
    vmxd_query *query = new_query(service, call, request, &status);
    if (!query)
        vmxd_call_fail(call, &status);
    else if (!query->ns)
        reply_empty(call, request);
    else
        vmxd_search_submit(service->search, query);
}
