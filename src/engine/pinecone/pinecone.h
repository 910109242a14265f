/*
 * engine/pinecone/pinecone.h: the pinecone engine (proto/pinecone/vector_service.proto), shared by its files.
 *
 * One file an operation, or two that belong together; common.c has what they share.
 */
#ifndef VMX_ENGINE_PINECONE_H
#define VMX_ENGINE_PINECONE_H

#include <pinecone/vector_service.pb-c.h>

#include "engine/engine.h"
#include "engine/exchange.h"

extern const vmx_engine_vtable vmx_pinecone_vtable;

/* --- requests ------------------------------------------------------------------------------------------------------ */

/* Copies of `strs` as protobuf-c wants them; NULL when memory is out. */
char **
vmx_pinecone_texts(vmx_arena *scratch, const vmx_strs *strs);

/* NULL for an empty part. Borrows the arrays. */
vmx_status
vmx_pinecone_sparse(vmx_arena *scratch, vmx_sparse sparse, Pinecone__SparseValues **out, vmx_error *error);

/* Metadata: NULL for an empty text. */
vmx_status
vmx_pinecone_struct(vmx_arena *scratch, vmx_str json, const char *what, Google__Protobuf__Struct **out,
                    vmx_error *error);

/* A filter, checked; NULL for an empty text. */
vmx_status
vmx_pinecone_filter(vmx_arena *scratch, vmx_str json, const char *what, Google__Protobuf__Struct **out,
                    vmx_error *error);

/* --- replies ------------------------------------------------------------------------------------------------------- */

/* Notes x-pinecone-request-lsn or x-pinecone-max-indexed-lsn in the result. */
void
vmx_pinecone_note_lsn(vmx_machine *machine, const vmx_reply *reply);

void
vmx_pinecone_note_usage(vmx_machine *machine, const Pinecone__Usage *usage);

void
vmx_pinecone_note_page(vmx_machine *machine, const Pinecone__Pagination *pagination);

/* A field of a message that may be absent or empty in proto3: NULL and "" alike. */
vmx_str
vmx_pinecone_str(const char *text);

/*
 * Checks a reply of records and keeps it in the machine; matches, usage and page token become the result, which points into
 * it. The step is DONE; machine->error says whether it went well.
 */
void
vmx_pinecone_decode(vmx_machine *machine, vmx_message *message, vmx_reply_kind kind, const vmx_reply *reply,
                    vmx_step *next);

extern const vmx_row_codec vmx_pinecone_rows;

/* --- operations (vmx_engine_vtable) -------------------------------------------------------------------------------- */

vmx_status
vmx_pinecone_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first);
vmx_status
vmx_pinecone_query(vmx_machine *machine, const vmx_query *query, vmx_step *first);
vmx_status
vmx_pinecone_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first);
vmx_status
vmx_pinecone_list(vmx_machine *machine, const vmx_list *list, vmx_step *first);
vmx_status
vmx_pinecone_update(vmx_machine *machine, const vmx_update *update, vmx_step *first);
vmx_status
vmx_pinecone_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first);
vmx_status
vmx_pinecone_stats(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_pinecone_wait_visible(vmx_machine *machine, uint64_t lsn, vmx_step *first);
vmx_status
vmx_pinecone_create_namespace(vmx_machine *machine, const vmx_strs *filterable, vmx_step *first);
vmx_status
vmx_pinecone_describe_namespace(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_pinecone_delete_namespace(vmx_machine *machine, vmx_step *first);
vmx_status
vmx_pinecone_list_namespaces(vmx_machine *machine, const vmx_list *list, vmx_step *first);

#endif
