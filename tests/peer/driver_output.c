#include <stdio.h>

#include "peer/driver.h"

/* null for an absent text; bytes that are not UTF-8 make it {"bytes": count}. */
static json_t *
json_of(vmx_str text)
{
    if (text.ptr == NULL)
        return json_null();
    json_t *value = json_stringn(text.ptr, text.len);
    return value != NULL ? value : json_pack("{s:I}", "bytes", (json_int_t)text.len);
}

json_t *
driver_error(const vmx_error *error)
{
    static const char *const outcomes[] = {"NOT_SENT", "REJECTED", "UNKNOWN", "DONE"};
    return json_pack("{s:s, s:i, s:s, s:b, s:i, s:I, s:s, s:s}", "code", vmx_status_name(error->code), "grpc_code",
                     error->grpc_code, "outcome", outcomes[error->outcome], "retriable", error->retriable, "attempts",
                     (int)error->attempts, "retry_after_ms", (json_int_t)error->retry_after_ms, "peer", error->peer,
                     "message", error->message);
}

static json_t *
floats_of(vmx_floats floats)
{
    json_t *list = json_array();
    for (size_t i = 0; i < floats.len; i++)
        json_array_append_new(list, json_real((double)floats.ptr[i]));
    return list;
}

static json_t *
sparse_of(vmx_sparse sparse)
{
    json_t *indices = json_array();
    for (size_t i = 0; i < sparse.len; i++)
        json_array_append_new(indices, json_integer(sparse.indices[i]));
    return json_pack("{s:o, s:o}", "indices", indices, "values", floats_of((vmx_floats){sparse.values, sparse.len}));
}

static json_t *
matches_of(vmx_op *op)
{
    json_t *list = json_array();
    for (size_t i = 0; i < vmx_op_match_count(op); i++)
        json_array_append_new(list, json_pack("{s:o, s:f, s:o, s:o, s:o}", "id", json_of(vmx_op_match_id(op, i)),
                                              "score", (double)vmx_op_match_score(op, i), "values",
                                              floats_of(vmx_op_match_values(op, i)), "sparse",
                                              sparse_of(vmx_op_match_sparse(op, i)), "metadata",
                                              json_of(vmx_op_match_metadata(op, i))));
    return list;
}

static json_t *
ids_of(const vmx_op *op)
{
    json_t *list = json_array();
    for (size_t i = 0; i < vmx_op_id_count(op); i++)
        json_array_append_new(list, json_of(vmx_op_id(op, i)));
    return list;
}

static json_t *
namespaces_of(const vmx_op *op)
{
    json_t *list = json_array();
    for (size_t i = 0; i < vmx_op_namespace_count(op); i++) {
        json_t *fields = json_array();
        for (size_t k = 0; k < vmx_op_namespace_field_count(op, i); k++)
            json_array_append_new(fields, json_of(vmx_op_namespace_field(op, i, k)));
        json_array_append_new(list,
                              json_pack("{s:o, s:I, s:I, s:o}", "name", json_of(vmx_op_namespace_name(op, i)),
                                        "vector_count", (json_int_t)vmx_op_namespace_vector_count(op, i), "size_bytes",
                                        (json_int_t)vmx_op_namespace_size_bytes(op, i), "fields", fields));
    }
    return list;
}

static json_t *
state_of(const vmx_op *op)
{
    vmx_index_state state;
    vmx_index_state_init(&state, sizeof state);
    if (!vmx_op_stats(op, &state))
        return json_null();
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:f, s:o, s:o}", "vector_count", (json_int_t)state.vector_count, "dimension",
        state.has_dimension ? json_integer(state.dimension) : json_null(), "metric", json_of(state.metric),
        "vector_type", json_of(state.vector_type), "index_fullness", (double)state.index_fullness, "memory_fullness",
        state.has_memory_fullness ? json_real((double)state.memory_fullness) : json_null(), "storage_fullness",
        state.has_storage_fullness ? json_real((double)state.storage_fullness) : json_null());
}

/* How many matches each query of a batch has. */
static json_t *
query_counts_of(const vmx_op *op)
{
    size_t first, count;
    json_t *list = json_array();
    for (size_t i = 0; i < vmx_op_query_count(op) && vmx_op_query_matches(op, i, &first, &count); i++)
        json_array_append_new(list, json_integer((json_int_t)count));
    return list;
}

/* UNKNOWN, NONE, PENDING, RUNNING, READY or FAILED; null without a state. */
static json_t *
build_of(const vmx_op *op)
{
    static const char *const names[] = {"UNKNOWN", "NONE", "PENDING", "RUNNING", "READY", "FAILED"};
    vmx_index_state state;
    vmx_index_state_init(&state, sizeof state);
    if (!vmx_op_stats(op, &state))
        return json_null();
    return json_pack("{s:s, s:o, s:o}", "state", names[state.build], "indexed_count",
                     state.has_indexed_count ? json_integer((json_int_t)state.indexed_count) : json_null(), "error",
                     json_of(state.build_error));
}

static void
add_numbers(json_t *answer, const vmx_op *op)
{
    uint64_t count, lsn;
    int64_t matched, total;
    uint32_t units, bytes;
    json_object_set_new(answer, "count", vmx_op_count(op, &count) ? json_integer((json_int_t)count) : json_null());
    json_object_set_new(answer, "lsn", vmx_op_lsn(op, &lsn) ? json_integer((json_int_t)lsn) : json_null());
    json_object_set_new(answer, "matched", vmx_op_matched(op, &matched) ? json_integer(matched) : json_null());
    json_object_set_new(answer, "total", vmx_op_total_count(op, &total) ? json_integer(total) : json_null());
    json_object_set_new(answer, "read_units", vmx_op_read_units(op, &units) ? json_integer(units) : json_null());
    json_object_set_new(answer, "egress_bytes", vmx_op_egress_bytes(op, &bytes) ? json_integer(bytes) : json_null());
}

void
driver_add_result(json_t *answer, vmx_op *op, const json_t *read)
{
    json_object_set_new(answer, "status", json_string(vmx_status_name(vmx_op_status(op))));
    json_object_set_new(answer, "error", driver_error(vmx_op_error(op)));
    json_object_set_new(answer, "name", json_string(vmx_op_name(op)));
    json_object_set_new(answer, "matches", matches_of(op));
    json_object_set_new(answer, "ids", ids_of(op));
    json_object_set_new(answer, "namespaces", namespaces_of(op));
    json_object_set_new(answer, "state", state_of(op));
    json_object_set_new(answer, "query_counts", query_counts_of(op));
    json_object_set_new(answer, "build", build_of(op));
    json_object_set_new(answer, "next_token", json_of(vmx_op_next_token(op)));
    add_numbers(answer, op);
    json_t *headers = json_object();
    for (size_t i = 0; i < json_array_size(read); i++) {
        const char *key = json_string_value(json_array_get(read, i));
        json_object_set_new(headers, key, json_of(vmx_op_metadata(op, vmx_str_from(key))));
    }
    json_object_set_new(answer, "metadata", headers);
}
