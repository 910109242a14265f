#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "engine/qdrant/qdrant.h"

/* What one request may hold. Qdrant itself sets no limits but the collection's name's; its documents advise batches of 64
 * to 256 points. */
#define UPSERT_MAX_VECTORS   1000
#define UPSERT_MAX_BYTES     (8 * 1024 * 1024)
#define METADATA_MAX_BYTES   (1024 * 1024)
#define COLLECTION_MAX_BYTES 255

static bool
has_hint(const vmx_reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++)
        if (reply->headers[i].key.len == 11 && memcmp(reply->headers[i].key.ptr, "retry-after", 11) == 0)
            return true;
    return false;
}

/* RESOURCE_EXHAUSTED comes with retry-after when the rate is the trouble; without it the disk is full, the memory, or the
 * request can never fit. */
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
        return has_hint(reply) ? VMX_VERDICT_THROTTLED : VMX_VERDICT_HOPELESS;
    default:
        return VMX_VERDICT_FINAL;
    }
}

/* lib/api/build.rs of Qdrant: 1 to 255 characters, none of them a path's. */
static vmx_status
check_names(const vmx_engine *engine, vmx_str collection, vmx_str name_space, vmx_error *error)
{
    if (name_space.len > 0)
        return vmx_engine_check(engine, VMX_CAN_NAMESPACES, error);
    bool sound = collection.len >= 1 && collection.len <= COLLECTION_MAX_BYTES;
    for (size_t i = 0; i < collection.len && sound; i++)
        sound = (unsigned char)collection.ptr[i] > ' ' && strchr("/\\<>:\"|?*", collection.ptr[i]) == NULL;
    if (sound)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID,
                         "index: the collection \"%.*s\" is no name for the engine qdrant; give 1 to %d bytes without "
                         "blanks and / \\ < > : \" | ? *",
                         vmx_error_clip(collection), collection.ptr, COLLECTION_MAX_BYTES);
}

static Qdrant__WriteOrderingType
ordering_of(const char *name)
{
    if (strcmp(name, "strong") == 0)
        return QDRANT__WRITE_ORDERING_TYPE__Strong;
    return strcmp(name, "medium") == 0 ? QDRANT__WRITE_ORDERING_TYPE__Medium : QDRANT__WRITE_ORDERING_TYPE__Weak;
}

const vmx_qdrant_settings *
vmx_qdrant_settings_of(const vmx_engine *engine)
{
    return engine->state;
}

static vmx_status
init(vmx_engine *engine, const vmx_config *config, vmx_error *error)
{
    vmx_qdrant_settings *settings = vmx_calloc(1, sizeof *settings);
    if (settings == NULL)
        return vmx_error_no_memory(error);
    engine->state = settings;
    settings->vector_name = vmx_config_text(config, "qdrant.vector.name");
    settings->sparse_name = vmx_config_text(config, "qdrant.sparse.name");
    settings->wait = vmx_config_bool(config, "qdrant.wait");
    settings->ordering = ordering_of(vmx_config_text(config, "qdrant.ordering"));
    engine->limits.upsert_vectors = vmx_engine_limit(config, "upsert.max.vectors", UPSERT_MAX_VECTORS);
    engine->limits.upsert_bytes = vmx_engine_limit(config, "upsert.max.bytes", UPSERT_MAX_BYTES);
    engine->limits.metadata_bytes = vmx_engine_limit(config, "metadata.max.bytes", METADATA_MAX_BYTES);
    engine->limits.reply_bytes = 16 * (size_t)vmx_config_int(config, "receive.limit.bytes");
    vmx_engine_add_header(engine, "api-key", vmx_config_text(config, "api.key"));
    if (settings->sparse_name[0] == '\0' || strcmp(settings->sparse_name, settings->vector_name) == 0)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "qdrant.sparse.name \"%s\": sparse values need a name, and another one than the dense "
                             "values'",
                             settings->sparse_name);
    return VMX_OK;
}

static void
fini(vmx_engine *engine)
{
    vmx_dealloc(engine->state);
}

static const vmx_capability_note notes[] = {
    {VMX_CAN_QUERY, "euclidean scores are distances, not their squares"},
    {VMX_CAN_FETCH, "values of a cosine collection come back with length 1"},
    {VMX_CAN_LIST, "in the order of Qdrant's own ids: numbers, then UUIDs"},
    {VMX_CAN_UPDATE, "of both values and metadata: two calls"},
    {VMX_CAN_STATS, "as describe; counts are approximate"},
    {VMX_CAN_DESCRIBE, "counts are approximate"},
    {VMX_CAN_WAIT_VISIBLE, "writes are visible when they are answered, unless qdrant.wait=false; then use flush"},
    {VMX_CAN_BUILD, "sets indexing_threshold and waits until the collection is green"},
    {VMX_CAN_NAMESPACES, "use a collection for each, or a metadata field and a filter"},
    {VMX_CAN_HYBRID, "query both and merge"},
    {VMX_CAN_QUERY_BY_ID, "two calls; not in a batch"},
    {VMX_CAN_LIST_PREFIX, "ids are not stored in the order of their texts"},
    {VMX_CAN_UPDATE_DRY_RUN, "count counts those of a filter"},
    {VMX_CAN_SCAN_FACTOR, "use ef"},
    {0, NULL},
};

static const char manual[] =
    "The endpoint is a server's gRPC port (6334); the handle's collection is Qdrant's. `api.key` is sent with every "
    "call.\n"
    "`qdrant.vector.name`, `qdrant.sparse.name`, `qdrant.wait` and `qdrant.ordering` are in CONFIGURATION.md.\n"
    "\n"
    "Ids: Qdrant has unsigned 64-bit numbers and UUIDs. An id that is such a number (without leading zeros) or a UUID "
    "in\n"
    "lower case is that; any other is represented by the UUID of its name (version 5, name space\n"
    "906c918b-4b95-5128-93e1-b280ecb7b1ee), and the text itself is kept in the payload under `_vecmux_id`, from where "
    "it\n"
    "comes back: the same id always means the same point. Metadata may not have a member of that name.\n"
    "\n"
    "Metadata become the payload; whole numbers are stored as integers. Writes are upserts by id, so repeating one is "
    "safe.\n"
    "\n"
    "Options of ensure (JSON): `shard_number`, `replication_factor`, `write_consistency_factor`, `on_disk_payload`, "
    "and two\n"
    "objects, which build takes too: `hnsw` with `m`, `ef_construct`, `full_scan_threshold` (KB), "
    "`max_indexing_threads`,\n"
    "`on_disk`; `optimizers` with `indexing_threshold` (KB; 0: nothing is indexed), `default_segment_number`,\n"
    "`max_segment_size` (KB), `memmap_threshold` (KB), `vacuum_min_vector_number`, `flush_interval_sec`. build sets\n"
    "indexing_threshold to 1 unless it is given.\n";

const vmx_engine_vtable vmx_qdrant_vtable = {
    .name = "qdrant",
    .manual = manual,
    .features = VMX_FEATURE(VMX_CAN_SPARSE) | VMX_FEATURE(VMX_CAN_QUERY_BY_ID) | VMX_FEATURE(VMX_CAN_SEARCH_EF) |
                VMX_FEATURE(VMX_CAN_SEARCH_EXACT) | VMX_FEATURE(VMX_CAN_FETCH_BY_FILTER) |
                VMX_FEATURE(VMX_CAN_UPDATE_VALUES) | VMX_FEATURE(VMX_CAN_UPDATE_BY_FILTER) |
                VMX_FEATURE(VMX_CAN_DELETE_BY_FILTER) | VMX_FEATURE(VMX_CAN_DELETE_ALL),
    .notes = notes,
    .init = init,
    .fini = fini,
    .classify = classify,
    .check_names = check_names,
    .rows = &vmx_qdrant_rows,
    .upsert = vmx_qdrant_upsert,
    .query = vmx_qdrant_query,
    .batch_query = vmx_qdrant_batch_query,
    .fetch = vmx_qdrant_fetch,
    .list = vmx_qdrant_list,
    .update = vmx_qdrant_update,
    .del = vmx_qdrant_delete,
    .count = vmx_qdrant_count,
    .stats = vmx_qdrant_describe,
    .describe = vmx_qdrant_describe,
    .flush = vmx_qdrant_flush,
    .ensure = vmx_qdrant_ensure,
    .drop = vmx_qdrant_drop,
    .list_indexes = vmx_qdrant_list_indexes,
    .build = vmx_qdrant_build,
};
