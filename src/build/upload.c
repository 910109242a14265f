/* The blobs: begun, cut into parts, completed. */
#include <stdio.h>
#include <string.h>

#include "build/internal.h"
#include "core/alloc.h"
#include "core/error.h"

typedef Repository__BeginUploadRequest begin_request;
typedef Repository__BeginUploadResponse begin_response;
typedef Repository__CompleteUploadRequest complete_request;
typedef Repository__Upload pb_upload;

/* --- completing ---------------------------------------------------------------------------------------------------- */

static void
finish_blob(vmx_upload *upload)
{
    vmx_build *build = upload->build;
    upload->done = true;
    vmx_count(&build->parts.counters->uploads.success, 1);
    vmx_count(&build->parts.counters->uploads.duration_us, vmx_build_now(build) - upload->started_us);
    if (build->vectors.done && (build->ids.done || !build->ids.wanted))
        vmx_build_uploaded(build);
}

static void
fail_blob(vmx_upload *upload, const vmx_error *why)
{
    vmx_build_fail(upload->build, why);
}

static void
on_completed(vmx_ask *ask)
{
    vmx_upload *upload = VMX_OWNER(vmx_upload, ask, ask);
    if (vmx_build_halted(upload->build))
        return;
    if (ask->reply == NULL)
        fail_blob(upload, &ask->error);
    else
        finish_blob(upload);
}

static void
complete(vmx_upload *upload)
{
    complete_request request;
    uint8_t out[VMX_DIGEST_MAX_BYTES];
    vmx_digest digest = {0};
    size_t len = vmx_digest_bytes(upload->build->settings.digest);
    bool made = vmx_digest_begin(&digest, upload->build->settings.digest);
    for (uint32_t i = 0; made && i < upload->part_count; i++)
        vmx_digest_update(&digest, upload->parts[i].digest, len);
    made = made && vmx_digest_peek(&digest, out) == len;
    vmx_digest_free(&digest);
    if (!made) {
        vmx_build_fail_with(upload->build, VMX_ERR_NO_MEMORY, "out of memory");
        return;
    }
    repository__complete_upload_request__init(&request);
    request.upload_id = upload->id;
    request.digest = (ProtobufCBinaryData){len, out};
    request.part_count = upload->part_count;
    vmx_ask_start(&upload->ask, upload->build, VMX_REPOSITORY_SERVICE "CompleteUpload", &request.base,
                  &repository__blob__descriptor, on_completed);
}

void
vmx_upload_part_done(vmx_upload *upload, uint32_t part)
{
    upload->parts[part].complete = true;
    if (--upload->parts_left == 0)
        complete(upload);
}

/* --- beginning ----------------------------------------------------------------------------------------------------- */

static uint64_t
part_size(const vmx_upload *upload, uint32_t part)
{
    uint64_t from = part * upload->part_bytes, left = upload->blob.size_bytes - from;
    return left < upload->part_bytes ? left : upload->part_bytes;
}

static void
note_part(vmx_upload *upload, const Repository__Part *from)
{
    size_t len = vmx_digest_bytes(upload->build->settings.digest);
    if (from->part_number >= upload->part_count || from->digest.len != len)
        return;
    vmx_part *part = &upload->parts[from->part_number];
    part->confirmed_bytes = from->confirmed_bytes;
    memcpy(part->digest, from->digest.data, len);
    if (from->complete && !part->complete && from->confirmed_bytes == part_size(upload, from->part_number)) {
        part->complete = true;
        upload->parts_left--;
    }
}

void
vmx_upload_note(vmx_upload *upload, const pb_upload *status)
{
    for (uint32_t i = 0; i < upload->part_count; i++)
        if (!upload->parts[i].complete)
            upload->parts[i].confirmed_bytes = 0;
    for (size_t i = 0; i < status->n_parts; i++)
        note_part(upload, status->parts[i]);
}

static bool
cut(vmx_upload *upload, uint64_t part_bytes)
{
    upload->part_bytes = part_bytes;
    upload->part_count = (uint32_t)((upload->blob.size_bytes + part_bytes - 1) / part_bytes);
    upload->parts_left = upload->part_count;
    upload->parts = vmx_calloc(upload->part_count, sizeof *upload->parts);
    return upload->parts != NULL;
}

/* The blob is there already: its part digests serve the splice. */
static void
adopt_blob(vmx_upload *upload, const vmx_pb_blob *blob)
{
    size_t len = vmx_digest_bytes(upload->build->settings.digest);
    bool same = blob->n_forms > 0 && blob->part_bytes == upload->part_bytes &&
                blob->forms[0]->total_bytes == upload->blob.size_bytes &&
                blob->forms[0]->n_part_digests == upload->part_count;
    if (!same) {
        upload->foreign = true;
        vmx_build_fail_with(upload->build, VMX_ERR_REJECTED,
                            "build: blob \"%s\" is there with other sizes; use another idempotency_key", upload->name);
        return;
    }
    for (uint32_t i = 0; i < upload->part_count; i++)
        if (blob->forms[0]->part_digests[i].len == len) {
            memcpy(upload->parts[i].digest, blob->forms[0]->part_digests[i].data, len);
            upload->parts[i].complete = true;
        }
    atomic_fetch_add(&upload->build->bytes_done, upload->blob.size_bytes);
    finish_blob(upload);
}

static void
start_parts(vmx_upload *upload)
{
    vmx_build *build = upload->build;
    upload->begun = true;
    for (uint32_t i = 0; i < upload->part_count; i++)
        if (upload->parts[i].complete)
            atomic_fetch_add(&build->bytes_done, part_size(upload, i));
    if (upload->parts_left == 0)
        complete(upload);
    for (size_t i = 0; i < build->sender_count && !vmx_build_halted(build); i++)
        if (!build->senders[i].actor.active)
            vmx_sender_start(&build->senders[i], build);
}

void
vmx_upload_ask(vmx_upload *upload, vmx_ask *ask, void (*answered)(vmx_ask *ask))
{
    vmx_build *build = upload->build;
    begin_request request;
    repository__begin_upload_request__init(&request);
    request.name = (char *)(uintptr_t)upload->name;
    request._total_bytes_case = REPOSITORY__BEGIN_UPLOAD_REQUEST___TOTAL_BYTES_TOTAL_BYTES;
    request.total_bytes = upload->blob.size_bytes;
    request.part_bytes = upload->part_bytes;
    request.digest = (Repository__DigestAlgorithm)build->settings.digest;
    request.upload_key = build->settings.base_key;
    vmx_ask_start(ask, build, VMX_REPOSITORY_SERVICE "BeginUpload", &request.base,
                  &repository__begin_upload_response__descriptor, answered);
}

bool
vmx_upload_keep_id(vmx_upload *upload, const begin_response *reply)
{
    const pb_upload *found = reply->upload;
    if (found == NULL || found->part_bytes != upload->part_bytes || strlen(found->upload_id) >= sizeof upload->id)
        return false;
    snprintf(upload->id, sizeof upload->id, "%s", found->upload_id);
    return true;
}

static void
on_begun(vmx_ask *ask)
{
    vmx_upload *upload = VMX_OWNER(vmx_upload, ask, ask);
    vmx_build *build = upload->build;
    const begin_response *reply = ask->reply;
    bool known = reply != NULL && vmx_upload_keep_id(upload, reply);
    if (vmx_build_halted(build))
        return;
    if (reply == NULL) {
        upload->foreign = ask->error.grpc_code == VMX_GRPC_ALREADY_EXISTS;
        fail_blob(upload, &ask->error);
        return;
    }
    if (reply->blob != NULL) {
        adopt_blob(upload, reply->blob);
        return;
    }
    if (!known) {
        vmx_build_fail_with(build, VMX_ERR_PROTOCOL, "build: the server's upload is not the one that was begun");
        return;
    }
    vmx_upload_note(upload, reply->upload);
    start_parts(upload);
}

static void
begin_blob(vmx_upload *upload)
{
    vmx_build *build = upload->build;
    if (!cut(upload, vmx_build_part_bytes(build, &upload->blob))) {
        vmx_build_fail_with(build, VMX_ERR_NO_MEMORY, "out of memory");
        return;
    }
    upload->started_us = vmx_build_now(build);
    vmx_upload_ask(upload, &upload->ask, on_begun);
}

void
vmx_upload_begin(vmx_build *build)
{
    uint64_t bytes = build->vectors.blob.size_bytes + (build->ids.wanted ? build->ids.blob.size_bytes : 0);
    vmx_build_enter(build, VMX_BUILD_UPLOAD, bytes, build->vectors.blob.rows->count);
    begin_blob(&build->vectors);
    if (build->ids.wanted && !vmx_build_halted(build))
        begin_blob(&build->ids);
}

/* --- handing out parts --------------------------------------------------------------------------------------------- */

static bool
take_from(vmx_upload *upload, uint32_t *part)
{
    for (uint32_t i = 0; upload->begun && i < upload->part_count; i++)
        if (!upload->parts[i].complete && !upload->parts[i].taken) {
            upload->parts[i].taken = true;
            *part = i;
            return true;
        }
    return false;
}

vmx_upload *
vmx_upload_take(vmx_build *build, uint32_t *part)
{
    if (take_from(&build->vectors, part))
        return &build->vectors;
    return take_from(&build->ids, part) ? &build->ids : NULL;
}
