#include "server/journal_replay.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/sync.h"
#include "server/journal_frame.h"
#include "server/limits.h"
#include "server/write.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"

#define PROGRESS_US 1000000

typedef struct replay {
    vmxd_service service; /* with the store alone: nothing is logged again */
    uint32_t wanted;
    vmx_arena arena; /* of the record at hand */
} replay;

static const ProtobufCMessageDescriptor *
descriptor_of(vmxd_journal_kind kind)
{
    switch (kind) {
    case VMXD_JOURNAL_UPSERT:
        return &pinecone__upsert_request__descriptor;
    case VMXD_JOURNAL_DELETE:
        return &pinecone__delete_request__descriptor;
    case VMXD_JOURNAL_UPDATE:
        return &pinecone__update_request__descriptor;
    case VMXD_JOURNAL_CREATE_NAMESPACE:
        return &pinecone__create_namespace_request__descriptor;
    case VMXD_JOURNAL_DELETE_NAMESPACE:
        return &pinecone__delete_namespace_request__descriptor;
    default:
        return NULL;
    }
}

/* Files can come from anywhere: what a client may not send is not believed here either. */
static ProtobufCMessage *
unpack(replay *self, const vmxd_journal_record *record, vmxd_status *status)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(record->kind);
    const uint8_t *bytes = (const uint8_t *)record->body.ptr;
    vmx_error error;
    if (vmx_guard_check(descriptor, bytes, record->body.len, NULL, &error) != VMX_OK) {
        vmxd_invalid(status, "malformed request: %.200s", error.message);
        return NULL;
    }
    ProtobufCAllocator allocator = vmx_arena_allocator(&self->arena);
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, record->body.len, bytes);
    if (!message)
        vmxd_no_memory(status);
    return message;
}

/* That a logged write has no effect is part of the log; that it lacks memory is not. */
static bool
apply_write(replay *self, const char *name, bool must_exist, vmxd_write *write, vmxd_status *status)
{
    uint64_t lsn;
    vmxd_status ignored = {.code = GRPC_STATUS_OK};
    vmxd_namespace *ns = write ? vmxd_store_open(self->service.store, name) : NULL;
    if (!write)
        return false;
    write->arena = self->arena;
    self->arena = (vmx_arena){0};
    if (!ns) {
        vmxd_write_free(write);
        return vmxd_no_memory(status);
    }
    return vmxd_namespace_write_logged(ns, write, must_exist, true, &lsn, &ignored) ||
           ignored.code != GRPC_STATUS_RESOURCE_EXHAUSTED || vmxd_no_memory(status);
}

static bool
apply_upsert(replay *self, const Pinecone__UpsertRequest *request, vmxd_status *status)
{
    return apply_write(self, request->namespace_, false, vmxd_upsert_new(&self->service, request, &self->arena, status),
                       status);
}

static bool
apply_delete(replay *self, const Pinecone__DeleteRequest *request, vmxd_status *status)
{
    return apply_write(self, request->namespace_, true, vmxd_delete_new(request, &self->arena, status), status);
}

static bool
apply_update(replay *self, const Pinecone__UpdateRequest *request, vmxd_status *status)
{
    return apply_write(self, request->namespace_, true, vmxd_update_new(&self->service, request, &self->arena, status),
                       status);
}

static bool
apply_create(replay *self, const Pinecone__CreateNamespaceRequest *request, vmxd_status *status)
{
    vmxd_namespace *ns = vmxd_store_open(self->service.store, request->name);
    if (!ns)
        return vmxd_no_memory(status);
    vmxd_namespace_write_lock(ns);
    bool done = vmxd_namespace_create_as(ns, request, &self->arena, status);
    vmxd_namespace_unlock(ns);
    return done || status->code == GRPC_STATUS_ALREADY_EXISTS;
}

static bool
apply_deletion(replay *self, const Pinecone__DeleteNamespaceRequest *request)
{
    vmxd_namespace *ns = vmxd_store_find(self->service.store, request->namespace_);
    if (!ns)
        return true;
    vmxd_namespace_write_lock(ns);
    vmxd_namespace_delete(ns);
    vmxd_namespace_unlock(ns);
    return true;
}

static bool
apply_dimension(replay *self, vmx_str body, vmxd_status *status)
{
    uint32_t dimension = body.len == sizeof dimension ? vmxd_get_u32(body.ptr) : 0, fixed;
    if (dimension == 0 || dimension > VMXD_MAX_DIMENSION || vmxd_store_config(self->service.store)->sparse)
        return vmxd_invalid(status, "dimension %u is not possible", dimension);
    if (self->wanted != 0 && dimension != self->wanted)
        return vmxd_invalid(status,
                            "--dimension %u contradicts the log, whose vectors have %u; leave the option out, or give "
                            "another --data directory",
                            self->wanted, dimension);
    return vmxd_store_fix_dimension(self->service.store, dimension, &fixed) ||
           vmxd_invalid(status, "dimension %u, but it was %u before", dimension, fixed);
}

static bool
apply_lsn(replay *self, vmx_str body, vmxd_status *status)
{
    if (body.len < sizeof(uint64_t))
        return vmxd_invalid(status, "an LSN of %zu bytes", body.len);
    vmx_str name = vmx_arena_str(&self->arena, (vmx_str){body.ptr + sizeof(uint64_t), body.len - sizeof(uint64_t)});
    vmxd_namespace *ns = name.ptr ? vmxd_store_open(self->service.store, name.ptr) : NULL;
    if (!ns)
        return vmxd_no_memory(status);
    vmxd_namespace_write_lock(ns);
    ns->request_lsn = ns->indexed_lsn = vmxd_get_u64(body.ptr);
    vmxd_namespace_unlock(ns);
    return true;
}

static bool
apply_record(replay *self, const vmxd_journal_record *record, vmxd_status *status)
{
    ProtobufCMessage *message = NULL;
    if (descriptor_of(record->kind) && !(message = unpack(self, record, status)))
        return false;
    switch (record->kind) {
    case VMXD_JOURNAL_UPSERT:
        return apply_upsert(self, (const Pinecone__UpsertRequest *)message, status);
    case VMXD_JOURNAL_DELETE:
        return apply_delete(self, (const Pinecone__DeleteRequest *)message, status);
    case VMXD_JOURNAL_UPDATE:
        return apply_update(self, (const Pinecone__UpdateRequest *)message, status);
    case VMXD_JOURNAL_CREATE_NAMESPACE:
        return apply_create(self, (const Pinecone__CreateNamespaceRequest *)message, status);
    case VMXD_JOURNAL_DELETE_NAMESPACE:
        return apply_deletion(self, (const Pinecone__DeleteNamespaceRequest *)message);
    case VMXD_JOURNAL_DIMENSION:
        return apply_dimension(self, record->body, status);
    case VMXD_JOURNAL_LSN:
        return apply_lsn(self, record->body, status);
    }
    return vmxd_invalid(status, "a record of unknown kind %u", (unsigned)record->kind);
}

/* The records of the frame at `offset`. */
static bool
apply_frame(replay *self, const vmxd_journal_file *file, uint64_t offset, vmx_str payload, uint32_t count,
            vmxd_status *status)
{
    vmxd_journal_record record;
    vmxd_status reason;
    const char *at = payload.ptr;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t stands = offset + VMXD_FRAME_HEADER_BYTES + (uint64_t)(payload.ptr - at);
        bool whole = vmxd_journal_record_next(&payload, &record);
        bool applied = whole ? apply_record(self, &record, &reason) : vmxd_invalid(&reason, "a record is cut short");
        vmx_arena_reset(&self->arena);
        if (!applied)
            return vmxd_refuse(status, reason.code, "%.160s: offset %" PRIu64 ": %.300s", file->path, stands,
                               reason.text);
    }
    return payload.len == 0 ||
           vmxd_invalid(status, "%.160s: offset %" PRIu64 ": %zu bytes behind the last record", file->path,
                        offset + VMXD_FRAME_HEADER_BYTES + (uint64_t)(payload.ptr - at), payload.len);
}

static void
tell_progress(const vmxd_journal_file *file, uint64_t size, uint64_t *next_us)
{
    if (vmx_monotonic_us() < *next_us)
        return;
    *next_us = vmx_monotonic_us() + PROGRESS_US;
    fprintf(stderr, "vecmuxd: %s: %" PRIu64 " of %" PRIu64 " MB read\n", file->path, file->end / 1000000,
            size / 1000000);
}

/* Whole frames, up to the end or the first that is not. */
static vmxd_journal_found
apply_frames(replay *self, vmxd_journal_file *file, uint64_t size, uint64_t *records, vmxd_status *status)
{
    vmx_buffer payload = {0};
    uint64_t offset = file->end, next_us = vmx_monotonic_us() + PROGRESS_US;
    uint32_t count;
    vmxd_journal_found found;
    while ((found = vmxd_journal_file_next(file, size, &payload, &count, status)) == VMXD_JOURNAL_FRAME) {
        vmx_str bytes = {(const char *)payload.data, payload.len};
        if (!apply_frame(self, file, offset, bytes, count, status)) {
            found = VMXD_JOURNAL_DAMAGED;
            break;
        }
        *records += count;
        offset = file->end;
        tell_progress(file, size, &next_us);
    }
    vmx_buffer_free(&payload);
    return found;
}

bool
vmxd_journal_replay(vmxd_journal_file *file, vmxd_store *store, uint32_t wanted, vmxd_replayed *replayed,
                    vmxd_status *status)
{
    replay self = {.service = {.store = store}, .wanted = wanted};
    uint64_t size;
    *replayed = (vmxd_replayed){0};
    if (!vmxd_journal_file_size(file, &size, status))
        return false;
    vmxd_journal_found found = apply_frames(&self, file, size, &replayed->records, status);
    if (found == VMXD_JOURNAL_DAMAGED)
        return false;
    replayed->dropped_bytes = size - file->end;
    return found == VMXD_JOURNAL_END || vmxd_journal_file_cut(file, status);
}
