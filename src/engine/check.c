#include "engine/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

#define MAX_SPARSE 2048

void
vmx_check_name_vector(char name[VMX_CHECK_NAME_SIZE], const char *verb, size_t i, vmx_str id)
{
    snprintf(name, VMX_CHECK_NAME_SIZE, "%s: vector %zu (id \"%.*s\")", verb, i, vmx_error_clip(id),
             id.ptr != NULL ? id.ptr : "");
}

static inline vmx_status
check_id(const char *what, vmx_str id, vmx_error *error)
{
    if (id.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: the id is empty; give 1 to %d bytes", what, VMX_MAX_ID_BYTES);
    if (id.len > VMX_MAX_ID_BYTES)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: the id \"%.*s...\" has %zu bytes; at most %d are allowed",
                             what, vmx_error_clip(id), id.ptr, id.len, VMX_MAX_ID_BYTES);
    if (!vmx_text_valid(id))
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: the id \"%.*s\" is not UTF-8 without NUL", what,
                             vmx_error_clip(id), id.ptr);
    return VMX_OK;
}

static vmx_status
refuse_not_finite(const char *what, const char *part, const float *values, vmx_error *error)
{
    size_t i = 0;
    while (isfinite(values[i]))
        i++;
    return vmx_error_set(error, VMX_ERR_INVALID, "%s: %s[%zu] is %s; every value must be a finite number", what, part,
                         i, isnan(values[i]) ? "NaN" : "infinite");
}

static inline vmx_status
check_finite(const char *what, const char *part, const float *values, size_t len, vmx_error *error)
{
    return vmx_any_not_finite(values, len) ? refuse_not_finite(what, part, values, error) : VMX_OK;
}

static inline vmx_status
check_sparse(const char *what, vmx_sparse sparse, vmx_error *error)
{
    if (sparse.len > MAX_SPARSE)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: %zu sparse values; at most %d are allowed", what, sparse.len,
                             MAX_SPARSE);
    return sparse.len > 0 ? check_finite(what, "sparse values", sparse.values, sparse.len, error) : VMX_OK;
}

static inline vmx_status
check_parts(const char *what, vmx_floats dense, vmx_sparse sparse, vmx_error *error)
{
    if (dense.len == 0 && sparse.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: no values; give dense values, sparse values or both", what);
    if (dense.len > VMX_MAX_DIMENSION)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: %zu dimensions; at most %d are allowed", what, dense.len,
                             VMX_MAX_DIMENSION);
    vmx_status status = check_finite(what, "values", dense.ptr, dense.len, error);
    return status == VMX_OK ? check_sparse(what, sparse, error) : status;
}

vmx_status
vmx_check_id(const char *what, vmx_str id, vmx_error *error)
{
    return check_id(what, id, error);
}

vmx_status
vmx_check_finite(const char *what, const char *part, const float *values, size_t len, vmx_error *error)
{
    return check_finite(what, part, values, len, error);
}

vmx_status
vmx_check_sparse(const char *what, vmx_sparse sparse, vmx_error *error)
{
    return check_sparse(what, sparse, error);
}

vmx_status
vmx_check_parts(const char *what, vmx_floats dense, vmx_sparse sparse, vmx_error *error)
{
    return check_parts(what, dense, sparse, error);
}

/* One function with all the checks in it: a record of a large batch takes a few dozen instructions besides its values. */
static inline vmx_status
check_vector(const char *name, const vmx_vector *vector, const vmx_limits *limits, vmx_error *error)
{
    vmx_status status = check_id(name, vector->id, error);
    if (status == VMX_OK)
        status = check_parts(name, vector->values, vector->sparse, error);
    if (status == VMX_OK && vector->metadata.len > limits->metadata_bytes)
        status = vmx_error_set(error, VMX_ERR_INVALID,
                               "%s: metadata of %zu bytes; at most %zu are allowed (metadata.max.bytes)", name,
                               vector->metadata.len, limits->metadata_bytes);
    return status;
}

/* The name is only made for a vector that fails: it would cost more than the checks. */
vmx_status
vmx_check_vector(const char *verb, const vmx_vector *vector, size_t i, const vmx_limits *limits, vmx_error *error)
{
    bool sound = vmx_vector_is_plain(vector) ? !vmx_any_not_finite(vector->values.ptr, vector->values.len)
                                             : check_vector("", vector, limits, NULL) == VMX_OK;
    if (sound)
        return VMX_OK;
    char name[VMX_CHECK_NAME_SIZE];
    vmx_check_name_vector(name, verb, i, vector->id);
    return check_vector(name, vector, limits, error);
}

static vmx_status
check_dimension(const vmx_vector *vector, size_t i, size_t dimension, vmx_error *error)
{
    if (vector->values.len == dimension)
        return VMX_OK;
    char name[VMX_CHECK_NAME_SIZE];
    vmx_check_name_vector(name, "upsert", i, vector->id);
    return vmx_error_set(error, VMX_ERR_INVALID, "%s: %zu dimensions, but vector 0 has %zu; a batch has one dimension",
                         name, vector->values.len, dimension);
}

vmx_status
vmx_check_vectors(const vmx_vectors *vectors, const vmx_limits *limits, vmx_error *error)
{
    if (vectors->count == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "upsert: no vectors; give at least one");
    if (vectors->count > limits->upsert_vectors)
        return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                             "upsert: %zu vectors in one request; at most %zu are allowed (upsert.max.vectors): split "
                             "the batch",
                             vectors->count, limits->upsert_vectors);
    size_t dimension = 0;
    for (size_t i = 0; i < vectors->count; i++) {
        vmx_vector room;
        const vmx_vector *vector = vmx_vectors_item(vectors, i, &room);
        if (i == 0)
            dimension = vector->values.len;
        vmx_status status = vmx_check_vector("upsert", vector, i, limits, error);
        if (status == VMX_OK)
            status = check_dimension(vector, i, dimension, error);
        if (status != VMX_OK)
            return status;
    }
    return VMX_OK;
}

vmx_status
vmx_check_ids(const char *what, const vmx_strs *ids, size_t max, vmx_error *error)
{
    if (ids->count > max)
        return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                             "%s: %zu ids in one request; at most %zu are allowed: split them", what, ids->count, max);
    for (size_t i = 0; i < ids->count; i++) {
        char name[VMX_CHECK_NAME_SIZE];
        if (vmx_check_id("", ids->ptr[i], NULL) == VMX_OK)
            continue;
        snprintf(name, sizeof name, "%s: id %zu", what, i);
        return vmx_check_id(name, ids->ptr[i], error);
    }
    return VMX_OK;
}

static bool
is_one_of(vmx_str text, const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text.len == strlen(names[i]) && memcmp(text.ptr, names[i], text.len) == 0)
            return true;
    return false;
}

vmx_status
vmx_check_spec(vmx_index_spec *spec, vmx_error *error)
{
    static const char *const metrics[] = {"cosine", "euclidean", "dotproduct"};
    if (spec->metric.len == 0)
        spec->metric = VMX_STR(metrics[0]);
    if (!is_one_of(spec->metric, metrics, sizeof metrics / sizeof metrics[0]))
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "ensure: the metric \"%.*s\" is none; give cosine, euclidean or dotproduct",
                             vmx_error_clip(spec->metric), spec->metric.ptr);
    if (spec->dimension > VMX_MAX_DIMENSION || (spec->dimension == 0 && !spec->sparse))
        return vmx_error_set(error, VMX_ERR_INVALID, "ensure: dimension %u is outside 1 to %d%s", spec->dimension,
                             VMX_MAX_DIMENSION, spec->dimension == 0 ? " (0: with sparse only)" : "");
    for (size_t i = 0; i < spec->filter_count; i++)
        if (spec->filters[i].name.len == 0 || (unsigned)spec->filters[i].type > VMX_FIELD_BOOLEAN)
            return vmx_error_set(error, VMX_ERR_INVALID,
                                 "ensure: field %zu to filter on has no name, or an unknown type", i);
    return VMX_OK;
}
