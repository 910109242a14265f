#include <string.h>

#include "core/error.h"
#include "engine/pinecone/pinecone.h"

/* What one request may hold (Pinecone's documented limits of operations). */
#define UPSERT_MAX_VECTORS 1000
#define UPSERT_MAX_BYTES   2000000
#define METADATA_MAX_BYTES 40960

/*
 * RESOURCE_EXHAUSTED has three meanings, told apart by who says it and by its text: the message is larger than this
 * client's own limit; the month's quota is spent; too much in this second, which pacing cures.
 */
static vmx_verdict
classify_exhausted(const vmx_reply *reply)
{
    bool spent = memmem(reply->text.ptr, reply->text.len, "month", 5) != NULL;
    return reply->reach != VMX_REACH_SERVER || spent ? VMX_VERDICT_HOPELESS : VMX_VERDICT_THROTTLED;
}

static vmx_verdict
classify(const vmx_reply *reply)
{
    switch (reply->grpc_code) {
    case VMX_GRPC_OK:
        return VMX_VERDICT_OK;
    case VMX_GRPC_UNAVAILABLE:
    case VMX_GRPC_ABORTED:
        return VMX_VERDICT_RETRIABLE;
    case VMX_GRPC_RESOURCE_EXHAUSTED:
        return classify_exhausted(reply);
    default:
        return VMX_VERDICT_FINAL;
    }
}

/* A host is "<index>-<project>.svc.<region>.pinecone.io": its first label names the index. */
static vmx_status
check_names(const vmx_engine *engine, vmx_str collection, vmx_str name_space, vmx_error *error)
{
    (void)name_space;
    size_t label = strcspn(engine->host, ".");
    bool matches =
        collection.len == 0 || (collection.len <= label && memcmp(engine->host, collection.ptr, collection.len) == 0 &&
                                (collection.len == label || engine->host[collection.len] == '-'));
    if (matches)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID,
                         "index: collection \"%.*s\" is not the endpoint's (\"%.*s\"); leave it empty: with pinecone "
                         "the endpoint is the collection",
                         vmx_error_clip(collection), collection.ptr, (int)label, engine->host);
}

static vmx_status
init(vmx_engine *engine, const vmx_config *config, vmx_error *error)
{
    (void)error;
    engine->limits.upsert_vectors = vmx_engine_limit(config, "upsert.max.vectors", UPSERT_MAX_VECTORS);
    engine->limits.upsert_bytes = vmx_engine_limit(config, "upsert.max.bytes", UPSERT_MAX_BYTES);
    engine->limits.metadata_bytes = vmx_engine_limit(config, "metadata.max.bytes", METADATA_MAX_BYTES);
    engine->limits.reply_bytes = 16 * (size_t)vmx_config_int(config, "receive.limit.bytes");
    vmx_engine_add_header(engine, "api-key", vmx_config_text(config, "api.key"));
    vmx_engine_add_header(engine, "x-pinecone-api-version", vmx_config_text(config, "api.version"));
    return VMX_OK;
}

static const char data_plane[] = "the endpoint is the index; it is made with Pinecone's control plane, over HTTP";

static const vmx_capability_note notes[] = {
    {VMX_CAN_ENSURE, data_plane},
    {VMX_CAN_DROP, data_plane},
    {VMX_CAN_LIST_INDEXES, data_plane},
    {VMX_CAN_DESCRIBE, "stats says it"},
    {VMX_CAN_COUNT, "stats counts all; an update with dry_run counts those of a filter"},
    {VMX_CAN_FLUSH, "wait visible does it for one write"},
    {VMX_CAN_BATCH_QUERY, "several queries in flight at once are as good"},
    {VMX_CAN_BUILD, "indexes build themselves"},
    {VMX_CAN_SCAN_FACTOR, "dedicated read nodes"},
    {VMX_CAN_SEARCH_EF, "dedicated read nodes have scan_factor"},
    {0, NULL},
};

const vmx_engine_vtable vmx_pinecone_vtable = {
    .name = "pinecone",
    .manual = "The endpoint is the index: the host that Pinecone's control plane names, or a vecmuxd. `api.key` and\n"
              "`api.version` are sent with every call.\n",
    .features =
        VMX_FEATURE(VMX_CAN_NAMESPACES) | VMX_FEATURE(VMX_CAN_SPARSE) | VMX_FEATURE(VMX_CAN_HYBRID) |
        VMX_FEATURE(VMX_CAN_QUERY_BY_ID) | VMX_FEATURE(VMX_CAN_SCAN_FACTOR) | VMX_FEATURE(VMX_CAN_FETCH_BY_FILTER) |
        VMX_FEATURE(VMX_CAN_LIST_PREFIX) | VMX_FEATURE(VMX_CAN_UPDATE_VALUES) | VMX_FEATURE(VMX_CAN_UPDATE_BY_FILTER) |
        VMX_FEATURE(VMX_CAN_UPDATE_DRY_RUN) | VMX_FEATURE(VMX_CAN_DELETE_BY_FILTER) | VMX_FEATURE(VMX_CAN_DELETE_ALL),
    .notes = notes,
    .init = init,
    .classify = classify,
    .check_names = check_names,
    .rows = &vmx_pinecone_rows,
    .upsert = vmx_pinecone_upsert,
    .query = vmx_pinecone_query,
    .fetch = vmx_pinecone_fetch,
    .list = vmx_pinecone_list,
    .update = vmx_pinecone_update,
    .del = vmx_pinecone_delete,
    .stats = vmx_pinecone_stats,
    .wait_visible = vmx_pinecone_wait_visible,
    .create_namespace = vmx_pinecone_create_namespace,
    .describe_namespace = vmx_pinecone_describe_namespace,
    .delete_namespace = vmx_pinecone_delete_namespace,
    .list_namespaces = vmx_pinecone_list_namespaces,
};
