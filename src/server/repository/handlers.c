/* VectorRepository's unary methods. */
#include "server/handlers.h"

#include <inttypes.h>
#include <string.h>

#include "server/repository/name.h"
#include "server/repository/upload.h"

#define DEFAULT_PAGE 100
#define MAX_PAGE     1000
#define MIB          ((uint64_t)1 << 20)

/* Answers with `message`, or, NULL, with the status. */
static void
answer(vmxd_call *call, const ProtobufCMessage *message, const vmxd_status *status)
{
    if (message)
        vmxd_call_reply(call, message);
    else
        vmxd_call_fail(call, status);
}

/* --- BeginUpload --------------------------------------------------------------------------------------------------- */

static bool
knows_total(const Repository__BeginUploadRequest *request)
{
    return request->_total_bytes_case != REPOSITORY__BEGIN_UPLOAD_REQUEST___TOTAL_BYTES__NOT_SET;
}

/* Fills in what was not given: parts of 8 MiB, or more where there would be too many. */
static void
fill_in(Repository__BeginUploadRequest *request)
{
    if (request->digest == REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_UNSPECIFIED)
        request->digest = REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_CRC32C;
    if (request->part_bytes != 0)
        return;
    uint64_t least = knows_total(request) ? request->total_bytes / VMXD_MAX_PARTS + 1 : 0;
    request->part_bytes = least <= VMXD_DEFAULT_PART_BYTES ? VMXD_DEFAULT_PART_BYTES : (least + MIB - 1) / MIB * MIB;
}

static bool
check_begin(const Repository__BeginUploadRequest *request, vmxd_status *status)
{
    uint64_t part = request->part_bytes;
    if (!vmxd_blob_name_check("name", request->name, status))
        return false;
    if (part < VMXD_MIN_PART_BYTES || part > VMXD_MAX_PART_BYTES)
        return vmxd_invalid(status, "part_bytes %" PRIu64 ": must be from %d to %" PRIu64 ", or 0", part,
                            VMXD_MIN_PART_BYTES, VMXD_MAX_PART_BYTES);
    if (knows_total(request) && request->total_bytes > part * VMXD_MAX_PARTS)
        return vmxd_invalid(
            status, "total_bytes %" PRIu64 ": more than %d parts of %" PRIu64 " bytes; give a larger part_bytes, or 0",
            request->total_bytes, VMXD_MAX_PARTS, part);
    if (request->digest != REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_CRC32C &&
        request->digest != REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_SHA256)
        return vmxd_invalid(status, "digest %d: it is 1 (crc32c) or 2 (sha256)", (int)request->digest);
    size_t key_len = strlen(request->upload_key);
    return key_len <= VMXD_MAX_KEY_BYTES ||
           vmxd_invalid(status, "upload_key has %zu bytes; at most %d are allowed", key_len, VMXD_MAX_KEY_BYTES);
}

static bool
same_upload(const Repository__BeginUploadRequest *a, const Repository__BeginUploadRequest *b, vmxd_status *status)
{
    bool same_total = knows_total(a) == knows_total(b) && (!knows_total(a) || a->total_bytes == b->total_bytes);
    return (same_total && a->part_bytes == b->part_bytes && a->digest == b->digest) ||
           vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                       "upload_key \"%.*s\": its unfinished upload of \"%.*s\" has %s; abort it, or take another key",
                       vmxd_clip(a->upload_key), a->upload_key, vmxd_clip(a->name), a->name,
                       !same_total                      ? "another total_bytes"
                       : a->part_bytes != b->part_bytes ? "another part_bytes"
                                                        : "another digest");
}

/* The blob that is there already: the caller's own, or one in its way. False with the reason. */
static bool
find_blob(vmxd_service *service, const Repository__BeginUploadRequest *request, vmxd_blob **own, vmxd_status *status)
{
    vmxd_blob *blob = vmxd_repository_find(service->repository, request->name);
    bool is_own = blob && request->upload_key[0] != '\0' && strcmp(blob->stored->upload_key, request->upload_key) == 0;
    bool fine =
        !blob || is_own || request->replace ||
        vmxd_refuse(status, GRPC_STATUS_ALREADY_EXISTS, "a blob \"%.*s\" is there already; delete it, or set replace",
                    vmxd_clip(request->name), request->name);
    *own = is_own ? blob : NULL;
    if (!is_own)
        vmxd_blob_unref(blob);
    return fine;
}

/* The upload of that key, or a new one; NULL with the reason. */
static vmxd_upload *
open_upload(vmxd_service *service, const Repository__BeginUploadRequest *request, bool *resumed, vmxd_status *status)
{
    vmxd_upload *upload = NULL;
    if (request->upload_key[0] != '\0')
        upload = vmxd_repository_upload_of(service->repository, request->name, request->upload_key);
    *resumed = upload != NULL;
    if (!upload)
        return vmxd_upload_new(service->repository, request, status);
    if (same_upload(vmxd_upload_stored(upload)->begin, request, status))
        return upload;
    vmxd_upload_unref(upload);
    return NULL;
}

void
vmxd_handle_begin_upload(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    Repository__BeginUploadRequest *request = (Repository__BeginUploadRequest *)message;
    Repository__BeginUploadResponse response;
    vmxd_status status;
    vmxd_blob *own = NULL;
    bool resumed = false;
    repository__begin_upload_response__init(&response);
    fill_in(request);
    vmxd_repository_lock_beginning(service->repository);
    bool fine = check_begin(request, &status) && find_blob(service, request, &own, &status);
    vmxd_upload *upload = fine && !own ? open_upload(service, request, &resumed, &status) : NULL;
    vmxd_repository_unlock_beginning(service->repository);
    response.resumed = resumed;
    if (own)
        response.blob = (Repository__Blob *)vmxd_blob_info(own);
    if (upload && !(response.upload = vmxd_upload_describe(upload, vmxd_call_arena(call))))
        vmxd_no_memory(&status);
    answer(call, response.blob || response.upload ? &response.base : NULL, &status);
    vmxd_blob_unref(own);
    if (upload)
        vmxd_upload_unref(upload);
}

/* --- GetUpload, AbortUpload ---------------------------------------------------------------------------------------- */

bool
vmxd_refuse_upload(const char *id, vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND,
                       "upload_id \"%.*s\": there is no such upload; it was aborted or completed, or never begun here",
                       vmxd_clip(id), id);
}

void
vmxd_handle_get_upload(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Repository__GetUploadRequest *request = (const Repository__GetUploadRequest *)message;
    vmxd_status status;
    Repository__Upload *told = NULL;
    vmxd_upload *upload = vmxd_repository_upload(service->repository, request->upload_id);
    if (!upload)
        vmxd_refuse_upload(request->upload_id, &status);
    else if (!(told = vmxd_upload_describe(upload, vmxd_call_arena(call))))
        vmxd_no_memory(&status);
    answer(call, told ? &told->base : NULL, &status);
    if (upload)
        vmxd_upload_unref(upload);
}

void
vmxd_handle_abort_upload(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Repository__AbortUploadRequest *request = (const Repository__AbortUploadRequest *)message;
    Repository__AbortUploadResponse response;
    repository__abort_upload_response__init(&response);
    vmxd_upload *upload = vmxd_repository_upload(service->repository, request->upload_id);
    if (upload) {
        response.existed = vmxd_upload_abort(upload);
        vmxd_upload_unref(upload);
    }
    vmxd_call_reply(call, &response.base);
}

/* --- blobs --------------------------------------------------------------------------------------------------------- */

void
vmxd_handle_stat_blob(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const char *name = ((const Repository__StatBlobRequest *)message)->name;
    vmxd_status status;
    vmxd_blob *blob = NULL;
    if (vmxd_blob_name_check("name", name, &status)) {
        blob = vmxd_repository_find(service->repository, name);
        if (!blob)
            vmxd_refuse(&status, GRPC_STATUS_NOT_FOUND, "there is no blob \"%.*s\"", vmxd_clip(name), name);
    }
    answer(call, blob ? &vmxd_blob_info(blob)->base : NULL, &status);
    vmxd_blob_unref(blob);
}

void
vmxd_handle_delete_blob(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const char *name = ((const Repository__DeleteBlobRequest *)message)->name;
    vmxd_status status;
    Repository__DeleteBlobResponse response;
    repository__delete_blob_response__init(&response);
    bool named = vmxd_blob_name_check("name", name, &status);
    if (named)
        response.existed = vmxd_repository_delete(service->repository, name);
    answer(call, named ? &response.base : NULL, &status);
}

void
vmxd_handle_list_blobs(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Repository__ListBlobsRequest *request = (const Repository__ListBlobsRequest *)message;
    vmx_arena *arena = vmxd_call_arena(call);
    Repository__ListBlobsResponse response;
    vmxd_status status;
    vmxd_blob *found[MAX_PAGE];
    size_t count = request->page_size ? request->page_size : DEFAULT_PAGE;
    bool more;
    repository__list_blobs_response__init(&response);
    if (count > MAX_PAGE) {
        vmxd_invalid(&status, "page_size %zu: must be from 1 to %d, or 0", count, MAX_PAGE);
        vmxd_call_fail(call, &status);
        return;
    }
    vmxd_repository_list(service->repository, request->prefix, request->page_token, found, &count, &more);
    response.blobs = vmx_arena_calloc(arena, count + 1, sizeof *response.blobs);
    bool done = response.blobs != NULL;
    for (size_t i = 0; done && i < count; i++)
        done = (response.blobs[response.n_blobs++] = vmxd_blob_summary(found[i], arena)) != NULL;
    if (done && more)
        response.next_page_token = vmxd_blob_info(found[count - 1])->name;
    if (!done)
        vmxd_no_memory(&status);
    answer(call, done ? &response.base : NULL, &status);
    for (size_t i = 0; i < count; i++)
        vmxd_blob_unref(found[i]);
}

void
vmxd_handle_describe_repository(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    (void)message;
    Repository__RepositoryDescription description;
    vmxd_repository_describe(service->repository, &description);
    vmxd_call_reply(call, &description.base);
}
