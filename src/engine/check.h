/*
 * engine/check.h: checks of the caller's input that hold for every engine. Each failure is one clear line.
 *
 * `what` begins the message: "upsert: vector 3 (id \"a\")".
 */
#ifndef VMX_ENGINE_CHECK_H
#define VMX_ENGINE_CHECK_H

#include <stdalign.h>
#include <stdint.h>
#include <vecmux/index.h>

#include "core/sized.h"
#include "engine/engine.h"
#include "engine/finite.h"
#include "wire/text_check.h"

#define VMX_CHECK_NAME_SIZE 128

#define VMX_MAX_ID_BYTES  512
#define VMX_MAX_DIMENSION 20000

/* Item `i`: the caller's own or, where the caller was compiled with another version of vmx_vector, a copy in `room`. */
static inline const vmx_vector *
vmx_vectors_item(const vmx_vectors *vectors, size_t i, vmx_vector *room)
{
    size_t stride = vectors->stride != 0 ? vectors->stride : vectors->ptr->size;
    const char *item = (const char *)vectors->ptr + i * stride;
    size_t size_bytes;
    memcpy(&size_bytes, item, sizeof size_bytes);
    if (size_bytes == sizeof *room && (uintptr_t)item % alignof(vmx_vector) == 0)
        return (const void *)item;
    vmx_sized_read(room, sizeof *room, item);
    return room;
}

/* "upsert: vector 3 (id \"a\")" */
void
vmx_check_name_vector(char name[VMX_CHECK_NAME_SIZE], const char *verb, size_t i, vmx_str id);

/* 1 to 512 bytes, UTF-8, no NUL. */
vmx_status
vmx_check_id(const char *what, vmx_str id, vmx_error *error);

/* Neither NaN nor infinity. `part` is "values" or "sparse values". */
vmx_status
vmx_check_finite(const char *what, const char *part, const float *values, size_t len, vmx_error *error);

/* At most 2,048 pairs, finite. */
vmx_status
vmx_check_sparse(const char *what, vmx_sparse sparse, vmx_error *error);

/* True for a record of nothing but an id and dense values, as most are, whose id and number of values are sound. */
static inline bool
vmx_vector_is_plain(const vmx_vector *vector)
{
    return vector->metadata.len == 0 && vector->sparse.len == 0 && vector->id.len - 1 < VMX_MAX_ID_BYTES &&
           vector->values.len - 1 < VMX_MAX_DIMENSION && vmx_text_valid(vector->id);
}

/* One record by itself: id, values, sparse part, the size of metadata. `verb` begins the message: "upsert". */
vmx_status
vmx_check_vector(const char *verb, const vmx_vector *vector, size_t i, const vmx_limits *limits, vmx_error *error);

/* The whole batch: ids, dimensions, values, sparse parts, the size of metadata. */
vmx_status
vmx_check_vectors(const vmx_vectors *vectors, const vmx_limits *limits, vmx_error *error);

/* One record's dense and sparse parts: at least one of them, both sound. */
vmx_status
vmx_check_parts(const char *what, vmx_floats dense, vmx_sparse sparse, vmx_error *error);

/* Dimension, metric, filters; fills in the default metric. */
vmx_status
vmx_check_spec(vmx_index_spec *spec, vmx_error *error);

/* 1 to `max` ids, each sound. */
vmx_status
vmx_check_ids(const char *what, const vmx_strs *ids, size_t max, vmx_error *error);

/* --- whole requests, and what the engine cannot do of them (VMX_ERR_UNSUPPORTED) ------------------------------------ */

vmx_status
vmx_check_query(const vmx_engine *engine, const vmx_query *query, vmx_error *error);

/* At most 1,000 ids, or a filter. */
vmx_status
vmx_check_fetch(const vmx_engine *engine, const vmx_fetch *fetch, vmx_error *error);
vmx_status
vmx_check_update(const vmx_engine *engine, const vmx_update *update, vmx_error *error);
vmx_status
vmx_check_delete(const vmx_engine *engine, const vmx_delete *del, vmx_error *error);

#endif
