/*
 * server/write.h: changes of the index, from checked requests to their answers.
 *
 * The functions that make a change or apply it know no call: the journal's replay uses them too.
 */
#ifndef VMXD_WRITE_H
#define VMXD_WRITE_H

#include "server/journal.h"
#include "server/service.h"

/* Answers with success; `count` is of records stored or matched. */
typedef void
vmxd_write_reply(vmxd_call *call, uint32_t count);

/*
 * Hands `write`, which is in the call's arena, to the namespace named `name`, through the journal if there is one, and
 * answers the call, now or later. The arena goes with the write: nothing in it may be touched afterwards. If it is no
 * upsert an unknown namespace is NOT_FOUND.
 */
void
vmxd_write_submit(vmxd_service *service, vmxd_call *call, vmxd_journal_kind kind, const char *name, vmxd_write *write,
                  vmxd_write_reply *reply);

/* The index has this dimension from now on, and the journal says so; false if it has another one. May wait. */
bool
vmxd_write_fix_dimension(const vmxd_service *service, uint32_t dimension, vmxd_status *status);

/* Check a request and make its write, in `arena`. NULL with the reason in `status`. */
vmxd_write *
vmxd_upsert_new(const vmxd_service *service, const Pinecone__UpsertRequest *request, vmx_arena *arena,
                vmxd_status *status);
vmxd_write *
vmxd_delete_new(const Pinecone__DeleteRequest *request, vmx_arena *arena, vmxd_status *status);
vmxd_write *
vmxd_update_new(const vmxd_service *service, const Pinecone__UpdateRequest *request, vmx_arena *arena,
                vmxd_status *status);

/* Under the write lock: makes the namespace; ALREADY_EXISTS if it exists. */
bool
vmxd_namespace_create_as(vmxd_namespace *ns, const Pinecone__CreateNamespaceRequest *request, vmx_arena *scratch,
                         vmxd_status *status);

#endif
