/*
 * engine/pinecone/pinecone.h: the pinecone engine (proto/pinecone/vector_service.proto), shared by its files.
 *
 * One file an operation, or two that belong together; common.c has what they share.
 */
#ifndef VMX_ENGINE_PINECONE_H
#define VMX_ENGINE_PINECONE_H

#include <pinecone/vector_service.pb-c.h>

#include "engine/engine.h"

extern const vmx_engine_vtable vmx_pinecone_vtable;

/* --- requests ------------------------------------------------------------------------------------------------------ */

/*
 * Packs `message` into the step's request. Errors: VMX_ERR_NO_MEMORY.
 */
vmx_status
vmx_pinecone_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes,
                  bool idempotent, vmx_step *step);

/* A NUL-terminated copy in `scratch`, as protobuf-c wants strings; NULL when memory is out. */
char *
vmx_pinecone_text(vmx_arena *scratch, vmx_str text);

/* Copies of `strs` as protobuf-c wants them; NULL when memory is out. */
char **
vmx_pinecone_texts(vmx_arena *scratch, const vmx_strs *strs);

/* NULL for an empty part. Borrows the arrays. */
vmx_status
vmx_pinecone_sparse(vmx_arena *scratch, vmx_sparse sparse, Pinecone__SparseValues **out, vmx_error *error);

/* A filter or metadata: NULL for an empty text. */
vmx_status
vmx_pinecone_struct(vmx_arena *scratch, vmx_str json, const char *what, Google__Protobuf__Struct **out,
                    vmx_error *error);

/* --- replies ------------------------------------------------------------------------------------------------------- */

/*
 * Checks and unpacks a reply into the op's arena. NULL: machine->error says why and the step is DONE.
 */
void *
vmx_pinecone_unpack(vmx_machine *machine, vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                    vmx_step *next);

/* The operation has succeeded. */
void
vmx_pinecone_done(vmx_machine *machine, vmx_step *next);

/* Ends the operation for want of memory. */
void
vmx_pinecone_no_memory(vmx_machine *machine, vmx_step *next);

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
 * Checks a reply and keeps it in the machine, for results that point into it. False: machine->error says why and the
 * step is DONE.
 */
bool
vmx_pinecone_keep(vmx_machine *machine, vmx_message *message, const ProtobufCMessageDescriptor *descriptor,
                  vmx_str *bytes, vmx_step *next);

/* Matches, usage and page token become the result; the operation has succeeded. */
void
vmx_pinecone_note_decoded(vmx_machine *machine, const vmx_decoded *decoded, const vmx_reply *reply, vmx_step *next);

/* vmx_engine_vtable.read_written */
bool
vmx_pinecone_read_written(const vmx_message *reply, uint64_t *stored);

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
