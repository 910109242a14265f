/* IndexBuild's methods: requests checked, defaults filled in. */
#include "server/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/number.h"
#include "server/build/builds.h"
#include "server/build/inplace.h"
#include "server/build/steps.h"
#include "server/limits.h"
#include "server/repository/name.h"

#define DEFAULT_M     16
#define DEFAULT_EF    100
#define MAX_M         512
#define MAX_EF        10000
#define MIN_LEASE_MS  1000
#define MAX_LEASE_MS  86400000
#define MAX_PAGE      1000
#define MIN_WATCH_MS  10
#define MAX_WATCH_MS  10000
#define MAX_DOC_COUNT INT32_MAX

static void
answer(vmxd_call *call, const ProtobufCMessage *message, const vmxd_status *status)
{
    if (message)
        vmxd_call_reply(call, message);
    else
        vmxd_call_fail(call, status);
}

/* --- TriggerBuild: what is asked for -------------------------------------------------------------------------------- */

static bool
unimplemented(vmxd_status *status, const char *what)
{
    return vmxd_refuse(status, GRPC_STATUS_UNIMPLEMENTED, "%s", what);
}

static bool
check_kind(const Build__TriggerBuildRequest *request, vmxd_status *status)
{
    if (request->engine > BUILD__ENGINE__ENGINE_FAISS)
        return unimplemented(status, "engine: this server builds with FAISS only");
    if (request->algorithm > BUILD__ALGORITHM__ALGORITHM_HNSW)
        return unimplemented(status, "algorithm: this server builds HNSW only");
    if (request->data_type == BUILD__DATA_TYPE__DATA_TYPE_BYTE)
        return unimplemented(status,
                             "data_type byte: FAISS 1.7.3 stores no signed bytes (that came with 1.9.0); upload "
                             "the vectors as float32 or float16");
    if (request->data_type == BUILD__DATA_TYPE__DATA_TYPE_BINARY ||
        request->space_type == BUILD__SPACE_TYPE__SPACE_TYPE_HAMMING)
        return unimplemented(status, "data_type binary and space_type hamming: this server builds float32 and float16 "
                                     "only, by l2 and inner product");
    if (request->data_type > BUILD__DATA_TYPE__DATA_TYPE_BINARY)
        return unimplemented(status, "data_type: it is 1 (float32) or 2 (float16)");
    return request->space_type <= BUILD__SPACE_TYPE__SPACE_TYPE_HAMMING ||
           unimplemented(status, "space_type: it is 1 (l2) or 2 (inner product)");
}

static bool
check_number(const char *field, uint64_t value, uint64_t min, uint64_t max, vmxd_status *status)
{
    return (value >= min && value <= max) ||
           vmxd_invalid(status, "%s %" PRIu64 ": must be from %" PRIu64 " to %" PRIu64, field, value, min, max);
}

static bool
check_text(const char *field, const char *text, size_t max, vmxd_status *status)
{
    return strlen(text) <= max ||
           vmxd_invalid(status, "%s has %zu bytes; at most %zu are allowed", field, strlen(text), max);
}

static bool
check_parameters(const Build__TriggerBuildRequest *request, vmxd_status *status)
{
    return check_text("tenant_id", request->tenant_id, VMXD_MAX_TENANT_BYTES, status) &&
           check_text("idempotency_key", request->idempotency_key, VMXD_MAX_KEY_BYTES, status) &&
           check_number("m", request->m, 2, MAX_M, status) &&
           check_number("ef_construction", request->ef_construction, 1, MAX_EF, status) &&
           check_number("ef_search", request->ef_search, 1, MAX_EF, status) &&
           (request->lease_ms == 0 ||
            check_number("lease_ms", request->lease_ms, MIN_LEASE_MS, MAX_LEASE_MS, status)) &&
           check_number("result_part_bytes", request->result_part_bytes, VMXD_MIN_PART_BYTES, VMXD_MAX_PART_BYTES,
                        status) &&
           check_number("result_digest", request->result_digest, VMX_DIGEST_CRC32C, VMX_DIGEST_SHA256, status);
}

static void
fill_in(Build__TriggerBuildRequest *request)
{
    request->engine = request->engine ? request->engine : BUILD__ENGINE__ENGINE_FAISS;
    request->algorithm = request->algorithm ? request->algorithm : BUILD__ALGORITHM__ALGORITHM_HNSW;
    request->data_type = request->data_type ? request->data_type : BUILD__DATA_TYPE__DATA_TYPE_FLOAT32;
    request->space_type = request->space_type ? request->space_type : BUILD__SPACE_TYPE__SPACE_TYPE_L2;
    request->m = request->m ? request->m : DEFAULT_M;
    request->ef_construction = request->ef_construction ? request->ef_construction : DEFAULT_EF;
    request->ef_search = request->ef_search ? request->ef_search : DEFAULT_EF;
    if (request->result_part_bytes == 0)
        request->result_part_bytes = VMXD_DEFAULT_PART_BYTES;
    if (request->result_digest == REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_UNSPECIFIED)
        request->result_digest = REPOSITORY__DIGEST_ALGORITHM__DIGEST_ALGORITHM_CRC32C;
}

/* --- TriggerBuild: from blobs -------------------------------------------------------------------------------------- */

/* As OpenSearch names it: what follows the last dot of the last segment becomes "faiss". */
static bool
name_result(Build__TriggerBuildRequest *request, vmx_arena *arena, vmxd_status *status)
{
    if (request->result_blob[0] != '\0')
        return vmxd_blob_name_check("result_blob", request->result_blob, status);
    const char *name = request->vector_blob, *dot = strrchr(name, '.'), *slash = strrchr(name, '/');
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - name) : strlen(name);
    char *result = vmx_arena_alloc(arena, stem + sizeof ".faiss");
    if (!result)
        return vmxd_no_memory(status);
    snprintf(result, stem + sizeof ".faiss", "%.*s.faiss", (int)stem, name);
    request->result_blob = result;
    return vmxd_blob_name_check("result_blob", result, status);
}

static bool
check_blob(vmxd_service *service, const char *field, const char *name, uint64_t bytes, vmxd_status *status)
{
    if (!vmxd_blob_name_check(field, name, status))
        return false;
    vmxd_blob *blob = vmxd_repository_find(service->repository, name);
    if (!blob)
        return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "%s \"%.*s\": there is no such blob; upload it first", field,
                           vmxd_clip(name), name);
    uint64_t found = blob->bytes;
    bool discarded = blob->discarded;
    vmxd_blob_unref(blob);
    if (discarded)
        return vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                           "%s \"%.*s\": this server discards what is uploaded", field, vmxd_clip(name), name);
    return found == bytes || vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                                         "%s \"%.*s\" has %" PRIu64 " bytes; dimension and doc_count make %" PRIu64,
                                         field, vmxd_clip(name), name, found, bytes);
}

/* The result's name must be free, or be that of an earlier build of the same request. */
static bool
check_result(vmxd_service *service, const Build__TriggerBuildRequest *request, vmxd_status *status)
{
    vmxd_blob *blob = vmxd_repository_find(service->repository, request->result_blob);
    bool taken = blob && (vmxd_blob_info(blob)->build_id[0] == '\0' || request->idempotency_key[0] == '\0');
    vmxd_blob_unref(blob);
    return !taken || vmxd_refuse(status, GRPC_STATUS_ALREADY_EXISTS,
                                 "result_blob \"%.*s\" is there already; delete it, or name another",
                                 vmxd_clip(request->result_blob), request->result_blob);
}

static bool
check_from_blobs(vmxd_service *service, Build__TriggerBuildRequest *request, vmx_arena *arena, vmxd_status *status)
{
    uint64_t value_bytes = request->data_type == BUILD__DATA_TYPE__DATA_TYPE_FLOAT16 ? 2 : 4;
    if (!check_number("dimension", request->dimension, 1, VMXD_MAX_DIMENSION, status) ||
        !check_number("doc_count", request->doc_count, VMXD_MIN_BUILD_VECTORS, MAX_DOC_COUNT, status) ||
        !check_blob(service, "vector_blob", request->vector_blob, request->doc_count * request->dimension * value_bytes,
                    status))
        return false;
    if (request->doc_id_blob[0] != '\0' &&
        !check_blob(service, "doc_id_blob", request->doc_id_blob, request->doc_count * sizeof(int32_t), status))
        return false;
    return name_result(request, arena, status) && check_result(service, request, status);
}

/* --- TriggerBuild: in place ---------------------------------------------------------------------------------------- */

/* The vectors there now are what the estimate counts with. */
static bool
check_in_place(vmxd_service *service, Build__TriggerBuildRequest *request, vmxd_status *status)
{
    const char *name = request->in_place->namespace_;
    if (request->vector_blob[0] || request->doc_id_blob[0] || request->result_blob[0])
        return vmxd_invalid(status, "in_place: a build in place has no vector_blob, doc_id_blob or result_blob");
    vmxd_namespace *ns = vmxd_store_find(service->store, name);
    size_t count = 0, dimension = 0;
    if (ns) {
        vmxd_namespace_read_lock(ns);
        count = ns->exists ? ns->records.count : 0;
        dimension = ns->records.dimension;
        vmxd_namespace_unlock(ns);
    }
    if (!ns)
        return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(name), name);
    if (dimension == 0 || count < VMXD_MIN_BUILD_VECTORS)
        return vmxd_refuse(status, GRPC_STATUS_FAILED_PRECONDITION,
                           "namespace \"%.*s\" has %zu dense vectors; at least %d are needed", vmxd_clip(name), name,
                           dimension ? count : 0, VMXD_MIN_BUILD_VECTORS);
    return true;
}

static uint64_t
estimate(vmxd_service *service, const Build__TriggerBuildRequest *request)
{
    vmxd_graph_options options = vmxd_graph_options_of(request);
    uint64_t copy = 0;
    if (request->in_place) {
        vmxd_namespace *ns = vmxd_store_find(service->store, request->in_place->namespace_);
        vmxd_namespace_read_lock(ns);
        options.count = ns->records.count;
        options.dimension = ns->records.dimension;
        vmxd_namespace_unlock(ns);
        copy = options.count * options.dimension * sizeof(float);
    }
    uint64_t step = vmxd_build_step(options.count) * options.dimension * sizeof(float);
    uint64_t bytes = vmxd_graph_memory(&options) + copy + step;
    return bytes > request->expected_memory_bytes ? bytes : request->expected_memory_bytes;
}

static bool
check_memory(vmxd_service *service, uint64_t bytes, vmxd_status *status)
{
    uint64_t limit = vmxd_builds_config(service->builds)->memory_limit_bytes;
    return limit == 0 || bytes <= limit ||
           vmxd_refuse(status, GRPC_STATUS_RESOURCE_EXHAUSTED,
                       "the build needs about %" PRIu64 " bytes of memory and can never fit %" PRIu64
                       "; build fewer vectors, or raise --build-memory",
                       bytes, limit);
}

void
vmxd_handle_trigger_build(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    Build__TriggerBuildRequest *request = (Build__TriggerBuildRequest *)message;
    vmx_arena *arena = vmxd_call_arena(call);
    vmxd_status status;
    Build__Build *build = NULL;
    uint64_t memory_bytes = 0;
    fill_in(request);
    bool fine = check_kind(request, &status) && check_parameters(request, &status);
    /* a build that is known is given back, whatever became of its blobs */
    if (fine && request->idempotency_key[0] != '\0' && !request->in_place && !name_result(request, arena, &status))
        fine = false;
    bool known = fine && vmxd_builds_knows(service->builds, request);
    if (fine && !known) {
        fine = request->in_place ? check_in_place(service, request, &status)
                                 : check_from_blobs(service, request, arena, &status);
        memory_bytes = fine ? estimate(service, request) : 0;
        fine = fine && check_memory(service, memory_bytes, &status);
    }
    if (fine)
        build = vmxd_builds_trigger(service->builds, request, memory_bytes, arena, &status);
    answer(call, build ? &build->base : NULL, &status);
}

/* --- the others ---------------------------------------------------------------------------------------------------- */

void
vmxd_handle_get_build(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Build__GetBuildRequest *request = (const Build__GetBuildRequest *)message;
    vmxd_status status;
    Build__Build *build = NULL;
    if ((request->build_id[0] == '\0') == (request->idempotency_key[0] == '\0'))
        vmxd_invalid(&status, "give either build_id or idempotency_key");
    else
        build = vmxd_builds_get(service->builds, request, vmxd_call_arena(call), &status);
    answer(call, build ? &build->base : NULL, &status);
}

void
vmxd_handle_watch_build(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Build__WatchBuildRequest *request = (const Build__WatchBuildRequest *)message;
    vmxd_status status;
    if (request->min_interval_ms == 0 ||
        check_number("min_interval_ms", request->min_interval_ms, MIN_WATCH_MS, MAX_WATCH_MS, &status))
        vmxd_builds_watch(service->builds, call, request);
    else
        vmxd_call_fail(call, &status);
}

void
vmxd_handle_cancel_build(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Build__CancelBuildRequest *request = (const Build__CancelBuildRequest *)message;
    vmxd_status status;
    Build__Build *build = vmxd_builds_cancel(service->builds, request->build_id, vmxd_call_arena(call), &status);
    answer(call, build ? &build->base : NULL, &status);
}

/* A token is the number of a page's last build. */
static bool
check_page_token(const char *token, vmxd_status *status)
{
    int64_t last;
    return token[0] == '\0' || (vmx_integer_parse((vmx_str){token, strlen(token)}, false, &last) && last > 0) ||
           vmxd_invalid(
               status, "page_token \"%.64s\": is none of a ListBuilds reply's; leave it out for the first page", token);
}

void
vmxd_handle_list_builds(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Build__ListBuildsRequest *request = (const Build__ListBuildsRequest *)message;
    Build__ListBuildsResponse response;
    vmxd_status status;
    build__list_builds_response__init(&response);
    bool done = (request->page_size == 0 || check_number("page_size", request->page_size, 1, MAX_PAGE, &status)) &&
                check_page_token(request->page_token, &status) &&
                vmxd_builds_list(service->builds, request, &response, vmxd_call_arena(call), &status);
    answer(call, done ? &response.base : NULL, &status);
}

void
vmxd_handle_describe_builder(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    (void)message;
    Build__Engine engines[] = {BUILD__ENGINE__ENGINE_FAISS};
    Build__Algorithm algorithms[] = {BUILD__ALGORITHM__ALGORITHM_HNSW};
    Build__SpaceType spaces[] = {BUILD__SPACE_TYPE__SPACE_TYPE_L2, BUILD__SPACE_TYPE__SPACE_TYPE_INNER_PRODUCT};
    Build__DataType types[] = {BUILD__DATA_TYPE__DATA_TYPE_FLOAT32, BUILD__DATA_TYPE__DATA_TYPE_FLOAT16};
    Build__BuilderDescription description;
    build__builder_description__init(&description);
    description.n_engines = 1;
    description.engines = engines;
    description.n_algorithms = 1;
    description.algorithms = algorithms;
    description.n_space_types = 2;
    description.space_types = spaces;
    description.n_data_types = 2;
    description.data_types = types;
    vmxd_builds_describe(service->builds, &description);
    vmxd_call_reply(call, &description.base);
}
