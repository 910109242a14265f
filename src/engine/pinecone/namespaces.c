/* create, describe and list namespaces; deleting one is in change.c */
#include "core/error.h"
#include "engine/pinecone/pages.h"

/* The fields indexed for filters, from whichever of the two places the server used. */
static bool
fill_fields(vmx_machine *machine, const Pinecone__NamespaceDescription *from, vmx_namespace *to)
{
    const Pinecone__IndexedFields *indexed = from->indexed_fields;
    const Pinecone__MetadataSchema *schema = from->schema;
    size_t count = indexed != NULL ? indexed->n_fields : schema != NULL ? schema->n_fields : 0;
    to->fields = vmx_arena_calloc(machine->arena, count + 1, sizeof *to->fields);
    if (to->fields == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        to->fields[i] = vmx_pinecone_str(indexed != NULL ? indexed->fields[i] : schema->fields[i]->key);
    to->field_count = count;
    return true;
}

static bool
add_namespaces(vmx_machine *machine, Pinecone__NamespaceDescription **from, size_t count)
{
    vmx_namespace_list *list = &machine->result->namespaces;
    vmx_namespace *items = vmx_namespace_list_grow(list, count + 1, machine->arena);
    bool added = items != NULL;
    for (size_t i = 0; added && i < count; i++) {
        items[i].name = vmx_pinecone_str(from[i]->name);
        items[i].vector_count = from[i]->record_count;
        items[i].size_bytes = from[i]->size_bytes;
        added = fill_fields(machine, from[i], &items[i]);
    }
    list->count += added ? count : 0;
    return added;
}

static void
on_described(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    Pinecone__NamespaceDescription *description =
        vmx_exchange_unpack(machine, message, &pinecone__namespace_description__descriptor, next);
    if (description == NULL)
        return;
    vmx_pinecone_note_lsn(machine, reply);
    if (add_namespaces(machine, &description, 1))
        vmx_exchange_done(machine, next);
    else
        vmx_exchange_no_memory(machine, next);
}

vmx_status
vmx_pinecone_describe_namespace(vmx_machine *machine, vmx_step *first)
{
    Pinecone__DescribeNamespaceRequest request = PINECONE__DESCRIBE_NAMESPACE_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_described;
    return vmx_exchange_call(machine, "/VectorService/DescribeNamespace", &request.base, false, true, first);
}

/* --- create -------------------------------------------------------------------------------------------------------- */

typedef struct schema {
    Pinecone__MetadataSchema message;
    Pinecone__MetadataFieldProperties properties; /* the same for every field: filterable */
} schema;

static vmx_status
fill_schema(vmx_arena *scratch, const vmx_strs *filterable, Pinecone__MetadataSchema **out, vmx_error *error)
{
    schema *made = vmx_arena_calloc(scratch, 1, sizeof *made);
    Pinecone__MetadataSchema__FieldsEntry *entries = vmx_arena_calloc(scratch, filterable->count, sizeof *entries);
    char **names = vmx_pinecone_texts(scratch, filterable);
    if (made == NULL || entries == NULL || names == NULL)
        return vmx_error_no_memory(error);
    pinecone__metadata_schema__init(&made->message);
    pinecone__metadata_field_properties__init(&made->properties);
    made->properties.filterable = true;
    made->message.fields = vmx_arena_calloc(scratch, filterable->count, sizeof *made->message.fields);
    if (made->message.fields == NULL)
        return vmx_error_no_memory(error);
    for (size_t i = 0; i < filterable->count; i++) {
        pinecone__metadata_schema__fields_entry__init(&entries[i]);
        entries[i].key = names[i];
        entries[i].value = &made->properties;
        made->message.fields[i] = &entries[i];
    }
    made->message.n_fields = filterable->count;
    *out = &made->message;
    return VMX_OK;
}

vmx_status
vmx_pinecone_create_namespace(vmx_machine *machine, const vmx_strs *filterable, vmx_step *first)
{
    if (machine->name_space.len == 0)
        return vmx_error_set(machine->error, VMX_ERR_INVALID,
                             "create namespace: the handle is on the default namespace \"\"; open the index with a "
                             "name");
    vmx_arena scratch = {0};
    Pinecone__CreateNamespaceRequest request = PINECONE__CREATE_NAMESPACE_REQUEST__INIT;
    request.name = (char *)(uintptr_t)machine->name_space.ptr;
    machine->on_reply = on_described;
    vmx_status status = VMX_OK;
    if (filterable != NULL && filterable->count > 0)
        status = fill_schema(&scratch, filterable, &request.schema, machine->error);
    if (status == VMX_OK)
        status = vmx_exchange_call(machine, "/VectorService/CreateNamespace", &request.base, true, false, first);
    vmx_arena_reset(&scratch);
    return status;
}

/* --- list ---------------------------------------------------------------------------------------------------------- */

static void
on_listed(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Pinecone__ListNamespacesResponse *response =
        vmx_exchange_unpack(machine, message, &pinecone__list_namespaces_response__descriptor, next);
    if (response == NULL)
        return;
    if (!add_namespaces(machine, response->namespaces, response->n_namespaces)) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    if (response->_total_count_case == PINECONE__LIST_NAMESPACES_RESPONSE___TOTAL_COUNT_TOTAL_COUNT) {
        machine->result->has_total = true;
        machine->result->total = response->total_count;
    }
    vmx_pinecone_note_lsn(machine, reply);
    vmx_pages_next(machine, response->n_namespaces, response->pagination, next);
}

static vmx_status
ask(vmx_machine *machine, const vmx_pages *pages, uint32_t limit, vmx_step *step)
{
    Pinecone__ListNamespacesRequest request = PINECONE__LIST_NAMESPACES_REQUEST__INIT;
    request._limit_case = PINECONE__LIST_NAMESPACES_REQUEST___LIMIT_LIMIT;
    request.limit = limit;
    if (pages->prefix != NULL) {
        request._prefix_case = PINECONE__LIST_NAMESPACES_REQUEST___PREFIX_PREFIX;
        request.prefix = (char *)(uintptr_t)pages->prefix;
    }
    if (pages->token != NULL) {
        request._pagination_token_case = PINECONE__LIST_NAMESPACES_REQUEST___PAGINATION_TOKEN_PAGINATION_TOKEN;
        request.pagination_token = (char *)(uintptr_t)pages->token;
    }
    return vmx_exchange_call(machine, "/VectorService/ListNamespaces", &request.base, false, true, step);
}

vmx_status
vmx_pinecone_list_namespaces(vmx_machine *machine, const vmx_list *list, vmx_step *first)
{
    machine->on_reply = on_listed;
    return vmx_pages_begin(machine, "list namespaces", list, ask, first);
}
