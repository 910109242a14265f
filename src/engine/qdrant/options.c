/*
 * Options of ensure and build, a JSON object: {"hnsw": {"m": 16, "ef_construct": 100}, "optimizers":
 * {"indexing_threshold": 10000}, "shard_number": 2}. docs/engines.md lists them from here.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/error.h"
#include "engine/qdrant/qdrant.h"
#include "wire/struct_json.h"

typedef Google__Protobuf__Struct json_object;
typedef Google__Protobuf__Value json_value;

typedef enum option_type { NUMBER32, NUMBER64, BOOLEAN } option_type;

/* An optional scalar of a message: where its value and its presence are. */
typedef struct option_row {
    const char *name;
    option_type type;
    size_t value;
    size_t presence;
    int present;
} option_row;

#define ROW(message, row_type, member, row_name, present_case)                                                         \
    {                                                                                                                  \
        .name = row_name, .type = row_type, .value = offsetof(message, member),                                        \
        .presence = offsetof(message, _##member##_case), .present = present_case                                       \
    }

static const option_row hnsw_rows[] = {
    ROW(Qdrant__HnswConfigDiff, NUMBER64, m, "m", QDRANT__HNSW_CONFIG_DIFF___M_M),
    ROW(Qdrant__HnswConfigDiff, NUMBER64, ef_construct, "ef_construct",
        QDRANT__HNSW_CONFIG_DIFF___EF_CONSTRUCT_EF_CONSTRUCT),
    ROW(Qdrant__HnswConfigDiff, NUMBER64, full_scan_threshold, "full_scan_threshold",
        QDRANT__HNSW_CONFIG_DIFF___FULL_SCAN_THRESHOLD_FULL_SCAN_THRESHOLD),
    ROW(Qdrant__HnswConfigDiff, NUMBER64, max_indexing_threads, "max_indexing_threads",
        QDRANT__HNSW_CONFIG_DIFF___MAX_INDEXING_THREADS_MAX_INDEXING_THREADS),
    ROW(Qdrant__HnswConfigDiff, BOOLEAN, on_disk, "on_disk", QDRANT__HNSW_CONFIG_DIFF___ON_DISK_ON_DISK),
    {.name = NULL},
};

static const option_row optimizers_rows[] = {
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, vacuum_min_vector_number, "vacuum_min_vector_number",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___VACUUM_MIN_VECTOR_NUMBER_VACUUM_MIN_VECTOR_NUMBER),
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, default_segment_number, "default_segment_number",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___DEFAULT_SEGMENT_NUMBER_DEFAULT_SEGMENT_NUMBER),
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, max_segment_size, "max_segment_size",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___MAX_SEGMENT_SIZE_MAX_SEGMENT_SIZE),
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, memmap_threshold, "memmap_threshold",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___MEMMAP_THRESHOLD_MEMMAP_THRESHOLD),
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, indexing_threshold, "indexing_threshold",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD),
    ROW(Qdrant__OptimizersConfigDiff, NUMBER64, flush_interval_sec, "flush_interval_sec",
        QDRANT__OPTIMIZERS_CONFIG_DIFF___FLUSH_INTERVAL_SEC_FLUSH_INTERVAL_SEC),
    {.name = NULL},
};

static const option_row create_rows[] = {
    ROW(Qdrant__CreateCollection, NUMBER32, shard_number, "shard_number",
        QDRANT__CREATE_COLLECTION___SHARD_NUMBER_SHARD_NUMBER),
    ROW(Qdrant__CreateCollection, BOOLEAN, on_disk_payload, "on_disk_payload",
        QDRANT__CREATE_COLLECTION___ON_DISK_PAYLOAD_ON_DISK_PAYLOAD),
    ROW(Qdrant__CreateCollection, NUMBER32, replication_factor, "replication_factor",
        QDRANT__CREATE_COLLECTION___REPLICATION_FACTOR_REPLICATION_FACTOR),
    ROW(Qdrant__CreateCollection, NUMBER32, write_consistency_factor, "write_consistency_factor",
        QDRANT__CREATE_COLLECTION___WRITE_CONSISTENCY_FACTOR_WRITE_CONSISTENCY_FACTOR),
    {.name = NULL},
};

static const option_row *
find(const option_row *rows, const char *name)
{
    for (; rows->name != NULL; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
}

/* Sets the option in `message`; false if the value is of another kind, or no whole number in range. */
static bool
set_option(const option_row *row, const json_value *value, void *message)
{
    char *place = (char *)message + row->value;
    if (row->type == BOOLEAN) {
        protobuf_c_boolean set = value->bool_value;
        memcpy(place, &set, sizeof set);
        memcpy((char *)message + row->presence, &row->present, sizeof row->present);
        return value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
    }
    double number = value->number_value, max = row->type == NUMBER32 ? 4294967295.0 : 9007199254740992.0;
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE || number != floor(number) || number < 0 ||
        number > max)
        return false;
    uint32_t narrow = (uint32_t)(row->type == NUMBER32 ? number : 0);
    uint64_t wide = (uint64_t)number;
    if (row->type == NUMBER32)
        memcpy(place, &narrow, sizeof narrow);
    else
        memcpy(place, &wide, sizeof wide);
    memcpy((char *)message + row->presence, &row->present, sizeof row->present);
    return true;
}

static vmx_status
read_member(const option_row *rows, const char *name, const json_value *value, const char *what, void *message,
            vmx_error *error)
{
    const option_row *row = find(rows, name);
    if (row == NULL)
        return vmx_error_set(error, VMX_ERR_INVALID,
                             "%s: the engine qdrant has no option \"%.*s\" there; docs/engines.md lists them", what,
                             vmx_error_clip(vmx_str_from(name)), name);
    if (!set_option(row, value, message))
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: \"%s\" takes %s", what, name,
                             row->type == BOOLEAN ? "true or false" : "a whole number");
    return VMX_OK;
}

/* "hnsw": {...} */
static vmx_status
read_group(const option_row *rows, const char *name, const json_value *value, const char *what, void *message,
           vmx_error *error)
{
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
        return vmx_error_set(error, VMX_ERR_INVALID, "%s: \"%s\" takes an object", what, name);
    vmx_status status = VMX_OK;
    for (size_t i = 0; i < value->struct_value->n_fields && status == VMX_OK; i++)
        status = read_member(rows, value->struct_value->fields[i]->key, value->struct_value->fields[i]->value, what,
                             message, error);
    return status;
}

static vmx_status
read_top(const char *name, const json_value *value, const char *what, vmx_qdrant_options *options, vmx_error *error)
{
    if (strcmp(name, "hnsw") == 0) {
        options->has_hnsw = true;
        return read_group(hnsw_rows, name, value, what, &options->hnsw, error);
    }
    if (strcmp(name, "optimizers") == 0) {
        options->has_optimizers = true;
        return read_group(optimizers_rows, name, value, what, &options->optimizers, error);
    }
    options->has_create = true;
    return read_member(create_rows, name, value, what, &options->create, error);
}

vmx_status
vmx_qdrant_read_options(vmx_str json, const char *what, vmx_qdrant_options *options, vmx_error *error)
{
    vmx_arena scratch = {0};
    json_object *object = NULL;
    *options = (vmx_qdrant_options){0};
    qdrant__hnsw_config_diff__init(&options->hnsw);
    qdrant__optimizers_config_diff__init(&options->optimizers);
    qdrant__create_collection__init(&options->create);
    vmx_status status = json.len > 0 ? vmx_struct_from_json(&scratch, json, what, &object, error) : VMX_OK;
    for (size_t i = 0; object != NULL && i < object->n_fields && status == VMX_OK; i++)
        status = read_top(object->fields[i]->key, object->fields[i]->value, what, options, error);
    vmx_arena_reset(&scratch);
    return status;
}
