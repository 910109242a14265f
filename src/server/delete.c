/* VectorService/Delete */
#include "server/check.h"
#include "server/filter.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/write.h"

typedef struct deletion {
    vmxd_write write; /* first */
    const Pinecone__DeleteRequest *request;
    const vmxd_filter *filter; /* NULL: not by filter */
} deletion;

static bool
check_request(const Pinecone__DeleteRequest *request, vmxd_status *status)
{
    if (!vmxd_check_namespace(request->namespace_, status))
        return false;
    if ((request->n_ids > 0) + (request->delete_all != 0) + (request->filter != NULL) != 1)
        return vmxd_invalid(status, "Delete needs exactly one of ids, delete_all and filter");
    if (request->n_ids > 0)
        return vmxd_check_ids(request->ids, request->n_ids, VMXD_MAX_DELETE_IDS, status);
    return !request->filter || vmxd_check_filter_given(request->filter, status);
}

/* From the back: what moves into a removed record's place has been looked at already. */
static void
delete_by_filter(vmxd_records *records, const vmxd_filter *filter)
{
    for (size_t slot = records->count; slot-- > 0;)
        if (vmxd_filter_match(filter, vmxd_record_metadata(records->slots[slot])))
            vmxd_records_remove(records, (uint32_t)slot);
}

static bool
apply(vmxd_namespace *ns, vmxd_write *write, bool commit, vmxd_status *status)
{
    (void)status;
    const deletion *self = (const deletion *)write;
    const Pinecone__DeleteRequest *request = self->request;
    if (!commit)
        return true;
    if (request->delete_all)
        vmxd_records_clear(&ns->records);
    if (self->filter)
        delete_by_filter(&ns->records, self->filter);
    for (size_t i = 0; i < request->n_ids; i++) {
        uint32_t slot = vmxd_records_find(&ns->records, request->ids[i]);
        if (slot != VMXD_NO_SLOT)
            vmxd_records_remove(&ns->records, slot);
    }
    return true;
}

vmxd_write *
vmxd_delete_new(const Pinecone__DeleteRequest *request, vmx_arena *arena, vmxd_status *status)
{
    if (!check_request(request, status))
        return NULL;
    deletion *self = vmx_arena_calloc(arena, 1, sizeof *self);
    if (!self) {
        vmxd_no_memory(status);
        return NULL;
    }
    *self = (deletion){.write = {.apply = apply}, .request = request};
    if (request->filter && !(self->filter = vmxd_filter_compile(request->filter, arena, status)))
        return NULL;
    return &self->write;
}

static void
reply(vmxd_call *call, uint32_t count)
{
    (void)count;
    Pinecone__DeleteResponse response = PINECONE__DELETE_RESPONSE__INIT;
    vmxd_call_reply(call, &response.base);
}

void
vmxd_handle_delete(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__DeleteRequest *request = (const Pinecone__DeleteRequest *)message;
    vmxd_status status;
    vmxd_write *write = vmxd_delete_new(request, vmxd_call_arena(call), &status);
    if (write)
        vmxd_write_submit(service, call, VMXD_JOURNAL_DELETE, request->namespace_, write, reply);
    else
        vmxd_call_fail(call, &status);
}
