/*
 * server/results.h: stored records as reply messages. What is filled in points into the records: reply before the
 * namespace is unlocked. All return false with the reason in `status`.
 */
#ifndef VMXD_RESULTS_H
#define VMXD_RESULTS_H

#include <pinecone/vector_service.pb-c.h>

#include "core/arena.h"
#include "server/records.h"
#include "server/status.h"

bool
vmxd_result_metadata(const vmxd_record *record, vmx_arena *arena, Google__Protobuf__Struct **out, vmxd_status *status);

/* NULL in `out` for a record without sparse values. */
bool
vmxd_result_sparse(const vmxd_record *record, vmx_arena *arena, Pinecone__SparseValues **out, vmxd_status *status);

/* A whole record; `out` is overwritten. */
bool
vmxd_result_vector(const vmxd_records *records, uint32_t slot, vmx_arena *arena, Pinecone__Vector *out,
                   vmxd_status *status);

/* A usage message with read units, in `arena`; NULL when memory is out. */
Pinecone__Usage *
vmxd_result_usage(uint32_t read_units, vmx_arena *arena);

/* The next page's token; NULL when memory is out. */
Pinecone__Pagination *
vmxd_result_pagination(const char *last_name, vmx_arena *arena);

#endif
