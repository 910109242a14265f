/* VectorService/Update */
#include "server/check.h"
#include "server/handlers.h"
#include "server/metadata.h"
#include "server/write.h"

typedef struct update {
    vmxd_write write; /* first */
    const Pinecone__UpdateRequest *request;
    const vmxd_filter *filter; /* NULL: by id */
} update;

/* The records that change, and what they become. */
typedef struct change_plan {
    uint32_t *slots;
    vmxd_record **records;
    size_t count;
} change_plan;

static bool
check_by_filter(const Pinecone__UpdateRequest *request, bool dry_run, vmxd_status *status)
{
    if (!vmxd_check_filter_given(request->filter, status))
        return false;
    if (request->n_values > 0 || request->sparse_values)
        return vmxd_invalid(status, "An update by filter cannot set values, only metadata");
    if (!request->set_metadata && !dry_run)
        return vmxd_invalid(status, "An update by filter needs metadata to set");
    return true;
}

static bool
check_by_id(const vmxd_store *store, const Pinecone__UpdateRequest *request, vmx_arena *arena, vmxd_status *status)
{
    if (!vmxd_check_id(request->id, status))
        return false;
    if (request->n_values == 0 && !request->sparse_values && !request->set_metadata)
        return vmxd_invalid(status, "An update needs values, sparse values or metadata to set");
    if (request->n_values > 0 && !vmxd_check_dense(store, request->values, request->n_values, request->id, status))
        return false;
    return !request->sparse_values || vmxd_check_sparse(store, request->sparse_values, request->id, arena, status);
}

static bool
plan_slot(const vmxd_records *records, const Pinecone__UpdateRequest *request, uint32_t slot, vmx_arena *arena,
          change_plan *plan, vmxd_status *status)
{
    const vmxd_record *old = records->slots[slot];
    Google__Protobuf__Struct *merged = NULL;
    if (request->set_metadata) {
        merged = vmxd_metadata_merge(vmxd_record_metadata(old), request->set_metadata, arena);
        if (!merged)
            return vmxd_no_memory(status);
        if (!vmxd_metadata_check_size(merged, status))
            return false;
    }
    vmxd_record *changed = vmxd_record_changed(old, request->sparse_values, merged);
    if (!changed)
        return vmxd_no_memory(status);
    plan->slots[plan->count] = slot;
    plan->records[plan->count++] = changed;
    return true;
}

static bool
make_plan(const vmxd_records *records, const update *self, vmx_arena *arena, change_plan *plan, vmxd_status *status)
{
    uint32_t slot = self->filter ? VMXD_NO_SLOT : vmxd_records_find(records, self->request->id);
    size_t most = self->filter ? records->count : 1;
    plan->slots = vmx_arena_calloc(arena, most, sizeof *plan->slots);
    plan->records = vmx_arena_calloc(arena, most, sizeof *plan->records);
    if (!plan->slots || !plan->records)
        return vmxd_no_memory(status);
    if (!self->filter)
        return slot == VMXD_NO_SLOT || plan_slot(records, self->request, slot, arena, plan, status);
    for (slot = 0; slot < records->count; slot++)
        if (vmxd_filter_match(self->filter, vmxd_record_metadata(records->slots[slot])) &&
            !plan_slot(records, self->request, slot, arena, plan, status))
            return false;
    return true;
}

/* All or nothing: records are replaced only when every new one has been made. */
static bool
apply(vmxd_namespace *ns, vmxd_write *write, bool commit, vmxd_status *status)
{
    update *self = (update *)write;
    const Pinecone__UpdateRequest *request = self->request;
    vmx_arena arena = {0};
    change_plan plan = {0};
    bool made = make_plan(&ns->records, self, &arena, &plan, status);
    for (size_t i = 0; i < plan.count; i++)
        if (made && commit)
            vmxd_records_replace(&ns->records, plan.slots[i], plan.records[i],
                                 request->n_values > 0 ? request->values : NULL);
        else
            vmxd_record_free(plan.records[i]);
    if (write->count)
        *write->count = (uint32_t)plan.count;
    vmx_arena_reset(&arena);
    return made;
}

static bool
is_dry_run(const Pinecone__UpdateRequest *request)
{
    return request->_dry_run_case == PINECONE__UPDATE_REQUEST___DRY_RUN_DRY_RUN && request->dry_run;
}

vmxd_write *
vmxd_update_new(const vmxd_service *service, const Pinecone__UpdateRequest *request, vmx_arena *arena,
                vmxd_status *status)
{
    bool valid = vmxd_check_namespace(request->namespace_, status) &&
                 (request->filter ? check_by_filter(request, is_dry_run(request), status)
                                  : check_by_id(service->store, request, arena, status)) &&
                 (!request->set_metadata || vmxd_metadata_check(request->set_metadata, arena, status));
    update *self = valid ? vmx_arena_calloc(arena, 1, sizeof *self) : NULL;
    if (valid && !self)
        vmxd_no_memory(status);
    if (!self)
        return NULL;
    *self = (update){.write = {.apply = apply}, .request = request};
    if (request->filter && !(self->filter = vmxd_filter_compile(request->filter, arena, status)))
        return NULL;
    return &self->write;
}

static void
reply_matched(vmxd_call *call, uint32_t count)
{
    Pinecone__UpdateResponse response = PINECONE__UPDATE_RESPONSE__INIT;
    response._matched_records_case = PINECONE__UPDATE_RESPONSE___MATCHED_RECORDS_MATCHED_RECORDS;
    response.matched_records = (int32_t)count;
    vmxd_call_reply(call, &response.base);
}

static void
reply(vmxd_call *call, uint32_t count)
{
    (void)count;
    Pinecone__UpdateResponse response = PINECONE__UPDATE_RESPONSE__INIT;
    vmxd_call_reply(call, &response.base);
}

/* The records that would change are counted, nothing is written. */
static void
count_only(vmxd_service *service, vmxd_call *call, const char *name, vmxd_write *write)
{
    vmxd_namespace *ns = vmxd_store_find(service->store, name);
    vmxd_status status;
    uint32_t count = 0;
    write->count = &count;
    bool done =
        ns ? vmxd_namespace_check(ns, write, true, &status)
           : vmxd_refuse(&status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(name), name);
    if (done)
        reply_matched(call, count);
    else
        vmxd_call_fail(call, &status);
}

void
vmxd_handle_update(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__UpdateRequest *request = (const Pinecone__UpdateRequest *)message;
    vmxd_status status;
    vmxd_write *write = vmxd_update_new(service, request, vmxd_call_arena(call), &status);
    if (!write)
        vmxd_call_fail(call, &status);
    else if (is_dry_run(request))
        count_only(service, call, request->namespace_, write);
    else
        vmxd_write_submit(service, call, VMXD_JOURNAL_UPDATE, request->namespace_, write,
                          request->filter ? reply_matched : reply);
}
