#include "server/service.h"

#include <string.h>

#include "server/handlers.h"
#include "server/limits.h"
#include "wire/arena_allocator.h"
#include "wire/guard.h"

#define REPOSITORY "/vecmux.repository.v1.VectorRepository/"
#define BUILD      "/vecmux.build.v1.IndexBuild/"

typedef struct method {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    vmxd_handler *handle;
} method;

static const method methods[] = {
    {"/VectorService/Upsert", &pinecone__upsert_request__descriptor, vmxd_handle_upsert},
    {"/VectorService/Query", &pinecone__query_request__descriptor, vmxd_handle_query},
    {"/VectorService/Fetch", &pinecone__fetch_request__descriptor, vmxd_handle_fetch},
    {"/VectorService/FetchByMetadata", &pinecone__fetch_by_metadata_request__descriptor, vmxd_handle_fetch_by_metadata},
    {"/VectorService/List", &pinecone__list_request__descriptor, vmxd_handle_list},
    {"/VectorService/Update", &pinecone__update_request__descriptor, vmxd_handle_update},
    {"/VectorService/Delete", &pinecone__delete_request__descriptor, vmxd_handle_delete},
    {"/VectorService/DescribeIndexStats", &pinecone__describe_index_stats_request__descriptor,
     vmxd_handle_describe_index_stats},
    {"/VectorService/CreateNamespace", &pinecone__create_namespace_request__descriptor, vmxd_handle_create_namespace},
    {"/VectorService/ListNamespaces", &pinecone__list_namespaces_request__descriptor, vmxd_handle_list_namespaces},
    {"/VectorService/DescribeNamespace", &pinecone__describe_namespace_request__descriptor,
     vmxd_handle_describe_namespace},
    {"/VectorService/DeleteNamespace", &pinecone__delete_namespace_request__descriptor, vmxd_handle_delete_namespace},
    {REPOSITORY "BeginUpload", &repository__begin_upload_request__descriptor, vmxd_handle_begin_upload},
    {REPOSITORY "WritePart", &repository__write_part_request__descriptor, vmxd_handle_write_part},
    {REPOSITORY "GetUpload", &repository__get_upload_request__descriptor, vmxd_handle_get_upload},
    {REPOSITORY "CompleteUpload", &repository__complete_upload_request__descriptor, vmxd_handle_complete_upload},
    {REPOSITORY "AbortUpload", &repository__abort_upload_request__descriptor, vmxd_handle_abort_upload},
    {REPOSITORY "ReadRange", &repository__read_range_request__descriptor, vmxd_handle_read_range},
    {REPOSITORY "StatBlob", &repository__stat_blob_request__descriptor, vmxd_handle_stat_blob},
    {REPOSITORY "DeleteBlob", &repository__delete_blob_request__descriptor, vmxd_handle_delete_blob},
    {REPOSITORY "ListBlobs", &repository__list_blobs_request__descriptor, vmxd_handle_list_blobs},
    {REPOSITORY "DescribeRepository", &repository__describe_repository_request__descriptor,
     vmxd_handle_describe_repository},
    {BUILD "TriggerBuild", &build__trigger_build_request__descriptor, vmxd_handle_trigger_build},
    {BUILD "GetBuild", &build__get_build_request__descriptor, vmxd_handle_get_build},
    {BUILD "WatchBuild", &build__watch_build_request__descriptor, vmxd_handle_watch_build},
    {BUILD "CancelBuild", &build__cancel_build_request__descriptor, vmxd_handle_cancel_build},
    {BUILD "ListBuilds", &build__list_builds_request__descriptor, vmxd_handle_list_builds},
    {BUILD "DescribeBuilder", &build__describe_builder_request__descriptor, vmxd_handle_describe_builder},
};

static bool
equals(vmx_str text, const char *other)
{
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static const method *
find_method(vmx_str path)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (equals(path, methods[i].path))
            return &methods[i];
    return NULL;
}

static bool
check_api_key(const vmxd_service *service, const vmxd_call *call, vmxd_status *status)
{
    vmx_str key;
    if (!service->api_key)
        return true;
    if (!vmxd_call_header(call, "api-key", &key))
        return vmxd_refuse(status, GRPC_STATUS_UNAUTHENTICATED, "Missing API key; send it as metadata \"api-key\"");
    if (!equals(key, service->api_key))
        return vmxd_refuse(status, GRPC_STATUS_UNAUTHENTICATED, "Invalid API key");
    return true;
}

static bool
check_bytes(const vmxd_call *call, const method *found, vmxd_status *status)
{
    vmx_str bytes = vmxd_call_request(call);
    size_t unpacked = 0;
    vmx_error error;
    if (!vmxd_call_has_request(call))
        return vmxd_invalid(status, "%s: the call has no message", found->path);
    if (bytes.len > VMXD_MAX_REQUEST_BYTES)
        return vmxd_invalid(
            status,
            "Your request is larger than the maximum supported size - 2MB: it has %zu bytes. Please try "
            "to reduce your batch size.",
            bytes.len);
    if (vmx_guard_check(found->request, (const uint8_t *)bytes.ptr, bytes.len, &unpacked, &error) != VMX_OK)
        return vmxd_invalid(status, "Malformed message: %.400s", error.message);
    if (unpacked > VMXD_MAX_UNPACKED_BYTES)
        return vmxd_invalid(status, "Request of %zu bytes would take %zu bytes of memory; at most %d are allowed",
                            bytes.len, unpacked, VMXD_MAX_UNPACKED_BYTES);
    return true;
}

static ProtobufCMessage *
read_request(const vmxd_service *service, vmxd_call *call, const method *found, vmxd_status *status)
{
    if (!check_api_key(service, call, status) || !check_bytes(call, found, status))
        return NULL;
    vmx_str bytes = vmxd_call_request(call);
    ProtobufCAllocator allocator = vmx_arena_allocator(vmxd_call_arena(call));
    ProtobufCMessage *request =
        protobuf_c_message_unpack(found->request, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (!request)
        vmxd_no_memory(status);
    return request;
}

void
vmxd_service_handle(void *user, vmxd_call *call)
{
    vmxd_service *service = user;
    vmxd_status status;
    vmx_str path = vmxd_call_path(call);
    const method *found = find_method(path);
    if (!found) {
        vmxd_refuse(&status, GRPC_STATUS_UNIMPLEMENTED, "Unknown method \"%.*s\"",
                    (int)(path.len < 128 ? path.len : 128), path.ptr);
        vmxd_call_fail(call, &status);
        return;
    }
    ProtobufCMessage *request = read_request(service, call, found, &status);
    if (request)
        found->handle(service, call, request);
    else
        vmxd_call_fail(call, &status);
}
