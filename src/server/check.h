/*
 * server/check.h: checks that several requests share. All return false with the reason in `status`.
 */
#ifndef VMXD_CHECK_H
#define VMXD_CHECK_H

#include <pinecone/vector_service.pb-c.h>

#include "server/store.h"

/* 1 to 512 bytes of ASCII. */
bool
vmxd_check_id(const char *id, vmxd_status *status);

/* Up to 512 bytes of ASCII; "" is the default namespace. */
bool
vmxd_check_namespace(const char *name, vmxd_status *status);

/* At least one and at most `max` valid ids. */
bool
vmxd_check_ids(char *const *ids, size_t count, size_t max, vmxd_status *status);

/* Finite numbers. `what` names the vector in the text: "vector 'a'". */
bool
vmxd_check_floats(const float *values, size_t count, const char *what, const char *id, vmxd_status *status);

/* Dense values that may be stored: as many as the index's dimension, finite, not all zero. */
bool
vmxd_check_dense(const vmxd_store *store, const float *values, size_t count, const char *id, vmxd_status *status);

/* Sparse values, in an index that takes them: equal lengths, 1 to 2048 pairs, no index twice, finite. */
bool
vmxd_check_sparse(const vmxd_store *store, const Pinecone__SparseValues *sparse, const char *id, vmx_arena *scratch,
                  vmxd_status *status);

/* A filter that must select something: not absent, not empty. */
bool
vmxd_check_filter_given(const Google__Protobuf__Struct *filter, vmxd_status *status);

/* 1 to `max`. */
bool
vmxd_check_limit(uint32_t limit, uint32_t max, vmxd_status *status);

#endif
