/*
 * engine/milvus/milvus.h: the milvus engine (proto/milvus/), shared by its files.
 *
 * A collection of Milvus is an index of ours, a partition of it a namespace ("" is Milvus's "_default"). Before an
 * operation the collection's schema must be known: it is asked for once and kept (schema.h). An operation is therefore
 * two halves: its begin function checks the input and copies what it needs into the op's arena; `go` makes the request,
 * as soon as the schema is there.
 */
#ifndef VMX_ENGINE_MILVUS_H
#define VMX_ENGINE_MILVUS_H

#include <milvus/milvus.pb-c.h>

#include "engine/engine.h"
#include "engine/exchange.h"
#include "engine/filter.h"
#include "engine/milvus/schema.h"

extern const vmx_engine_vtable vmx_milvus_vtable;

#define VMX_MILVUS_METHOD(name) "/milvus.proto.milvus.MilvusService/" name

/* Values of Milvus's enums that are sent. */
enum {
    VMX_MILVUS_INT64 = 5,
    VMX_MILVUS_VARCHAR = 21,
    VMX_MILVUS_JSON = 23,
    VMX_MILVUS_FLOAT_VECTOR = 101,
    VMX_MILVUS_SPARSE_VECTOR = 104,
    VMX_MILVUS_STRONG = 0, /* consistency levels: a read sees all writes before it, */
    VMX_MILVUS_SESSION = 1 /* or those up to its guarantee_timestamp */
};

/* --- operations ---------------------------------------------------------------------------------------------------- */

/* What the state of every operation begins with. */
typedef struct vmx_milvus_op {
    vmx_milvus_schema schema;
    bool fresh;           /* the schema has been read for this operation */
    bool makes_partition; /* the namespace is made where it is missing */
    /* Makes the request. An error of an operation whose schema is not fresh is forgotten: the schema may be out of date,
     * and `go` is called again with a fresh one. */
    vmx_status (*go)(vmx_machine *machine, vmx_step *step);
} vmx_milvus_op;

/* Begins an operation whose state, in the op's arena, begins with `op`: `go` now, or when the schema has come. */
vmx_status
vmx_milvus_begin(vmx_machine *machine, vmx_milvus_op *op, vmx_status (*go)(vmx_machine *, vmx_step *), vmx_step *first);

/* --- requests ------------------------------------------------------------------------------------------------------ */

/*
 * vmx_exchange_call with the judge that the method's reply needs: its Status is all of it (`plain`) or its first field.
 */
vmx_status
vmx_milvus_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes, bool idempotent,
                vmx_step *step);
vmx_status
vmx_milvus_call_plain(vmx_machine *machine, const char *method, const ProtobufCMessage *message, vmx_step *step);

/* The judges themselves (rpc/request.h). */
vmx_verdict
vmx_milvus_judge(const vmx_message *message, vmx_reply *reply, vmx_arena *arena);
vmx_verdict
vmx_milvus_judge_plain(const vmx_message *message, vmx_reply *reply, vmx_arena *arena);

/* Of a reply's gRPC status alone. */
vmx_verdict
vmx_milvus_classify(const vmx_reply *reply);

/* What a read must have seen: this client's own writes, or all. */
typedef struct vmx_milvus_view {
    int32_t consistency_level;
    uint64_t guarantee_timestamp;
} vmx_milvus_view;

vmx_milvus_view
vmx_milvus_view_of(const vmx_machine *machine);

/* The machine's collection and partition as protobuf-c wants them. */
char *
vmx_milvus_collection(const vmx_machine *machine);
char *
vmx_milvus_partition(const vmx_machine *machine);

/* --- replies ------------------------------------------------------------------------------------------------------- */

/* Which columns of a reply are to be read. */
typedef struct vmx_milvus_wanted {
    bool values, metadata;
} vmx_milvus_wanted;

/* The names of the columns to ask for, with the id's first if `id`; at most VMX_MILVUS_MAX_OUTPUT. */
#define VMX_MILVUS_MAX_OUTPUT 4
size_t
vmx_milvus_output_fields(const vmx_milvus_schema *schema, bool id, vmx_milvus_wanted wanted,
                         char *names[VMX_MILVUS_MAX_OUTPUT]);

/*
 * Columns of `rows` rows become matches (score 0) behind those that are there. `ids` NULL: the id's column is among
 * them. False: machine->error says why.
 */
bool
vmx_milvus_read_rows(vmx_machine *machine, Milvus__FieldData **columns, size_t column_count, const Milvus__IDs *ids,
                     size_t rows, vmx_milvus_wanted wanted);

/* A Query's reply, whose columns hold the ids too, becomes matches. */
bool
vmx_milvus_read_query(vmx_machine *machine, const Milvus__QueryResults *response, vmx_milvus_wanted wanted);

/* The ids of a Query's reply, into the result's list. */
bool
vmx_milvus_read_ids(vmx_machine *machine, Milvus__FieldData **columns, size_t column_count, size_t *count);

/* A Query of the namespace; limit 0: without one. */
vmx_status
vmx_milvus_ask(vmx_machine *machine, char *expression, char **fields, size_t field_count, uint32_t limit,
               uint64_t offset, vmx_step *step);

/* A count(*) of what the filter selects in the namespace. milvus-lite counts all of the collection where it is given no
 * expression, so there always is one. */
vmx_status
vmx_milvus_ask_count(vmx_machine *machine, const vmx_milvus_schema *schema, const vmx_filter *filter, vmx_step *step);
bool
vmx_milvus_read_count(vmx_machine *machine, const Milvus__QueryResults *response, uint64_t *count);

/* --- the end of operations on the index (describe.c) ----------------------------------------------------------------- */

/*
 * Describes the collection for the result's state and ends the operation. Takes machine->state over. Step functions that
 * return nothing end the operation with machine->error when they fail.
 */
void
vmx_milvus_report(vmx_machine *machine, vmx_step *step);

/* Asks for the collection's partitions; its reply's become namespaces of the result, without counts. */
vmx_status
vmx_milvus_show_partitions(vmx_machine *machine, vmx_step *step);
bool
vmx_milvus_read_namespaces(vmx_machine *machine, const Milvus__ShowPartitionsResponse *response);

/* The name of Milvus's metric for ours, and back; NULL for one that is none. */
const char *
vmx_milvus_metric(vmx_str ours);
const char *
vmx_milvus_our_metric(const char *metric);

/* The index of the collection's vectors; NULL: there is none yet. */
const Milvus__IndexDescription *
vmx_milvus_find_index(const Milvus__DescribeIndexResponse *response, const char *field);
const char *
vmx_milvus_index_param(const Milvus__IndexDescription *index, const char *key);

/* --- filters (expression.c) ---------------------------------------------------------------------------------------- */

/*
 * The expression that selects what `filter` does (docs/filters.md), in `arena`; "" for NULL. Errors: VMX_ERR_INVALID,
 * VMX_ERR_UNSUPPORTED, VMX_ERR_TOO_LARGE, VMX_ERR_NO_MEMORY; `what` begins the messages.
 */
vmx_status
vmx_milvus_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const vmx_filter *filter, const char *what,
                      char **expression, vmx_error *error);

/* `id in ["a","b"]`. */
vmx_status
vmx_milvus_ids_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const vmx_strs *ids, const char *what,
                          char **expression, vmx_error *error);

/* `id > "a"`; `comparison` has its blanks. */
vmx_status
vmx_milvus_id_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const char *comparison, vmx_str id,
                         const char *what, char **expression, vmx_error *error);

/* Selects every record. */
vmx_status
vmx_milvus_all_expression(vmx_arena *arena, const vmx_milvus_schema *schema, char **expression, vmx_error *error);

/* An id as the schema has them: whole numbers only, where they are integers. */
vmx_status
vmx_milvus_integer_id(vmx_str id, const char *what, int64_t *integer, vmx_error *error);

/* --- operations (vmx_engine_vtable) -------------------------------------------------------------------------------- */

vmx_status
vmx_milvus_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first);
vmx_status
vmx_milvus_query(vmx_machine *machine, const vmx_query *query, vmx_step *first);
vmx_status
vmx_milvus_batch_query(vmx_machine *machine, const vmx_queries *queries, vmx_step *first);
vmx_status
vmx_milvus_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first);
vmx_status
vmx_milvus_list(vmx_machine *machine, const vmx_list *list, vmx_step *first);
vmx_status
vmx_milvus_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first);
vmx_status
vmx_milvus_count(vmx_machine *machine, vmx_str filter, vmx_step *first);
vmx_status
vmx_milvus_stats(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_wait_visible(vmx_machine *machine, uint64_t lsn, vmx_step *first);
vmx_status
vmx_milvus_flush(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_ensure(vmx_machine *machine, const vmx_index_spec *spec, vmx_step *first);
vmx_status
vmx_milvus_describe(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_drop(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_list_indexes(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_build(vmx_machine *machine, const vmx_index_build_options *options, vmx_step *first);
vmx_status
vmx_milvus_create_namespace(vmx_machine *machine, const vmx_strs *filterable, vmx_step *first);
vmx_status
vmx_milvus_describe_namespace(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_delete_namespace(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_milvus_list_namespaces(vmx_machine *machine, const vmx_list *list, vmx_step *first);

#endif
