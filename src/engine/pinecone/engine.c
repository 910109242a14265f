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
check_collection(const vmx_engine *engine, vmx_str collection, vmx_error *error)
{
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

static const vmx_engine_vtable vtable = {
    .name = "pinecone",
    .classify = classify,
    .check_collection = check_collection,
    .write_method = "/VectorService/Upsert",
    .read_written = vmx_pinecone_read_written,
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

static void
add_header(vmx_engine *engine, const char *key, const char *value)
{
    if (value[0] != '\0')
        engine->headers[engine->header_count++] = (vmx_header){vmx_str_from(key), vmx_str_from(value)};
}

/* The property's value, or the engine's own limit where it is 0. */
static size_t
limit_of(const vmx_config *config, const char *name, size_t own)
{
    int64_t value = vmx_config_int(config, name);
    return value > 0 ? (size_t)value : own;
}

void
vmx_pinecone_init(vmx_engine *engine, const vmx_config *config)
{
    engine->vtable = &vtable;
    engine->limits.upsert_vectors = limit_of(config, "upsert.max.vectors", UPSERT_MAX_VECTORS);
    engine->limits.upsert_bytes = limit_of(config, "upsert.max.bytes", UPSERT_MAX_BYTES);
    engine->limits.metadata_bytes = limit_of(config, "metadata.max.bytes", METADATA_MAX_BYTES);
    engine->limits.reply_bytes = 16 * (size_t)vmx_config_int(config, "receive.limit.bytes");
    engine->header_count = 0;
    add_header(engine, "api-key", vmx_config_text(config, "api.key"));
    add_header(engine, "x-pinecone-api-version", vmx_config_text(config, "api.version"));
}
