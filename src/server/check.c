#include "server/check.h"

#include <math.h>
#include <string.h>

#include "server/limits.h"
#include "server/sparse.h"

static bool
is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

bool
vmxd_check_id(const char *id, vmxd_status *status)
{
    size_t len = strlen(id);
    if (len == 0)
        return vmxd_invalid(status, "Vector ID must not be empty");
    if (len > VMXD_MAX_ID_BYTES)
        return vmxd_invalid(status, "Vector ID '%.*s...' has %zu characters; at most %d are allowed", vmxd_clip(id), id,
                            len, VMXD_MAX_ID_BYTES);
    if (!is_ascii(id))
        return vmxd_invalid(status, "Vector ID must be ASCII, but got one of %zu bytes with other characters", len);
    return true;
}

bool
vmxd_check_namespace(const char *name, vmxd_status *status)
{
    size_t len = strlen(name);
    if (len > VMXD_MAX_NAMESPACE_BYTES)
        return vmxd_invalid(status, "Namespace '%.*s...' has %zu characters; at most %d are allowed", vmxd_clip(name),
                            name, len, VMXD_MAX_NAMESPACE_BYTES);
    if (!is_ascii(name))
        return vmxd_invalid(status, "Namespace must be ASCII, but got one of %zu bytes with other characters", len);
    return true;
}

bool
vmxd_check_ids(char *const *ids, size_t count, size_t max, vmxd_status *status)
{
    if (count == 0)
        return vmxd_invalid(status, "No ids given; at least one is needed");
    if (count > max)
        return vmxd_invalid(status, "Request has %zu ids; at most %zu are allowed", count, max);
    for (size_t i = 0; i < count; i++)
        if (!vmxd_check_id(ids[i], status))
            return false;
    return true;
}

bool
vmxd_check_floats(const float *values, size_t count, const char *what, const char *id, vmxd_status *status)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return vmxd_invalid(status, "%s '%.*s': value %zu is %f; only finite numbers are allowed", what,
                                vmxd_clip(id), id, i, (double)values[i]);
    return true;
}

static bool
is_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0)
            return false;
    return true;
}

bool
vmxd_check_dense(const vmxd_store *store, const float *values, size_t count, const char *id, vmxd_status *status)
{
    uint32_t dimension = vmxd_store_dimension(store);
    if (vmxd_store_config(store)->sparse)
        return vmxd_invalid(status, "Vector '%.*s' has %zu dense values, but the index is sparse", vmxd_clip(id), id,
                            count);
    if (count == 0)
        return vmxd_invalid(status, "Vector '%.*s' has no dense values, but the index is dense", vmxd_clip(id), id);
    if (count > VMXD_MAX_DIMENSION)
        return vmxd_invalid(status, "Vector '%.*s' has dimension %zu; at most %d is allowed", vmxd_clip(id), id, count,
                            VMXD_MAX_DIMENSION);
    if (dimension != 0 && count != dimension)
        return vmxd_invalid(status, "Vector dimension %zu does not match the dimension of the index %u (vector '%.*s')",
                            count, dimension, vmxd_clip(id), id);
    if (!vmxd_check_floats(values, count, "Vector", id, status))
        return false;
    if (is_zero(values, count))
        return vmxd_invalid(status, "Dense vectors must contain at least one non-zero value. Vector '%.*s' has none",
                            vmxd_clip(id), id);
    return true;
}

static bool
check_distinct(vmx_sparse pairs, const char *id, vmx_arena *scratch, vmxd_status *status)
{
    vmx_sparse sorted;
    if (!vmxd_sparse_sort(pairs, scratch, &sorted))
        return vmxd_no_memory(status);
    for (size_t i = 0; i + 1 < sorted.len; i++)
        if (sorted.indices[i] == sorted.indices[i + 1])
            return vmxd_invalid(status, "Sparse vector '%.*s' has index %u twice", vmxd_clip(id), id,
                                sorted.indices[i]);
    return true;
}

bool
vmxd_check_sparse(const vmxd_store *store, const Pinecone__SparseValues *sparse, const char *id, vmx_arena *scratch,
                  vmxd_status *status)
{
    vmx_sparse pairs = {sparse->indices, sparse->values, sparse->n_indices};
    vmxd_metric metric = vmxd_store_config(store)->metric;
    if (metric != VMXD_DOTPRODUCT)
        return vmxd_invalid(
            status,
            "Index configuration does not support sparse values: its metric is %s, they need dotproduct "
            "(vector '%.*s')",
            vmxd_metric_name(metric), vmxd_clip(id), id);
    if (sparse->n_indices != sparse->n_values)
        return vmxd_invalid(status, "Sparse vector '%.*s' has %zu indices but %zu values", vmxd_clip(id), id,
                            sparse->n_indices, sparse->n_values);
    if (pairs.len == 0)
        return vmxd_invalid(status, "Sparse vector '%.*s' is empty; at least one value is needed", vmxd_clip(id), id);
    if (pairs.len > VMXD_MAX_SPARSE_VALUES)
        return vmxd_invalid(status, "Sparse vector '%.*s' has %zu values; at most %d are allowed", vmxd_clip(id), id,
                            pairs.len, VMXD_MAX_SPARSE_VALUES);
    return vmxd_check_floats(pairs.values, pairs.len, "Sparse vector", id, status) &&
           check_distinct(pairs, id, scratch, status);
}

bool
vmxd_check_filter_given(const Google__Protobuf__Struct *filter, vmxd_status *status)
{
    if (!filter || filter->n_fields == 0)
        return vmxd_invalid(status, "Filter must not be empty; to select everything, say so by other means");
    return true;
}

bool
vmxd_check_limit(uint32_t limit, uint32_t max, vmxd_status *status)
{
    if (limit < 1 || limit > max)
        return vmxd_invalid(status, "limit is %u; it must be from 1 to %u", limit, max);
    return true;
}
