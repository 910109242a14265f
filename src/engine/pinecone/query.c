#include "core/error.h"
#include "engine/check.h"
#include "engine/pinecone/pinecone.h"
#include "wire/query_encoder.h"
#include "wire/struct_bytes.h"

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
    return query->filter.len == 0
               ? VMX_OK
               : vmx_struct_bytes_from_json(scratch, query->filter, "query: filter", &item->filter, error);
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
