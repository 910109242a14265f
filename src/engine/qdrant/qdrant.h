/*
 * engine/qdrant/qdrant.h: the qdrant engine (proto/qdrant/qdrant.proto), shared by its files.
 *
 * Ids: Qdrant has unsigned 64-bit numbers and UUIDs. "42" and a UUID in lower case are those; any other text is
 * represented by the UUID of its name (id.c), and kept in the payload under VMX_QDRANT_ID_KEY, from where it comes back.
 * Values: dense ones are the unnamed vector, or the one that the property qdrant.vector.name names; sparse ones the one
 * of qdrant.sparse.name. Payload: the metadata's members, whole numbers as integers.
 */
#ifndef VMX_ENGINE_QDRANT_H
#define VMX_ENGINE_QDRANT_H

#include <qdrant/qdrant.pb-c.h>

#include "engine/engine.h"
#include "engine/exchange.h"
#include "engine/filter.h"

extern const vmx_engine_vtable vmx_qdrant_vtable;
extern const vmx_row_codec vmx_qdrant_rows;

/* The payload's member that holds an id which is neither number nor UUID. */
#define VMX_QDRANT_ID_KEY "_vecmux_id"

/* vmx_engine.state: the properties. Immutable. */
typedef struct vmx_qdrant_settings {
    const char *vector_name; /* "": unnamed */
    const char *sparse_name;
    bool wait;                          /* writes are answered when they are visible */
    Qdrant__WriteOrderingType ordering; /* of writes */
} vmx_qdrant_settings;

const vmx_qdrant_settings *
vmx_qdrant_settings_of(const vmx_engine *engine);

/* A borrowed text as protobuf-c wants it; it ends in NUL. */
char *
vmx_qdrant_text(const char *text);

/* --- id.c ---------------------------------------------------------------------------------------------------------- */

/* Whether the id is represented by a UUID of its name. */
bool
vmx_qdrant_id_is_mapped(vmx_str id);

/* Fills in a point's id; its text is in `arena`. False when memory is out. */
bool
vmx_qdrant_id(vmx_arena *arena, vmx_str id, Qdrant__PointId *point_id);

/* Likewise, all ids; NULL when memory is out. */
Qdrant__PointId **
vmx_qdrant_ids(vmx_arena *arena, const vmx_strs *ids);

/* The id as the user knows it: the payload's, if it is there. ptr is NULL when memory is out. */
vmx_str
vmx_qdrant_id_text(vmx_arena *arena, const Qdrant__PointId *point_id, Qdrant__PayloadEntry *const *payload,
                   size_t count);

/* --- payload.c ----------------------------------------------------------------------------------------------------- */

/*
 * Metadata as a payload in `arena`; `id` is added where it is mapped (empty: never). `what` begins the messages ("put:
 * vector 3: metadata"). Errors: VMX_ERR_INVALID, VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_qdrant_payload_from_json(vmx_arena *arena, vmx_str json, vmx_str id, const char *what,
                             Qdrant__PayloadEntry ***payload, size_t *count, vmx_error *error);

/* The payload as JSON, in the arena, without the id's member; ptr is NULL if nothing is left. False when memory is out. */
bool
vmx_qdrant_payload_to_json(vmx_arena *arena, Qdrant__PayloadEntry *const *payload, size_t count, vmx_str *json);

/* --- filter.c ------------------------------------------------------------------------------------------------------ */

/* A filter for Qdrant in `arena`; *out is NULL for an empty text. Errors: those of vmx_filter_parse, and
 * VMX_ERR_UNSUPPORTED for names that Qdrant cannot take. */
vmx_status
vmx_qdrant_filter(vmx_arena *arena, vmx_str json, const char *what, Qdrant__Filter **out, vmx_error *error);

/* A field's name as a key, which in Qdrant is a path: in quotes where it would be read as one. NULL: the error says why;
 * quotes and backslashes have no form there. */
char *
vmx_qdrant_key(vmx_arena *arena, vmx_str name, const char *what, vmx_error *error);

/* --- vectors.c ----------------------------------------------------------------------------------------------------- */

/* Values as Qdrant's vectors, borrowed, the structs in `arena`; NULL when memory is out. */
Qdrant__Vectors *
vmx_qdrant_vectors(vmx_arena *arena, const vmx_qdrant_settings *settings, vmx_floats dense, vmx_sparse sparse);

/* Reads a vector, of either form, into a match; it stays where it is. */
void
vmx_qdrant_read_vector(const Qdrant__Vector *vector, vmx_match *match);

/* Likewise, those of a point that have the names of the properties, or none. NULL: there are none. */
void
vmx_qdrant_read_vectors(const vmx_qdrant_settings *settings, const Qdrant__Vectors *vectors, vmx_match *match);

/* --- points.c ------------------------------------------------------------------------------------------------------ */

/* A reply's points as matches: in a new arena array, NULL when memory is out; or in `matches`, false likewise. */
vmx_match *
vmx_qdrant_retrieved(vmx_machine *machine, Qdrant__RetrievedPoint *const *points, size_t count);
bool
vmx_qdrant_scored(vmx_machine *machine, Qdrant__ScoredPoint *const *points, size_t count, bool metadata,
                  vmx_match *matches);

/* What a request asks to have of each point: the payload whole or only the id's member; vectors or none. */
typedef struct vmx_qdrant_selection {
    bool all;
    Qdrant__PayloadNames names;
    Qdrant__WithPayloadSelector payload; /* by way of the function below */
    Qdrant__WithVectorsSelector vectors;
} vmx_qdrant_selection;

vmx_qdrant_selection
vmx_qdrant_select(bool metadata, bool values);

/* Points into the selection, which must stay where it is. */
Qdrant__WithPayloadSelector *
vmx_qdrant_payload_selector(vmx_qdrant_selection *selection);

/* vmx_request.judge of writes: what UpdateResult.status says. */
vmx_verdict
vmx_qdrant_judge_write(const vmx_message *message, vmx_reply *reply, vmx_arena *arena);

/* Asks for the state of the collection; the reply is a GetCollectionInfoResponse. */
vmx_status
vmx_qdrant_ask_info(vmx_machine *machine, vmx_step *step);

/* Takes it into the result's state; NULL: machine->error says why and the step is DONE. */
const Qdrant__CollectionInfo *
vmx_qdrant_take_info(vmx_machine *machine, vmx_message *message, vmx_step *next);

/* --- options.c ----------------------------------------------------------------------------------------------------- */

/* Options of ensure and build, from JSON; absent ones are left alone. */
typedef struct vmx_qdrant_options {
    Qdrant__HnswConfigDiff hnsw;
    Qdrant__OptimizersConfigDiff optimizers;
    Qdrant__CreateCollection create; /* shard_number and its like */
    bool has_hnsw, has_optimizers, has_create;
} vmx_qdrant_options;

/* `what` begins messages: "ensure: options". Errors: VMX_ERR_INVALID (an option that is none), VMX_ERR_NO_MEMORY. */
vmx_status
vmx_qdrant_read_options(vmx_str json, const char *what, vmx_qdrant_options *options, vmx_error *error);

/* --- operations (vmx_engine_vtable) -------------------------------------------------------------------------------- */

vmx_status
vmx_qdrant_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first);
vmx_status
vmx_qdrant_query(vmx_machine *machine, const vmx_query *query, vmx_step *first);
vmx_status
vmx_qdrant_batch_query(vmx_machine *machine, const vmx_queries *queries, vmx_step *first);
vmx_status
vmx_qdrant_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first);
vmx_status
vmx_qdrant_list(vmx_machine *machine, const vmx_list *list, vmx_step *first);
vmx_status
vmx_qdrant_update(vmx_machine *machine, const vmx_update *update, vmx_step *first);
vmx_status
vmx_qdrant_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first);
vmx_status
vmx_qdrant_count(vmx_machine *machine, vmx_str filter, vmx_step *first);
vmx_status
vmx_qdrant_describe(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_qdrant_flush(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_qdrant_ensure(vmx_machine *machine, const vmx_index_spec *spec, vmx_step *first);
vmx_status
vmx_qdrant_drop(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_qdrant_list_indexes(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_qdrant_build(vmx_machine *machine, const vmx_index_build_options *options, vmx_step *first);

#endif
