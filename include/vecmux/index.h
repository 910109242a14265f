/*
 * vecmux/index.h: the operations on an index.
 *
 * Every operation has the form
 *     vmx_status vmx_index_<verb>(vmx_index *, [what], const vmx_call_options *, vmx_op **, vmx_error *);
 * checks its input before anything is sent, copies what it needs before it returns, and gives an op (vecmux/op.h).
 * `options` may be NULL. Errors of starting, for all of them: VMX_ERR_INVALID (names the thing, the value and the
 * remedy), VMX_ERR_TOO_LARGE, VMX_ERR_UNSUPPORTED, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY. Results are read
 * with the accessors of vecmux/result.h.
 *
 * Metadata and filters are JSON texts (UTF-8, at most 32 levels deep). The filter language has the operators
 * $eq $ne $gt $gte $lt $lte $in $nin $exists $and $or $not; {"f": v} means {"f": {"$eq": v}}.
 */
#ifndef VECMUX_INDEX_H
#define VECMUX_INDEX_H

#include <vecmux/client.h>
#include <vecmux/op.h>
#include <vecmux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vmx_index vmx_index;

/*
 * A cheap handle on one collection and one namespace of it ("" is the default namespace). Nothing is sent. With the
 * pinecone engine the endpoint is the collection: `collection` is empty or the first label of the endpoint's host name,
 * with or without its "-<project>" suffix. Errors: VMX_ERR_INVALID, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY.
 */
VMX_API vmx_status
vmx_index_open(vmx_client *client, vmx_str collection, vmx_str name_space, vmx_index **index, vmx_error *error);

/* Gives the handle back (NULL is allowed); operations started with it go on. */
VMX_API void
vmx_index_free(vmx_index *index);

/* One record. */
typedef struct vmx_vector {
    size_t size;
    vmx_str id;        /* 1 to 512 bytes, no NUL */
    vmx_floats values; /* dense part; empty for a sparse-only record */
    vmx_sparse sparse; /* sparse part; len 0 for none; at most 2048 pairs */
    vmx_str metadata;  /* a JSON object, or empty for none; at most 40 KB (40,960 bytes) */
} vmx_vector;

VMX_API void
vmx_vector_init(vmx_vector *vector, size_t size);

/* Records in the caller's memory, borrowed during the call: item i lies `stride` bytes behind item i-1. */
typedef struct vmx_vectors {
    const vmx_vector *ptr;
    size_t count;
    size_t stride; /* bytes; 0 means ptr->size */
} vmx_vectors;

/*
 * Inserts or replaces records. All in one request: at most upsert.max.vectors records and upsert.max.bytes encoded
 * bytes; every dense part has the same dimension; no NaN, no infinity. Idempotent. Result: vmx_op_count.
 */
VMX_API vmx_status
vmx_index_upsert(vmx_index *index, const vmx_vectors *vectors, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error);

/* A search: by dense values, sparse values, both, or by the id of a stored record. */
typedef struct vmx_query {
    size_t size;
    vmx_floats dense;
    vmx_sparse sparse;
    vmx_str id;
    uint32_t top_k; /* 1 to 10,000 */
    vmx_str filter; /* a JSON object, or empty for none */
    bool include_values;
    bool include_metadata;
    float scan_factor;       /* 0.5 to 4; 0: the server's default. Dedicated read nodes only */
    uint32_t max_candidates; /* top_k to 100,000; 0: the server's default. Dedicated read nodes only */
} vmx_query;

VMX_API void
vmx_query_init(vmx_query *query, size_t size);

/* Result: vmx_op_match_*, most similar first. */
VMX_API vmx_status
vmx_index_query(vmx_index *index, const vmx_query *query, const vmx_call_options *options, vmx_op **op,
                vmx_error *error);

/* Which records to fetch: by ids (at most 1,000), or by filter. */
typedef struct vmx_fetch {
    size_t size;
    vmx_strs ids;
    vmx_str filter; /* a JSON object; not together with ids */
    uint32_t limit; /* with a filter: 1 to 10,000; 0: the server's default (100) */
    vmx_str token;  /* with a filter: go on from vmx_op_next_token */
} vmx_fetch;

VMX_API void
vmx_fetch_init(vmx_fetch *fetch, size_t size);

/* Result: vmx_op_match_* (score 0), in the server's order; ids that do not exist are left out. vmx_op_next_token. */
VMX_API vmx_status
vmx_index_fetch(vmx_index *index, const vmx_fetch *fetch, const vmx_call_options *options, vmx_op **op,
                vmx_error *error);

/* Which ids, or namespaces, to list. */
typedef struct vmx_list {
    size_t size;
    vmx_str prefix;     /* only those that begin with it */
    uint64_t limit;     /* how many in all, over as many requests as that takes; 0: all */
    uint32_t page_size; /* how many in one request, 1 to 100; 0: 100 */
    vmx_str token;      /* go on from vmx_op_next_token */
} vmx_list;

VMX_API void
vmx_list_init(vmx_list *list, size_t size);

/* Lists ids in bytewise order. `list` may be NULL: all. Result: vmx_op_id_count, vmx_op_id, vmx_op_next_token. */
VMX_API vmx_status
vmx_index_list(vmx_index *index, const vmx_list *list, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Changes stored records: one by id, or the metadata of all that a filter selects. */
typedef struct vmx_update {
    size_t size;
    vmx_str id;
    vmx_floats values;    /* with an id only */
    vmx_sparse sparse;    /* with an id only */
    vmx_str set_metadata; /* a JSON object, merged into what is stored */
    vmx_str filter;       /* a JSON object; not together with an id */
    bool dry_run;         /* only count what would match */
} vmx_update;

VMX_API void
vmx_update_init(vmx_update *update, size_t size);

/* Not idempotent by default. Result: vmx_op_matched. */
VMX_API vmx_status
vmx_index_update(vmx_index *index, const vmx_update *update, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error);

/* What to delete: exactly one of the three. */
typedef struct vmx_delete {
    size_t size;
    vmx_strs ids;   /* at most 1,000 */
    vmx_str filter; /* a JSON object, not empty */
    bool all;       /* every record of the namespace */
} vmx_delete;

VMX_API void
vmx_delete_init(vmx_delete *del, size_t size);

/* Deleting ids that do not exist succeeds. Idempotent by ids. */
VMX_API vmx_status
vmx_index_delete(vmx_index *index, const vmx_delete *del, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error);

/* Counts, dimension and metric of the whole index. Result: vmx_op_stats, vmx_op_namespace_*. */
VMX_API vmx_status
vmx_index_stats(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/*
 * Waits until what was written before is visible to queries. `lsn` is the log sequence number of the write
 * (vmx_op_lsn of the upsert, update or delete). Reads are repeated until the index has reached it or the call's
 * timeout has passed. A server that reports no sequence number fails the op with VMX_ERR_UNSUPPORTED.
 */
VMX_API vmx_status
vmx_index_wait_visible(vmx_index *index, uint64_t lsn, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Creates the handle's namespace. `filterable` names the metadata fields to index for filters; NULL or empty: as the
 * index does. Result: vmx_op_namespace_* (one). */
VMX_API vmx_status
vmx_index_create_namespace(vmx_index *index, const vmx_strs *filterable, const vmx_call_options *options, vmx_op **op,
                           vmx_error *error);

/* Describes the handle's namespace. Result: vmx_op_namespace_* (one). */
VMX_API vmx_status
vmx_index_describe_namespace(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Deletes the handle's namespace and every record in it. */
VMX_API vmx_status
vmx_index_delete_namespace(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Lists the namespaces of the index. `list` may be NULL: all. Result: vmx_op_namespace_*, vmx_op_next_token. */
VMX_API vmx_status
vmx_index_list_namespaces(vmx_index *index, const vmx_list *list, const vmx_call_options *options, vmx_op **op,
                          vmx_error *error);

#ifdef __cplusplus
}
#endif

#endif /* VECMUX_INDEX_H */
