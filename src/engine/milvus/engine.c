#include <ctype.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "engine/milvus/columns.h"
#include "engine/milvus/milvus.h"

/* What one request may hold. The proxy takes 64 MiB; 20 to 40 MB are its makers' advice. */
#define UPSERT_MAX_VECTORS 10000
#define UPSERT_MAX_BYTES   (24 * 1024 * 1024)
#define METADATA_MAX_BYTES 65536 /* of a JSON value */
#define NAME_MAX_BYTES     255

/* Names are letters, digits and underscores, of collections and partitions alike; a digit does not come first. */
static vmx_status
check_name(const char *what, vmx_str name, vmx_error *error)
{
    bool sound = name.len <= NAME_MAX_BYTES && !isdigit((unsigned char)name.ptr[0]);
    for (size_t i = 0; i < name.len && sound; i++)
        sound = isalnum((unsigned char)name.ptr[i]) || name.ptr[i] == '_';
    if (sound)
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID,
                         "index: the %s \"%.*s\" is no name for Milvus; use up to %d ASCII letters, digits and "
                         "underscores, no digit first",
                         what, vmx_error_clip(name), name.ptr, NAME_MAX_BYTES);
}

static vmx_status
check_names(const vmx_engine *engine, vmx_str collection, vmx_str name_space, vmx_error *error)
{
    (void)engine;
    if (collection.len == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "index: no collection; with milvus each index has a name");
    vmx_status status = check_name("collection", collection, error);
    if (status != VMX_OK || name_space.len == 0)
        return status;
    if (name_space.len == 8 && memcmp(name_space.ptr, "_default", 8) == 0)
        return vmx_error_set(error, VMX_ERR_INVALID, "index: the namespace \"_default\" is Milvus's own name for \"\"");
    return check_name("namespace", name_space, error);
}

/* --- headers ------------------------------------------------------------------------------------------------------- */

static size_t
encode_base64(const char *text, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        bits |= left > 1 ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned char)text[i + 2] : 0;
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    *at = '\0';
    return (size_t)(at - out);
}

/* authorization is "user:password" or a token in base64, without a word before it. */
static vmx_status
init(vmx_engine *engine, const vmx_config *config, vmx_error *error)
{
    const char *key = vmx_config_text(config, "api.key");
    size_t len = strlen(key);
    engine->limits.upsert_vectors = vmx_engine_limit(config, "upsert.max.vectors", UPSERT_MAX_VECTORS);
    engine->limits.upsert_bytes = vmx_engine_limit(config, "upsert.max.bytes", UPSERT_MAX_BYTES);
    engine->limits.metadata_bytes = vmx_engine_limit(config, "metadata.max.bytes", METADATA_MAX_BYTES);
    engine->limits.reply_bytes = 16 * (size_t)vmx_config_int(config, "receive.limit.bytes");
    vmx_milvus_memory *memory = vmx_milvus_memory_new(len / 3 * 4 + 5);
    engine->state = memory;
    if (memory == NULL)
        return vmx_error_no_memory(error);
    encode_base64(key, len, vmx_milvus_authorization(memory));
    vmx_engine_add_header(engine, "authorization", vmx_milvus_authorization(memory));
    vmx_engine_add_header(engine, "dbname", vmx_config_text(config, "database"));
    return VMX_OK;
}

static void
fini(vmx_engine *engine)
{
    vmx_milvus_memory_free(engine->state);
    engine->state = NULL;
}

/* --- the vtable ---------------------------------------------------------------------------------------------------- */

static const vmx_capability_note notes[] = {
    {VMX_CAN_UPDATE, "fetch the record, change it, and upsert it"},
    {VMX_CAN_UPSERT, "an id may not stand twice in one request"},
    {VMX_CAN_NAMESPACES, "partitions; ensure, create namespace and upsert make them, the bulk writer does not"},
    {VMX_CAN_BATCH_QUERY, "all queries of a batch have the same parameters and filter"},
    {VMX_CAN_SPARSE,
     "where the server has them: milvus-lite, and Milvus from 2.4 on; a record without is refused there"},
    {VMX_CAN_HYBRID, "query by dense and by sparse values and merge"},
    {VMX_CAN_SEARCH_EXACT, "ef up to 32768 comes close"},
    {VMX_CAN_LIST_PREFIX, "of text ids"},
    {VMX_CAN_BUILD, "flushes first; an index of other options replaces the one that is there"},
    {VMX_CAN_QUERY_BY_ID, "fetch the record and query by its values"},
    {0, NULL},
};

static const char manual[] =
    "The endpoint is a proxy of Milvus or Zilliz, or a milvus-lite; the handle's collection is Milvus's, its namespace "
    "a\n"
    "partition. Ids are the primary key, metadata a JSON column.\n"
    "\n"
    "Options of ensure and build (JSON): `index_type`, `params` (an object, {\"M\": 16, \"efConstruction\": 200}) and\n"
    "`metric_type`; of ensure also `id_field`, `vector_field`, `sparse_field`, `metadata_field` (the columns' names),\n"
    "`max_length` (bytes of an id) and `shards_num`.\n";

const vmx_engine_vtable vmx_milvus_vtable = {
    .name = "milvus",
    .manual = manual,
    .features = VMX_FEATURE(VMX_CAN_NAMESPACES) | VMX_FEATURE(VMX_CAN_SPARSE) | VMX_FEATURE(VMX_CAN_SEARCH_EF) |
                VMX_FEATURE(VMX_CAN_FETCH_BY_FILTER) | VMX_FEATURE(VMX_CAN_LIST_PREFIX) |
                VMX_FEATURE(VMX_CAN_DELETE_BY_FILTER) | VMX_FEATURE(VMX_CAN_DELETE_ALL),
    .notes = notes,
    .init = init,
    .fini = fini,
    .classify = vmx_milvus_classify,
    .check_names = check_names,
    .rows = &vmx_milvus_rows,
    .upsert = vmx_milvus_upsert,
    .query = vmx_milvus_query,
    .batch_query = vmx_milvus_batch_query,
    .fetch = vmx_milvus_fetch,
    .list = vmx_milvus_list,
    .del = vmx_milvus_delete,
    .count = vmx_milvus_count,
    .stats = vmx_milvus_stats,
    .wait_visible = vmx_milvus_wait_visible,
    .flush = vmx_milvus_flush,
    .ensure = vmx_milvus_ensure,
    .describe = vmx_milvus_describe,
    .drop = vmx_milvus_drop,
    .list_indexes = vmx_milvus_list_indexes,
    .build = vmx_milvus_build,
    .create_namespace = vmx_milvus_create_namespace,
    .describe_namespace = vmx_milvus_describe_namespace,
    .delete_namespace = vmx_milvus_delete_namespace,
    .list_namespaces = vmx_milvus_list_namespaces,
};
