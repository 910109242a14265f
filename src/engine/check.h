/*
 * engine/check.h: checks of the caller's input that hold for every engine. Each failure is one clear line.
 *
 * `what` begins the message: "upsert: vector 3 (id \"a\")".
 */
#ifndef VMX_ENGINE_CHECK_H
#define VMX_ENGINE_CHECK_H

#include <vecmux/index.h>

#include "engine/engine.h"

#define VMX_CHECK_NAME_SIZE 128

/* Item `i`, of whatever version of vmx_vector the caller was compiled with. */
void
vmx_vectors_at(const vmx_vectors *vectors, size_t i, vmx_vector *vector);

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
