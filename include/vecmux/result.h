/*
 * vecmux/result.h: reading the result of a finished operation.
 *
 * What the accessors return lives as long as the op. An operation that runs, failed, or is of another kind has zero
 * matches, ids and namespaces, and the bool accessors return false. Several threads may read one op, but the JSON of
 * metadata is written when it is first asked for: vmx_op_match_metadata is for one thread at a time.
 */
#ifndef VECMUX_RESULT_H
#define VECMUX_RESULT_H

#include <vecmux/op.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* query, batch query, fetch */
VMX_API size_t
vmx_op_match_count(const vmx_op *op);
VMX_API vmx_str
vmx_op_match_id(const vmx_op *op, size_t i);
/* cosine and dotproduct: higher is closer; euclidean: the squared distance, lower is closer; 0 after a fetch */
VMX_API float
vmx_op_match_score(const vmx_op *op, size_t i);
/* empty unless asked for */
VMX_API vmx_floats
vmx_op_match_values(const vmx_op *op, size_t i);
VMX_API vmx_sparse
vmx_op_match_sparse(const vmx_op *op, size_t i);
/* A JSON object; ptr is NULL where there is none, where it was not asked for, or when memory is out. Not thread safe. */
VMX_API vmx_str
vmx_op_match_metadata(vmx_op *op, size_t i);

/* batch query: the matches of query `i` are `count` from `first` on; false when there is no query `i` */
VMX_API size_t
vmx_op_query_count(const vmx_op *op);
VMX_API bool
vmx_op_query_matches(const vmx_op *op, size_t i, size_t *first, size_t *count);

/* list, list_indexes (names) */
VMX_API size_t
vmx_op_id_count(const vmx_op *op);
VMX_API vmx_str
vmx_op_id(const vmx_op *op, size_t i);

/* list, list_namespaces, fetch by filter: where to go on; ptr is NULL on the last page */
VMX_API vmx_str
vmx_op_next_token(const vmx_op *op);

/* upsert: how many records the server stored; count: how many there are */
VMX_API bool
vmx_op_count(const vmx_op *op, uint64_t *count);

/* update: how many records matched; false where the server did not say */
VMX_API bool
vmx_op_matched(const vmx_op *op, int64_t *count);

/* query, fetch, list: what the server charged; false where it did not say */
VMX_API bool
vmx_op_read_units(const vmx_op *op, uint32_t *units);
VMX_API bool
vmx_op_egress_bytes(const vmx_op *op, uint32_t *bytes);

/* The log sequence number of a write, or the one up to which a read's index has come; false where none was sent. */
VMX_API bool
vmx_op_lsn(const vmx_op *op, uint64_t *lsn);

/* How far the build of an index's search structure is. */
typedef enum vmx_index_build_state {
    VMX_INDEX_BUILD_UNKNOWN = 0, /* the server does not say, or there is nothing to build */
    VMX_INDEX_BUILD_NONE = 1,    /* none has been started */
    VMX_INDEX_BUILD_PENDING = 2,
    VMX_INDEX_BUILD_RUNNING = 3,
    VMX_INDEX_BUILD_READY = 4,
    VMX_INDEX_BUILD_FAILED = 5
} vmx_index_build_state;

/* The state of an index. The has_ fields tell absent from zero. */
typedef struct vmx_index_state {
    size_t size;
    uint64_t vector_count;
    uint32_t dimension;
    bool has_dimension;  /* false in a sparse index */
    vmx_str metric;      /* "cosine", "euclidean", "dotproduct"; ptr is NULL where the server did not say */
    vmx_str vector_type; /* "dense", "sparse"; likewise */
    float index_fullness;
    float memory_fullness;
    bool has_memory_fullness;
    float storage_fullness;
    bool has_storage_fullness;
    vmx_index_build_state build;
    uint64_t indexed_count; /* records that the search structure covers */
    bool has_indexed_count;
    vmx_str build_error; /* of a failed build; ptr is NULL for none */
} vmx_index_state;

VMX_API void
vmx_index_state_init(vmx_index_state *state, size_t size);

/* stats, describe, ensure, build */
VMX_API bool
vmx_op_stats(const vmx_op *op, vmx_index_state *state);

/* stats (name and count), describe_namespace, create_namespace, list_namespaces */
VMX_API size_t
vmx_op_namespace_count(const vmx_op *op);
VMX_API vmx_str
vmx_op_namespace_name(const vmx_op *op, size_t i);
VMX_API uint64_t
vmx_op_namespace_vector_count(const vmx_op *op, size_t i);
/* approximate; 0 where the server did not say */
VMX_API uint64_t
vmx_op_namespace_size_bytes(const vmx_op *op, size_t i);
/* the metadata fields that are indexed for filters */
VMX_API size_t
vmx_op_namespace_field_count(const vmx_op *op, size_t i);
VMX_API vmx_str
vmx_op_namespace_field(const vmx_op *op, size_t i, size_t field);

/* list_namespaces: how many there are in all; false where the server did not say */
VMX_API bool
vmx_op_total_count(const vmx_op *op, int64_t *count);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_RESULT_H */
