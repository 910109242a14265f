#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"

#define MAX_TOP_K      10000
#define MAX_CANDIDATES 100000

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    vmx_pinecone_decode(machine, message, VMX_REPLY_QUERY, reply, next);
}

/* Exactly one way of saying what is looked for. */
static vmx_status
check_subject(const vmx_query *query, vmx_error *error)
{
    bool by_values = query->dense.len > 0 || query->sparse.len > 0;
    if (by_values && query->id.len > 0)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "query: both values and the id \"%.*s\" are given; search by one of them",
                             vmx_error_clip(query->id), query->id.ptr);
    if (by_values)
        return vmx_check_parts("query", query->dense, query->sparse, error);
    if (query->id.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "query: nothing to look for; give dense values, sparse values or the id of a record");
    return vmx_check_id("query", query->id, error);
}

static vmx_status
check_numbers(const vmx_query *query, vmx_error *error)
{
    if (query->top_k < 1 || query->top_k > MAX_TOP_K)
        return vmx_error_set(error, VMX_ERR_INVALID, "query: top_k %u is outside 1 to %d", query->top_k, MAX_TOP_K);
    bool scan = query->scan_factor == 0 || (query->scan_factor >= 0.5f && query->scan_factor <= 4.0f);
    if (!scan)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "query: scan_factor %g is outside 0.5 to 4 (0: the server's default)",
                             (double)query->scan_factor);
    bool candidates = query->max_candidates == 0 ||
                      (query->max_candidates >= query->top_k && query->max_candidates <= MAX_CANDIDATES);
    if (!candidates)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "query: max_candidates %u is outside top_k (%u) to %d (0: the server's default)",
                             query->max_candidates, query->top_k, MAX_CANDIDATES);
    return VMX_OK;
}

static void
fill_options(const vmx_query *query, Pinecone__QueryRequest *request)
{
    request->top_k = query->top_k;
    request->include_values = query->include_values;
    request->include_metadata = query->include_metadata;
    request->n_vector = query->dense.len;
    request->vector = (float *)(uintptr_t)query->dense.ptr;
    if (query->scan_factor != 0) {
        request->_scan_factor_case = PINECONE__QUERY_REQUEST___SCAN_FACTOR_SCAN_FACTOR;
        request->scan_factor = query->scan_factor;
    }
    if (query->max_candidates != 0) {
        request->_max_candidates_case = PINECONE__QUERY_REQUEST___MAX_CANDIDATES_MAX_CANDIDATES;
        request->max_candidates = query->max_candidates;
    }
}

static vmx_status
fill_request(vmx_arena *scratch, const vmx_query *query, Pinecone__QueryRequest *request, vmx_error *error)
{
    fill_options(query, request);
    if (query->id.len > 0 && (request->id = vmx_exchange_text(scratch, query->id)) == NULL)
        return vmx_error_no_memory(error);
    vmx_status status = vmx_pinecone_sparse(scratch, query->sparse, &request->sparse_vector, error);
    return status == VMX_OK ? vmx_pinecone_struct(scratch, query->filter, "query: filter", &request->filter, error)
                            : status;
}

vmx_status
vmx_pinecone_query(vmx_machine *machine, const vmx_query *query, vmx_step *first)
{
    vmx_status status = check_subject(query, machine->error);
    if (status == VMX_OK && query->ef != 0)
        status = vmx_engine_check(machine->engine, VMX_CAN_SEARCH_EF, machine->error);
    if (status == VMX_OK && query->exact)
        status = vmx_engine_check(machine->engine, VMX_CAN_SEARCH_EXACT, machine->error);
    if (status == VMX_OK)
        status = check_numbers(query, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    Pinecone__QueryRequest request = PINECONE__QUERY_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_reply;
    status = fill_request(&scratch, query, &request, machine->error);
    if (status == VMX_OK)
        status = vmx_exchange_call(machine, "/VectorService/Query", &request.base, false, true, first);
    vmx_arena_reset(&scratch);
    return status;
}
