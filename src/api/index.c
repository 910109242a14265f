#include <vecmux/index.h>

#include "api/index.h"
#include "api/run.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/sized.h"
#include "core/sync.h"

#define MAX_NAMESPACE_BYTES 512

/* --- the handle ---------------------------------------------------------------------------------------------------- */

static vmx_status
check_namespace(vmx_str name, vmx_error *error)
{
    if (name.len > MAX_NAMESPACE_BYTES)
        return vmx_error_set(error, VMX_ERR_INVALID, "index: the namespace has %zu bytes; at most %d are allowed",
                             name.len, MAX_NAMESPACE_BYTES);
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '\0' || (unsigned char)name.ptr[i] > 0x7e)
            return vmx_error_set(error, VMX_ERR_INVALID, "index: the namespace \"%.*s\" is not ASCII without NUL",
                                 vmx_error_clip(name), name.ptr);
    return VMX_OK;
}

vmx_status
vmx_index_open(vmx_client *client, vmx_str collection, vmx_str name_space, vmx_index **out, vmx_error *error)
{
    *out = NULL;
    vmx_status status = vmx_client_check_open(client, error);
    if (status == VMX_OK)
        status = client->engine.vtable->check_names(&client->engine, collection, name_space, error);
    if (status == VMX_OK)
        status = check_namespace(name_space, error);
    if (status != VMX_OK)
        return status;
    vmx_index *index = vmx_calloc(1, sizeof *index);
    if (index == NULL)
        return vmx_error_no_memory(error);
    index->client = client;
    index->collection = vmx_str_copy(collection);
    index->name_space = vmx_str_copy(name_space);
    vmx_host_acquire(&client->host);
    if (index->collection == NULL || index->name_space == NULL) {
        vmx_index_free(index);
        return vmx_error_no_memory(error);
    }
    *out = index;
    return VMX_OK;
}

void
vmx_index_free(vmx_index *index)
{
    if (index == NULL || vmx_forked())
        return;
    vmx_client *client = index->client;
    vmx_dealloc(index->collection);
    vmx_dealloc(index->name_space);
    vmx_dealloc(index);
    vmx_host_release(&client->host);
}

/* --- the operations ------------------------------------------------------------------------------------------------ */

vmx_status
vmx_index_begin(vmx_index *index, vmx_capability capability, const vmx_call_options *options, vmx_op **op,
                vmx_run **run, vmx_error *error)
{
    *op = NULL;
    vmx_status status = vmx_engine_check(&index->client->engine, capability, error);
    if (status != VMX_OK)
        return status;
    status = vmx_run_new(index->client, vmx_capability_name(capability), vmx_str_from(index->name_space), options, run,
                         error);
    if (status != VMX_OK || index->collection[0] == '\0')
        return status;
    vmx_str collection = vmx_arena_str(&(*run)->op.arena, vmx_str_from(index->collection));
    (*run)->machine.collection = collection;
    return collection.ptr != NULL ? VMX_OK : vmx_run_launch(*run, vmx_error_no_memory(&(*run)->op.error), op, error);
}

/* Smaller upserts are not counted: what that would cost is felt in them. */
#define COUNTED_BYTES 4096

static size_t
copied_bytes(const vmx_message *message, const vmx_block *lender)
{
    size_t bytes = 0;
    for (size_t i = 0; i < message->count; i++)
        if (message->slices[i].block != lender)
            bytes += message->slices[i].len;
    return bytes;
}

/* The request has its share of memory.limit.bytes from now on, until the core has let go of it. */
static vmx_status
count_request(vmx_run *run)
{
    vmx_memory *memory = run->client->memory;
    vmx_message *message = &run->step.request.message;
    vmx_error *error = &run->op.error;
    size_t bytes = copied_bytes(message, run->machine.lender);
    if (bytes < COUNTED_BYTES)
        return VMX_OK;
    if (bytes > vmx_memory_limit(memory))
        return vmx_error_set(error, VMX_ERR_TOO_LARGE,
                             "upsert: a request of %zu bytes, but memory.limit.bytes is %zu; raise it, or split the "
                             "request",
                             bytes, vmx_memory_limit(memory));
    if (!vmx_memory_try(memory, bytes))
        return vmx_error_set(error, VMX_ERR_WOULD_BLOCK,
                             "upsert: no room for a request of %zu bytes: memory.limit.bytes is in use; wait for an "
                             "operation to end, raise it, or use a writer",
                             bytes);
    if (vmx_memory_hold(memory, message, run->machine.lender, bytes))
        return VMX_OK;
    vmx_memory_release(memory, bytes);
    return vmx_error_no_memory(error);
}

vmx_status
vmx_index_upsert(vmx_index *index, const vmx_vectors *vectors, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_UPSERT, options, op, &run, error);
    if (status == VMX_OK && options != NULL)
        status = vmx_run_borrow(run, options, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->upsert(&run->machine, vectors, &run->step);
    if (status == VMX_OK && run->step.kind == VMX_STEP_CALL)
        status = count_request(run);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_query(vmx_index *index, const vmx_query *theirs, const vmx_call_options *options, vmx_op **op,
                vmx_error *error)
{
    vmx_run *run;
    vmx_query query;
    vmx_sized_read(&query, sizeof query, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_QUERY, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->query(&run->machine, &query, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_fetch(vmx_index *index, const vmx_fetch *theirs, const vmx_call_options *options, vmx_op **op,
                vmx_error *error)
{
    vmx_run *run;
    vmx_fetch fetch;
    vmx_sized_read(&fetch, sizeof fetch, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_FETCH, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->fetch(&run->machine, &fetch, &run->step);
    return vmx_run_launch(run, status, op, error);
}

/* NULL means all defaults. */
static void
read_list(vmx_list *list, const vmx_list *theirs)
{
    vmx_list_init(list, sizeof *list);
    if (theirs != NULL)
        vmx_sized_read(list, sizeof *list, theirs);
}

vmx_status
vmx_index_list(vmx_index *index, const vmx_list *theirs, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_list list;
    read_list(&list, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_LIST, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->list(&run->machine, &list, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_update(vmx_index *index, const vmx_update *theirs, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error)
{
    vmx_run *run;
    vmx_update update;
    vmx_sized_read(&update, sizeof update, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_UPDATE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->update(&run->machine, &update, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_delete(vmx_index *index, const vmx_delete *theirs, const vmx_call_options *options, vmx_op **op,
                 vmx_error *error)
{
    vmx_run *run;
    vmx_delete del;
    vmx_sized_read(&del, sizeof del, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_DELETE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->del(&run->machine, &del, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_stats(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_STATS, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->stats(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_wait_visible(vmx_index *index, uint64_t lsn, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_WAIT_VISIBLE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->wait_visible(&run->machine, lsn, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_create_namespace(vmx_index *index, const vmx_strs *filterable, const vmx_call_options *options, vmx_op **op,
                           vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_CREATE_NAMESPACE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->create_namespace(&run->machine, filterable, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_describe_namespace(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_DESCRIBE_NAMESPACE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->describe_namespace(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_delete_namespace(vmx_index *index, const vmx_call_options *options, vmx_op **op, vmx_error *error)
{
    vmx_run *run;
    vmx_status status = vmx_index_begin(index, VMX_CAN_DELETE_NAMESPACE, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->delete_namespace(&run->machine, &run->step);
    return vmx_run_launch(run, status, op, error);
}

vmx_status
vmx_index_list_namespaces(vmx_index *index, const vmx_list *theirs, const vmx_call_options *options, vmx_op **op,
                          vmx_error *error)
{
    vmx_run *run;
    vmx_list list;
    read_list(&list, theirs);
    vmx_status status = vmx_index_begin(index, VMX_CAN_LIST_NAMESPACES, options, op, &run, error);
    if (status != VMX_OK)
        return status;
    status = run->machine.engine->vtable->list_namespaces(&run->machine, &list, &run->step);
    return vmx_run_launch(run, status, op, error);
}

/* --- setting up structs -------------------------------------------------------------------------------------------- */

void
vmx_vector_init(vmx_vector *vector, size_t size)
{
    vmx_sized_init(vector, size);
}

void
vmx_query_init(vmx_query *query, size_t size)
{
    vmx_sized_init(query, size);
}

void
vmx_fetch_init(vmx_fetch *fetch, size_t size)
{
    vmx_sized_init(fetch, size);
}

void
vmx_list_init(vmx_list *list, size_t size)
{
    vmx_sized_init(list, size);
}

void
vmx_update_init(vmx_update *update, size_t size)
{
    vmx_sized_init(update, size);
}

void
vmx_delete_init(vmx_delete *del, size_t size)
{
    vmx_sized_init(del, size);
}
