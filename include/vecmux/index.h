/*
 * vecmux/index.h: the operations on an index.
 *
 * Every operation has the form
 *     vmx_status vmx_index_<verb>(vmx_index *, [what], const vmx_call_options *, vmx_op **, vmx_error *);
 * checks its input before anything is sent, copies what it needs before it returns, and gives an op (vecmux/op.h).
 * `options` may be NULL. Errors of starting, for all of them: VMX_ERR_INVALID (names the thing, the value and the
 * remedy), VMX_ERR_TOO_LARGE, VMX_ERR_UNSUPPORTED, VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY. Results are read
 * with the accessors of vecmux/result.h. An operation whose reply finds no room in memory.reply.limit.bytes fails with
 * VMX_ERR_TOO_LARGE.
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
 * with or without its "-<project>" suffix; the others need a name. Errors: VMX_ERR_INVALID, VMX_ERR_UNSUPPORTED (the
 * engine has no namespaces), VMX_ERR_CLOSED, VMX_ERR_FORKED, VMX_ERR_NO_MEMORY.
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
 * A request of 4 KiB and more counts against memory.limit.bytes until gRPC core has let go of it, lent values excepted.
 * VMX_ERR_WOULD_BLOCK: there is no room now (starting never waits; wait for an operation to end, or use a writer);
 * VMX_ERR_TOO_LARGE: it can never fit.
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
    uint32_t ef;             /* breadth of a graph's search, at least top_k; 0: the server's default */
    bool exact;              /* compare with every record; false: as the index does */
} vmx_query;

VMX_API void
vmx_query_init(vmx_query *query, size_t size);

/* Result: vmx_op_match_*, most similar first. */
VMX_API vmx_status
vmx_index_query(vmx_index *index, const vmx_query *query, const vmx_call_options *options, vmx_op **op,
                vmx_error *error);

/* Queries in the caller's memory, borrowed during the call: item i lies `stride` bytes behind item i-1. */
typedef struct vmx_queries {
    const vmx_query *ptr;
    size_t count;
    size_t stride; /* bytes; 0 means ptr->size */
} vmx_queries;

/* Several queries, 1 to 1,000, in one request. Result: vmx_op_query_count, vmx_op_query_matches, vmx_op_match_*. */
VMX_API vmx_status
vmx_index_batch_query(vmx_index *index, const vmx_queries *queries, const vmx_call_options *options, vmx_op **op,
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

/* Counts the records that `filter` (a JSON object) selects; all, where it is empty. Result: vmx_op_count. */
VMX_API vmx_status
vmx_index_count(vmx_index *index, vmx_str filter, const vmx_call_options *options, vmx_op **op, vmx_error *error);

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

/*
 * Waits until everything that was written before is visible to queries and in the server's storage, as far as the
 * engine can tell. The call's timeout is the limit of the whole wait.
 */
VMX_API vmx_status
vmx_index_flush(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* --- the index itself ------------------------------------------------------------------------------------------------ */

/* What ids are. */
typedef enum vmx_id_type {
    VMX_ID_TEXT = 0,   /* any text */
    VMX_ID_INTEGER = 1 /* decimal integers, "42": where the engine stores them smaller */
} vmx_id_type;

/* What the values of a metadata field are. */
typedef enum vmx_field_type {
    VMX_FIELD_TEXT = 0,
    VMX_FIELD_INTEGER = 1,
    VMX_FIELD_NUMBER = 2,
    VMX_FIELD_BOOLEAN = 3
} vmx_field_type;

/* A metadata field that filters name often: the engine makes an index of it. A value; frozen. */
typedef struct vmx_filter_field {
    vmx_str name;
    vmx_field_type type;
} vmx_filter_field;

/* An index, in words that every engine understands. */
typedef struct vmx_index_spec {
    size_t size;
    uint32_t dimension;              /* of dense values; 0: the index has none */
    vmx_str metric;                  /* "cosine", "euclidean", "dotproduct"; empty: cosine. Of the dense values */
    bool sparse;                     /* records may have sparse parts (compared by dotproduct) */
    vmx_id_type id_type;             /* engines that take any id ignore it */
    const vmx_filter_field *filters; /* fields to filter on; filters on others work too, but may be slower */
    size_t filter_count;
    vmx_str options; /* a JSON object of the engine's own words (docs/engines.md), or empty */
} vmx_index_spec;

VMX_API void
vmx_index_spec_init(vmx_index_spec *spec, size_t size);

/*
 * Creates the index that the handle names, or, where it exists, verifies that its dimension and metric are those of
 * `spec` (else the op fails with VMX_ERR_ALREADY_EXISTS, naming both); nothing of an existing index is changed.
 * Idempotent. Result: vmx_op_stats, as describe gives it.
 */
VMX_API vmx_status
vmx_index_ensure(vmx_index *index, const vmx_index_spec *spec, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error);

/* Dimension, metric, counts and the state of the build. An index that does not exist: VMX_ERR_NOT_FOUND. Result:
 * vmx_op_stats. */
VMX_API vmx_status
vmx_index_describe(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* Deletes the index with every record in it. One that does not exist: VMX_OK. */
VMX_API vmx_status
vmx_index_drop(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* The names of the server's indexes. Result: vmx_op_id_count, vmx_op_id. */
VMX_API vmx_status
vmx_client_list_indexes(vmx_client *client, const vmx_call_options *options, vmx_op **op, vmx_error *error);

/* How the search structure of an index is built. All zero: the engine's defaults. */
typedef struct vmx_index_build_options {
    size_t size;
    vmx_str options; /* a JSON object of the engine's own words (docs/engines.md), or empty */
    bool no_wait;    /* only start it; vmx_index_describe tells how far it is */
} vmx_index_build_options;

VMX_API void
vmx_index_build_options_init(vmx_index_build_options *options, size_t size);

/*
 * Starts the build of the search structure over what is stored, and waits until it is ready; the call's timeout is the
 * limit of the whole wait, after which the server goes on all the same. `build` may be NULL. A cancelled op stops
 * waiting. A build that fails on the server: VMX_ERR_SERVER with its reason. Result: vmx_op_stats.
 */
VMX_API vmx_status
vmx_index_build(vmx_index *index, const vmx_index_build_options *build, const vmx_call_options *options, vmx_op **op,
                vmx_error *error);

/* --- namespaces ------------------------------------------------------------------------------------------------------ */

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
