/* What holds for the requests of every engine, and what an engine cannot do. */
#include "core/error.h"
#include "engine/check.h"

#define MAX_TOP_K      10000
#define MAX_CANDIDATES 100000
#define MAX_IDS        1000
#define MAX_LIMIT      10000

/* --- query --------------------------------------------------------------------------------------------------------- */

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
    if (query->ef != 0 && query->ef < query->top_k)
        return vmx_error_set(error, VMX_ERR_INVALID, "query: ef %u is less than top_k %u (0: the server's default)",
                             query->ef, query->top_k);
    return VMX_OK;
}

vmx_status
vmx_check_query(const vmx_engine *engine, const vmx_query *query, vmx_error *error)
{
    const struct {
        bool wanted;
        vmx_capability capability;
    } parts[] = {
        {query->id.len > 0, VMX_CAN_QUERY_BY_ID},
        {query->sparse.len > 0, VMX_CAN_SPARSE},
        {query->sparse.len > 0 && query->dense.len > 0, VMX_CAN_HYBRID},
        {query->ef != 0, VMX_CAN_SEARCH_EF},
        {query->exact, VMX_CAN_SEARCH_EXACT},
        {query->scan_factor != 0 || query->max_candidates != 0, VMX_CAN_SCAN_FACTOR},
    };
    vmx_status status = check_subject(query, error);
    for (size_t i = 0; status == VMX_OK && i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].wanted)
            status = vmx_engine_check(engine, parts[i].capability, error);
    return status == VMX_OK ? check_numbers(query, error) : status;
}

/* --- fetch --------------------------------------------------------------------------------------------------------- */

vmx_status
vmx_check_fetch(const vmx_engine *engine, const vmx_fetch *fetch, vmx_error *error)
{
    bool by_ids = fetch->ids.count > 0;
    if (by_ids == (fetch->filter.len > 0))
        return vmx_error_set(error, VMX_ERR_INVALID, "fetch: %s; give one of them",
                             by_ids ? "both ids and a filter" : "neither ids nor a filter");
    if (by_ids)
        return vmx_check_ids("fetch", &fetch->ids, MAX_IDS, error);
    if (fetch->limit > MAX_LIMIT)
        return vmx_error_set(error, VMX_ERR_INVALID, "fetch: limit %u is over %d; read it in pages", fetch->limit,
                             MAX_LIMIT);
    return vmx_engine_check(engine, VMX_CAN_FETCH_BY_FILTER, error);
}

/* --- update -------------------------------------------------------------------------------------------------------- */

static vmx_status
check_change(const vmx_update *update, const vmx_limits *limits, vmx_error *error)
{
    bool by_id = update->id.len > 0;
    bool has_values = update->values.len > 0 || update->sparse.len > 0;
    if (by_id == (update->filter.len > 0))
        return vmx_error_set(error, VMX_ERR_INVALID, "update: %s; give one of them",
                             by_id ? "both an id and a filter" : "neither an id nor a filter");
    if (!by_id && has_values)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "update: values cannot be set by filter; set metadata, or update one id");
    if (!has_values && update->set_metadata.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "update: nothing to set; give values, sparse values or metadata");
    if (update->set_metadata.len > limits->metadata_bytes)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "update: metadata of %zu bytes; at most %zu are allowed (metadata.max.bytes)",
                             update->set_metadata.len, limits->metadata_bytes);
    vmx_status status = by_id ? vmx_check_id("update", update->id, error) : VMX_OK;
    return status == VMX_OK && has_values ? vmx_check_parts("update", update->values, update->sparse, error) : status;
}

vmx_status
vmx_check_update(const vmx_engine *engine, const vmx_update *update, vmx_error *error)
{
    vmx_status status = check_change(update, &engine->limits, error);
    if (status == VMX_OK && (update->values.len > 0 || update->sparse.len > 0))
        status = vmx_engine_check(engine, VMX_CAN_UPDATE_VALUES, error);
    if (status == VMX_OK && update->sparse.len > 0)
        status = vmx_engine_check(engine, VMX_CAN_SPARSE, error);
    if (status == VMX_OK && update->filter.len > 0)
        status = vmx_engine_check(engine, VMX_CAN_UPDATE_BY_FILTER, error);
    if (status == VMX_OK && update->dry_run)
        status = vmx_engine_check(engine, VMX_CAN_UPDATE_DRY_RUN, error);
    return status;
}

/* --- delete -------------------------------------------------------------------------------------------------------- */

vmx_status
vmx_check_delete(const vmx_engine *engine, const vmx_delete *del, vmx_error *error)
{
    int ways = (del->ids.count > 0) + (del->filter.len > 0) + del->all;
    if (ways != 1)
        return vmx_error_set(error, VMX_ERR_INVALID, "delete: %d of ids, filter and all are given; give exactly one",
                             ways);
    if (del->filter.len > 0)
        return vmx_engine_check(engine, VMX_CAN_DELETE_BY_FILTER, error);
    return del->all ? vmx_engine_check(engine, VMX_CAN_DELETE_ALL, error)
                    : vmx_check_ids("delete", &del->ids, MAX_IDS, error);
}
