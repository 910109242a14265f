#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "server/repository/upload_private.h"

/* What is gathered of the parts. */
typedef struct summary {
    vmx_arena arena;
    uint32_t count;
    uint64_t bytes;
    ProtobufCBinaryData *digests;
    uint8_t digest[VMX_DIGEST_MAX_BYTES];
    size_t digest_len;
} summary;

/* --- whose turn it is ---------------------------------------------------------------------------------------------- */

static bool
begin_completing(vmxd_upload *upload, vmxd_status *status)
{
    pthread_mutex_lock(&upload->lock);
    vmxd_upload_state state = upload->state;
    if (state == VMXD_UPLOAD_OPEN)
        upload->state = VMXD_UPLOAD_COMPLETING;
    pthread_mutex_unlock(&upload->lock);
    if (state == VMXD_UPLOAD_OPEN)
        return true;
    return vmxd_refuse(status, state == VMXD_UPLOAD_GONE ? GRPC_STATUS_NOT_FOUND : GRPC_STATUS_ABORTED, "the upload %s",
                       state == VMXD_UPLOAD_GONE ? "was aborted or completed" : "is being completed");
}

/* False: it has been aborted meanwhile. */
static bool
end_completing(vmxd_upload *upload, bool done)
{
    pthread_mutex_lock(&upload->lock);
    upload->state = done ? VMXD_UPLOAD_GONE : VMXD_UPLOAD_OPEN;
    bool wanted = !upload->unwanted;
    pthread_mutex_unlock(&upload->lock);
    return wanted;
}

/* --- the parts ----------------------------------------------------------------------------------------------------- */

static bool
check_part_count(vmxd_upload *upload, uint32_t given, summary *all, vmxd_status *status)
{
    if (given > VMXD_MAX_PARTS)
        return vmxd_invalid(status, "part_count %u: an upload has at most %d parts", given, VMXD_MAX_PARTS);
    all->count = upload->known ? vmxd_upload_count_parts(upload->total, upload->part_bytes) : given;
    if (given != 0 && given != all->count)
        return vmxd_invalid(status, "part_count %u: the upload has %u parts", given, all->count);
    if (!upload->known && given == 0)
        return vmxd_invalid(status, "part_count is missing: the upload's length was not known when it began");
    return true;
}

/* Waits for a writer that is in the middle of a chunk. */
static bool
take_part(vmxd_upload *upload, uint32_t number, summary *all, vmxd_status *status)
{
    vmxd_part *part = vmxd_upload_part(upload, number, false);
    uint8_t *digest = vmx_arena_alloc(&all->arena, VMX_DIGEST_MAX_BYTES);
    if (!digest)
        return vmxd_no_memory(status);
    bool complete = false;
    uint64_t bytes = 0;
    if (part) {
        pthread_mutex_lock(&part->lock);
        complete = part->complete;
        bytes = part->confirmed;
        all->digests[number] = (ProtobufCBinaryData){vmx_digest_peek(&part->digest, digest), digest};
        pthread_mutex_unlock(&part->lock);
    }
    if (complete && number + 1 < all->count && bytes < upload->part_bytes)
        complete = false;
    all->bytes += bytes;
    return complete ||
           vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                       "part %u of %u is not complete: %" PRIu64 " bytes are confirmed; write the rest, with "
                       "its end",
                       number, all->count, bytes);
}

static bool
sum_up(vmxd_upload *upload, summary *all, vmxd_status *status)
{
    vmx_digest digest = {0};
    all->digests = vmx_arena_calloc(&all->arena, all->count + 1, sizeof *all->digests);
    if (!all->digests || !vmx_digest_begin(&digest, upload->algorithm))
        return vmxd_no_memory(status);
    bool done = true;
    for (uint32_t i = 0; done && i < all->count; i++) {
        done = take_part(upload, i, all, status);
        if (done)
            vmx_digest_update(&digest, all->digests[i].data, all->digests[i].len);
    }
    all->digest_len = vmx_digest_peek(&digest, all->digest);
    vmx_digest_free(&digest);
    return done;
}

static bool
check_digest(const summary *all, const ProtobufCBinaryData *digest, vmxd_status *status)
{
    if (digest->len == all->digest_len && memcmp(digest->data, all->digest, digest->len) == 0)
        return true;
    return vmxd_refuse(
        status, GRPC_STATUS_DATA_LOSS,
        "the digest of the %u part digests is another one here; compare those of GetUpload with yours, and "
        "write the parts that differ again",
        all->count);
}

/* --- the blob ------------------------------------------------------------------------------------------------------ */

static bool
make_durable(vmxd_upload *upload, uint64_t bytes, vmxd_status *status)
{
    if (upload->data_fd < 0)
        return true;
    /* a part that was begun again may have been longer before */
    if (ftruncate(upload->data_fd, (off_t)bytes) != 0)
        return vmxd_refuse(status, GRPC_STATUS_INTERNAL, "%s/data: cannot be cut to %" PRIu64 " bytes", upload->path,
                           bytes);
    return vmxd_disk_sync(upload->data_fd, upload->path, status);
}

static bool
publish(vmxd_upload *upload, summary *all, vmxd_blob **blob, vmxd_status *status)
{
    Vmxd__StoredBlob stored;
    Repository__Blob info;
    Repository__BlobForm form, *forms[1] = {&form};
    vmxd__stored_blob__init(&stored);
    repository__blob__init(&info);
    repository__blob_form__init(&form);
    form.total_bytes = all->bytes;
    form.digest = (ProtobufCBinaryData){all->digest_len, all->digest};
    form.n_part_digests = all->count;
    form.part_digests = all->digests;
    info.name = upload->stored->begin->name;
    info.created_ms = vmxd_unix_ms();
    info.digest_algorithm = (Repository__DigestAlgorithm)upload->algorithm;
    info.part_bytes = upload->part_bytes;
    info.n_forms = 1;
    info.forms = forms;
    stored.blob = &info;
    stored.upload_id = upload->stored->upload_id;
    stored.upload_key = upload->stored->begin->upload_key;
    return vmxd_repository_publish(upload->repository, &stored, upload->path, upload->stored->begin->replace, blob,
                                   status);
}

/* What was aborted while it was completed. False. */
static bool
take_back(vmxd_upload *upload, vmxd_blob **blob, vmxd_status *status)
{
    if (*blob)
        vmxd_repository_delete_blob(upload->repository, *blob);
    else
        vmxd_upload_abort(upload);
    vmxd_blob_unref(*blob);
    *blob = NULL;
    return vmxd_refuse(status, GRPC_STATUS_ABORTED, "the upload was aborted while it was being completed");
}

bool
vmxd_upload_complete(vmxd_upload *upload, const Repository__CompleteUploadRequest *request, vmxd_blob **blob,
                     vmxd_status *status)
{
    summary all = {0};
    *blob = NULL;
    if (!begin_completing(upload, status))
        return false;
    bool done = check_part_count(upload, request->part_count, &all, status) && sum_up(upload, &all, status) &&
                check_digest(&all, &request->digest, status) && make_durable(upload, all.bytes, status) &&
                publish(upload, &all, blob, status);
    bool wanted = end_completing(upload, done);
    if (done) {
        vmxd_repository_release(upload->repository, upload->total - all.bytes);
        vmxd_repository_drop_upload(upload->repository, upload);
    }
    vmx_arena_reset(&all.arena);
    return wanted ? done : take_back(upload, blob, status);
}
