#include "server/write.h"

#include "core/alloc.h"

typedef struct submission {
    vmxd_journal_entry entry; /* first */
    vmxd_call *call;
    vmxd_namespace *ns;
    vmxd_write *write;
    vmxd_write_reply *reply;
    bool must_exist;
    bool logged;
    uint32_t count;
} submission;

static bool
check(vmxd_journal_entry *entry, vmxd_status *status)
{
    submission *self = (submission *)entry;
    return vmxd_namespace_check(self->ns, self->write, self->must_exist, status);
}

static bool
take(submission *self, uint64_t *lsn, vmxd_status *status)
{
    if (self->logged)
        return vmxd_namespace_write_logged(self->ns, self->write, self->must_exist, false, lsn, status);
    return vmxd_namespace_write(self->ns, self->write, self->must_exist, lsn, status);
}

static void
finish(vmxd_journal_entry *entry, const vmxd_status *failure)
{
    submission *self = (submission *)entry;
    uint64_t lsn = 0;
    vmxd_status status;
    if (failure) {
        vmxd_write_free(self->write);
        vmxd_call_fail(self->call, failure);
    } else if (take(self, &lsn, &status)) {
        vmxd_call_add_header(self->call, VMXD_HEADER_REQUEST_LSN, lsn);
        self->reply(self->call, self->count);
    } else {
        vmxd_call_fail(self->call, &status);
    }
    vmx_dealloc(self);
}

/* NULL with the reason in `status`. */
static vmxd_namespace *
open_namespace(vmxd_store *store, const char *name, bool must_exist, vmxd_status *status)
{
    vmxd_namespace *ns = must_exist ? vmxd_store_find(store, name) : vmxd_store_open(store, name);
    if (!ns && must_exist)
        vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(name), name);
    else if (!ns)
        vmxd_no_memory(status);
    return ns;
}

void
vmxd_write_submit(vmxd_service *service, vmxd_call *call, vmxd_journal_kind kind, const char *name, vmxd_write *write,
                  vmxd_write_reply *reply)
{
    vmxd_status status;
    bool must_exist = kind != VMXD_JOURNAL_UPSERT;
    vmxd_namespace *ns = open_namespace(service->store, name, must_exist, &status);
    submission *self = vmx_calloc(1, sizeof *self);
    if (ns && !self)
        vmxd_no_memory(&status);
    if (!ns || !self) {
        if (write->discard)
            write->discard(write);
        vmx_dealloc(self);
        vmxd_call_fail(call, &status);
        return;
    }
    *self = (submission){.entry = {.kind = kind, .body = vmxd_call_request(call), .check = check, .finish = finish},
                         .call = call,
                         .ns = ns,
                         .write = write,
                         .reply = reply,
                         .must_exist = must_exist,
                         .logged = service->journal != NULL};
    write->count = &self->count;
    write->arena = vmxd_call_take_arena(call);
    vmxd_journal_submit(service->journal, &self->entry);
}

bool
vmxd_write_fix_dimension(const vmxd_service *service, uint32_t dimension, vmxd_status *status)
{
    uint32_t fixed = vmxd_store_dimension(service->store);
    if (fixed == 0 && service->journal && !vmxd_journal_fix_dimension(service->journal, dimension, status))
        return false;
    return vmxd_store_fix_dimension(service->store, dimension, &fixed) ||
           vmxd_invalid(status, "Vector dimension %u does not match the dimension of the index %u", dimension, fixed);
}
