/* VectorService/CreateNamespace, ListNamespaces, DescribeNamespace, DeleteNamespace */
#include <string.h>

#include "server/check.h"
#include "server/handlers.h"
#include "server/limits.h"
#include "server/page.h"
#include "server/results.h"
#include "server/write.h"

typedef Pinecone__MetadataSchema__FieldsEntry schema_entry;

static Pinecone__MetadataSchema *
new_schema(const vmxd_namespace *ns, vmx_arena *arena)
{
    Pinecone__MetadataSchema *schema = vmx_arena_alloc(arena, sizeof *schema);
    schema_entry *entries = vmx_arena_calloc(arena, ns->schema_len, sizeof *entries);
    schema_entry **fields = vmx_arena_calloc(arena, ns->schema_len, sizeof *fields);
    Pinecone__MetadataFieldProperties *filterable = vmx_arena_alloc(arena, sizeof *filterable);
    if (!schema || !entries || !fields || !filterable)
        return NULL;
    pinecone__metadata_field_properties__init(filterable);
    filterable->filterable = true;
    pinecone__metadata_schema__init(schema);
    schema->fields = fields;
    schema->n_fields = ns->schema_len;
    for (size_t i = 0; i < ns->schema_len; i++) {
        pinecone__metadata_schema__fields_entry__init(&entries[i]);
        entries[i].key = ns->schema[i];
        entries[i].value = filterable;
        fields[i] = &entries[i];
    }
    return schema;
}

static Pinecone__IndexedFields *
new_indexed_fields(const vmxd_namespace *ns, vmx_arena *arena)
{
    Pinecone__IndexedFields *indexed = vmx_arena_alloc(arena, sizeof *indexed);
    if (!indexed)
        return NULL;
    pinecone__indexed_fields__init(indexed);
    indexed->fields = ns->schema;
    indexed->n_fields = ns->schema_len;
    return indexed;
}

/* Points into the namespace, whose lock is held. */
static bool
fill_description(const vmxd_namespace *ns, vmx_arena *arena, Pinecone__NamespaceDescription *out)
{
    pinecone__namespace_description__init(out);
    out->name = ns->name;
    out->record_count = ns->records.count;
    out->size_bytes = vmxd_records_size(&ns->records);
    if (!ns->has_schema)
        return true;
    out->schema = new_schema(ns, arena);
    out->indexed_fields = new_indexed_fields(ns, arena);
    return out->schema && out->indexed_fields;
}

static bool
answer_description(const vmxd_namespace *ns, vmxd_call *call, vmxd_status *status)
{
    Pinecone__NamespaceDescription response;
    if (!fill_description(ns, vmxd_call_arena(call), &response))
        return vmxd_no_memory(status);
    vmxd_call_reply(call, &response.base);
    return true;
}

static bool
refuse_unknown(const char *name, vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_NOT_FOUND, "Namespace not found: \"%.*s\"", vmxd_clip(name), name);
}

static bool
check_creation(const Pinecone__CreateNamespaceRequest *request, vmxd_status *status)
{
    if (request->name[0] == '\0')
        return vmxd_invalid(status, "Namespace name must not be empty");
    if (!vmxd_check_namespace(request->name, status))
        return false;
    for (size_t i = 0; request->schema && i < request->schema->n_fields; i++) {
        const schema_entry *field = request->schema->fields[i];
        if (!field->value || !field->value->filterable)
            return vmxd_invalid(status, "Schema field '%.*s': filterable must be true", vmxd_clip(field->key),
                                field->key);
    }
    return true;
}

static bool
refuse_existing(const char *name, vmxd_status *status)
{
    return vmxd_refuse(status, GRPC_STATUS_ALREADY_EXISTS, "Namespace \"%.*s\" already exists", vmxd_clip(name), name);
}

bool
vmxd_namespace_create_as(vmxd_namespace *ns, const Pinecone__CreateNamespaceRequest *request, vmx_arena *scratch,
                         vmxd_status *status)
{
    size_t count = request->schema ? request->schema->n_fields : 0;
    const char **fields = vmx_arena_calloc(scratch, count, sizeof *fields);
    for (size_t i = 0; fields && i < count; i++)
        fields[i] = request->schema->fields[i]->key;
    if (ns->exists)
        return refuse_existing(ns->name, status);
    return (fields && vmxd_namespace_create(ns, fields, count, request->schema != NULL)) || vmxd_no_memory(status);
}

/* A namespace's creation or deletion on its way; in the call's arena. */
typedef struct change {
    vmxd_journal_entry entry; /* first */
    vmxd_call *call;
    vmxd_namespace *ns;
    const Pinecone__CreateNamespaceRequest *request; /* NULL: deletion */
} change;

static void
submit_change(vmxd_service *service, const change *wanted)
{
    vmxd_status status;
    change *self = vmx_arena_alloc(vmxd_call_arena(wanted->call), sizeof *self);
    if (self) {
        *self = *wanted;
        self->entry.body = vmxd_call_request(wanted->call);
        vmxd_journal_submit(service->journal, &self->entry);
    } else {
        vmxd_no_memory(&status);
        vmxd_call_fail(wanted->call, &status);
    }
}

static bool
check_create(vmxd_journal_entry *entry, vmxd_status *status)
{
    vmxd_namespace *ns = ((change *)entry)->ns;
    vmxd_namespace_read_lock(ns);
    bool exists = ns->exists;
    vmxd_namespace_unlock(ns);
    return !exists || refuse_existing(ns->name, status);
}

static void
finish_create(vmxd_journal_entry *entry, const vmxd_status *failure)
{
    const change *self = (change *)entry;
    vmxd_call *call = self->call;
    vmxd_namespace *ns = self->ns;
    vmxd_status status;
    if (failure) {
        vmxd_call_fail(call, failure);
        return;
    }
    vmxd_namespace_write_lock(ns);
    bool done = vmxd_namespace_create_as(ns, self->request, vmxd_call_arena(call), &status);
    if (done)
        vmxd_call_add_header(call, VMXD_HEADER_REQUEST_LSN, ns->request_lsn);
    if (!done || !answer_description(ns, call, &status))
        vmxd_call_fail(call, &status);
    vmxd_namespace_unlock(ns);
}

void
vmxd_handle_create_namespace(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__CreateNamespaceRequest *request = (const Pinecone__CreateNamespaceRequest *)message;
    vmxd_status status;
    bool valid = check_creation(request, &status);
    vmxd_namespace *ns = valid ? vmxd_store_open(service->store, request->name) : NULL;
    if (valid && !ns)
        vmxd_no_memory(&status);
    if (ns)
        submit_change(service,
                      &(change){{.kind = VMXD_JOURNAL_CREATE_NAMESPACE, .check = check_create, .finish = finish_create},
                                call,
                                ns,
                                request});
    else
        vmxd_call_fail(call, &status);
}

void
vmxd_handle_describe_namespace(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__DescribeNamespaceRequest *request = (const Pinecone__DescribeNamespaceRequest *)message;
    vmxd_namespace *ns = vmxd_store_find(service->store, request->namespace_);
    vmxd_status status;
    if (ns)
        vmxd_namespace_read_lock(ns);
    bool done = ns && ns->exists ? answer_description(ns, call, &status) : refuse_unknown(request->namespace_, &status);
    if (!done)
        vmxd_call_fail(call, &status);
    if (ns)
        vmxd_namespace_unlock(ns);
}

static bool
check_delete(vmxd_journal_entry *entry, vmxd_status *status)
{
    vmxd_namespace *ns = ((change *)entry)->ns;
    vmxd_namespace_read_lock(ns);
    bool exists = ns->exists;
    vmxd_namespace_unlock(ns);
    return exists || refuse_unknown(ns->name, status);
}

static void
finish_delete(vmxd_journal_entry *entry, const vmxd_status *failure)
{
    const change *self = (change *)entry;
    Pinecone__DeleteResponse response = PINECONE__DELETE_RESPONSE__INIT;
    vmxd_status status;
    bool existed = false;
    if (!failure) {
        vmxd_namespace_write_lock(self->ns);
        existed = self->ns->exists;
        vmxd_namespace_delete(self->ns);
        vmxd_namespace_unlock(self->ns);
    }
    if (existed) {
        vmxd_call_reply(self->call, &response.base);
        return;
    }
    if (!failure)
        refuse_unknown(self->ns->name, &status);
    vmxd_call_fail(self->call, failure ? failure : &status);
}

void
vmxd_handle_delete_namespace(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__DeleteNamespaceRequest *request = (const Pinecone__DeleteNamespaceRequest *)message;
    vmxd_namespace *ns = vmxd_store_find(service->store, request->namespace_);
    vmxd_status status;
    if (ns) {
        submit_change(service,
                      &(change){{.kind = VMXD_JOURNAL_DELETE_NAMESPACE, .check = check_delete, .finish = finish_delete},
                                call,
                                ns,
                                NULL});
    } else {
        refuse_unknown(request->namespace_, &status);
        vmxd_call_fail(call, &status);
    }
}

typedef struct listing {
    const char *after, *prefix;
    size_t limit;
} listing;

static bool
read_listing(const Pinecone__ListNamespacesRequest *request, vmx_arena *arena, listing *wanted, vmxd_status *status)
{
    bool has_limit = request->_limit_case == PINECONE__LIST_NAMESPACES_REQUEST___LIMIT_LIMIT;
    bool has_prefix = request->_prefix_case == PINECONE__LIST_NAMESPACES_REQUEST___PREFIX_PREFIX;
    bool has_token =
        request->_pagination_token_case == PINECONE__LIST_NAMESPACES_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
    if (has_limit && !vmxd_check_limit(request->limit, VMXD_MAX_LIST, status))
        return false;
    *wanted = (listing){.after = "",
                        .prefix = has_prefix ? request->prefix : "",
                        .limit = has_limit ? request->limit : VMXD_DEFAULT_PAGE};
    if (has_token)
        wanted->after = vmxd_page_token_name(request->pagination_token, arena, status);
    return wanted->after != NULL;
}

/* A copy of what a description says, because each namespace is locked for itself. */
static bool
describe(vmxd_namespace *ns, vmx_arena *arena, Pinecone__NamespaceDescription **out, bool *exists)
{
    bool described = true;
    *out = vmx_arena_alloc(arena, sizeof **out);
    vmxd_namespace_read_lock(ns);
    *exists = ns->exists;
    if (*exists && *out)
        described = fill_description(ns, arena, *out);
    if (*exists && *out && (*out)->indexed_fields) {
        char **fields = vmx_arena_calloc(arena, ns->schema_len, sizeof *fields);
        for (size_t i = 0; fields && i < ns->schema_len; i++)
            (*out)->schema->fields[i]->key = fields[i] = (char *)vmx_arena_str(arena, vmx_str_from(ns->schema[i])).ptr;
        (*out)->indexed_fields->fields = fields;
        described = described && fields;
    }
    vmxd_namespace_unlock(ns);
    return *out && described;
}

static bool
fill_list(vmxd_store *store, const listing *wanted, vmx_arena *arena, Pinecone__ListNamespacesResponse *response)
{
    vmxd_namespace **all;
    size_t count;
    if (!vmxd_store_all(store, arena, &all, &count))
        return false;
    response->namespaces = vmx_arena_calloc(arena, wanted->limit, sizeof(Pinecone__NamespaceDescription *));
    if (!response->namespaces)
        return false;
    for (size_t i = 0; i < count; i++) {
        Pinecone__NamespaceDescription *description;
        bool exists;
        if (strncmp(all[i]->name, wanted->prefix, strlen(wanted->prefix)) != 0)
            continue;
        if (!describe(all[i], arena, &description, &exists))
            return false;
        response->total_count += exists;
        if (!exists || strcmp(all[i]->name, wanted->after) <= 0)
            continue;
        if (response->n_namespaces < wanted->limit)
            response->namespaces[response->n_namespaces++] = description;
        else if (!response->pagination && !(response->pagination = vmxd_result_pagination(
                                                response->namespaces[response->n_namespaces - 1]->name, arena)))
            return false;
    }
    return true;
}

void
vmxd_handle_list_namespaces(vmxd_service *service, vmxd_call *call, ProtobufCMessage *message)
{
    const Pinecone__ListNamespacesRequest *request = (const Pinecone__ListNamespacesRequest *)message;
    vmx_arena *arena = vmxd_call_arena(call);
    Pinecone__ListNamespacesResponse response = PINECONE__LIST_NAMESPACES_RESPONSE__INIT;
    response._total_count_case = PINECONE__LIST_NAMESPACES_RESPONSE___TOTAL_COUNT_TOTAL_COUNT;
    vmxd_status status;
    listing wanted;
    if (!read_listing(request, arena, &wanted, &status)) {
        vmxd_call_fail(call, &status);
    } else if (!fill_list(service->store, &wanted, arena, &response)) {
        vmxd_no_memory(&status);
        vmxd_call_fail(call, &status);
    } else {
        vmxd_call_reply(call, &response.base);
    }
}
