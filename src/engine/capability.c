#include "engine/capability.h"

#include <stddef.h>
#include <string.h>

#include "engine/engine.h"

#define NO_OPERATION SIZE_MAX

typedef struct capability_row {
    const char *name;
    const char *help;
    size_t operation; /* where the vtable has it, or NO_OPERATION */
} capability_row;

#define OPERATION(row_name, member, text)                                                                              \
    {                                                                                                                  \
        .name = row_name, .help = text, .operation = offsetof(vmx_engine_vtable, member)                               \
    }
#define PART(row_name, text)                                                                                           \
    {                                                                                                                  \
        .name = row_name, .help = text, .operation = NO_OPERATION                                                      \
    }

static const capability_row rows[VMX_CAPABILITY_COUNT] = {
    [VMX_CAN_UPSERT] = OPERATION("upsert", upsert, "Inserts or replaces records."),
    [VMX_CAN_QUERY] = OPERATION("query", query, "Searches by dense values."),
    [VMX_CAN_BATCH_QUERY] = OPERATION("batch query", batch_query, "Several queries in one request."),
    [VMX_CAN_FETCH] = OPERATION("fetch", fetch, "Reads records by their ids."),
    [VMX_CAN_LIST] = OPERATION("list", list, "Lists ids."),
    [VMX_CAN_UPDATE] = OPERATION("update", update, "Changes stored records."),
    [VMX_CAN_DELETE] = OPERATION("delete", del, "Deletes records by their ids."),
    [VMX_CAN_COUNT] = OPERATION("count", count, "Counts records, all or those of a filter."),
    [VMX_CAN_STATS] = OPERATION("stats", stats, "Counts, dimension and metric."),
    [VMX_CAN_WAIT_VISIBLE] = OPERATION("wait visible", wait_visible, "Waits until one write is visible to queries."),
    [VMX_CAN_FLUSH] = OPERATION("flush", flush, "Waits until all writes before it are visible and stored."),
    [VMX_CAN_WRITER] = OPERATION("writer", rows, "The bulk writer and `vecmux load`."),
    [VMX_CAN_ENSURE] = OPERATION("ensure", ensure, "Creates the index, or verifies its dimension and metric."),
    [VMX_CAN_DESCRIBE] = OPERATION("describe", describe, "Dimension, metric, counts and the state of the build."),
    [VMX_CAN_DROP] = OPERATION("drop", drop, "Deletes the index with all that is in it."),
    [VMX_CAN_LIST_INDEXES] = OPERATION("list indexes", list_indexes, "Lists the indexes of the server."),
    [VMX_CAN_BUILD] = OPERATION("build", build, "Starts the build of the search structure and awaits it."),
    [VMX_CAN_CREATE_NAMESPACE] = OPERATION("create namespace", create_namespace, "Makes a namespace."),
    [VMX_CAN_DESCRIBE_NAMESPACE] = OPERATION("describe namespace", describe_namespace, "Describes a namespace."),
    [VMX_CAN_DELETE_NAMESPACE] = OPERATION("delete namespace", delete_namespace, "Deletes a namespace."),
    [VMX_CAN_LIST_NAMESPACES] = OPERATION("list namespaces", list_namespaces, "Lists namespaces."),
    [VMX_CAN_NAMESPACES] = PART("namespaces", "A handle on a namespace other than the default."),
    [VMX_CAN_SPARSE] = PART("sparse values", "Sparse parts of records and queries."),
    [VMX_CAN_HYBRID] = PART("hybrid query", "A query by dense and sparse values together."),
    [VMX_CAN_QUERY_BY_ID] = PART("query by id", "A query by the id of a stored record."),
    [VMX_CAN_SEARCH_EF] = PART("query ef", "The breadth of a graph's search, by query."),
    [VMX_CAN_SEARCH_EXACT] = PART("query exact", "A search of all records, by query."),
    [VMX_CAN_SCAN_FACTOR] = PART("query scan_factor", "scan_factor and max_candidates of a query."),
    [VMX_CAN_FETCH_BY_FILTER] = PART("fetch by filter", "Reads the records that a filter selects."),
    [VMX_CAN_LIST_PREFIX] = PART("list prefix", "Lists only ids that begin with a prefix."),
    [VMX_CAN_UPDATE_VALUES] = PART("update values", "Changes the values of a stored record."),
    [VMX_CAN_UPDATE_BY_FILTER] = PART("update by filter", "Changes the metadata of all that a filter selects."),
    [VMX_CAN_UPDATE_DRY_RUN] = PART("update dry run", "Counts what an update would change."),
    [VMX_CAN_DELETE_BY_FILTER] = PART("delete by filter", "Deletes the records that a filter selects."),
    [VMX_CAN_DELETE_ALL] = PART("delete all", "Deletes every record."),
};

static const capability_row *
row_of(vmx_capability capability)
{
    return (unsigned)capability < VMX_CAPABILITY_COUNT ? &rows[capability] : NULL;
}

bool
vmx_capability_of(const vmx_engine_vtable *vtable, vmx_capability capability)
{
    const capability_row *row = row_of(capability);
    if (row == NULL)
        return false;
    if (row->operation == NO_OPERATION)
        return (vtable->features & VMX_FEATURE(capability)) != 0;
    void (*function)(void);
    memcpy(&function, (const char *)vtable + row->operation, sizeof function);
    return function != NULL;
}

const char *
vmx_capability_note_of(const vmx_engine_vtable *vtable, vmx_capability capability)
{
    for (const vmx_capability_note *note = vtable->notes; note != NULL && note->text != NULL; note++)
        if (note->capability == capability)
            return note->text;
    return "";
}

/* --- the public face ----------------------------------------------------------------------------------------------- */

const char *
vmx_capability_name(vmx_capability capability)
{
    const capability_row *row = row_of(capability);
    return row != NULL ? row->name : NULL;
}

const char *
vmx_capability_help(vmx_capability capability)
{
    const capability_row *row = row_of(capability);
    return row != NULL ? row->help : NULL;
}

const char *
vmx_engine_name(size_t i)
{
    const vmx_engine_vtable *vtable = vmx_engine_vtable_at(i);
    return vtable != NULL ? vtable->name : NULL;
}

bool
vmx_engine_supports(size_t i, vmx_capability capability)
{
    const vmx_engine_vtable *vtable = vmx_engine_vtable_at(i);
    return vtable != NULL && vmx_capability_of(vtable, capability);
}

const char *
vmx_engine_manual(size_t i)
{
    const vmx_engine_vtable *vtable = vmx_engine_vtable_at(i);
    return vtable != NULL ? vtable->manual : "";
}

const char *
vmx_engine_note(size_t i, vmx_capability capability)
{
    const vmx_engine_vtable *vtable = vmx_engine_vtable_at(i);
    return vtable != NULL ? vmx_capability_note_of(vtable, capability) : "";
}
