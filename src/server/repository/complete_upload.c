/*
 * VectorRepository/CompleteUpload: on a worker. To make a large blob durable may take minutes, in which the loop has other
 * calls to serve.
 */
#include "server/handlers.h"
#include "server/repository/name.h"
#include "server/repository/upload.h"

/* In its call's arena. */
typedef struct completion {
    vmx_task task;
    vmxd_service *service;
    vmxd_call *call;
    const Repository__CompleteUploadRequest *request;
} completion;

/* A reference, or NULL with the reason. */
static vmxd_blob *
complete(vmxd_repository *repository, const Repository__CompleteUploadRequest *request, vmxd_status *status)
{
    vmxd_blob *blob = NULL;
    vmxd_upload *upload = vmxd_repository_upload(repository, request->upload_id);
    if (upload)
        vmxd_upload_complete(upload, request, &blob, status);
    else
        vmxd_refuse_upload(request->upload_id, status);
    if (upload)
        vmxd_upload_unref(upload);
    if (!blob && status->code == GRPC_STATUS_NOT_FOUND) /* a repetition */
        blob = vmxd_repository_find_uploaded(repository, request->upload_id);
    return blob;
}

static void
run(vmx_task *task)
{
    completion *self = (completion *)task;
    vmxd_call *call = self->call;
    vmxd_status status;
    vmxd_blob *blob = complete(self->service->repository, self->request, &status);
    if (blob)
        vmxd_call_reply(call, &vmxd_blob_info(blob)->base);
    else
        vmxd_call_fail(call, &status);
    vmxd_blob_unref(blob);
}

void
vmxd_handle_complete_upload(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    vmx_error error;
    vmxd_status status;
    vmx_worker *worker;
    completion *self = vmx_arena_calloc(vmxd_call_arena(call), 1, sizeof *self);
    if (!self || vmx_workers_choose(service->workers, &worker, &error) != VMX_OK) {
        vmxd_no_memory(&status);
        vmxd_call_fail(call, &status);
        return;
    }
    *self = (completion){.task.run = run,
                         .service = service,
                         .call = call,
                         .request = (const Repository__CompleteUploadRequest *)message};
    vmx_worker_submit(worker, &self->task);
}
