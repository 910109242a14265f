/* Namespaces are partitions; the default one, "", is Milvus's "_default", which cannot be made or dropped. */
#include <string.h>

#include "core/error.h"
#include "engine/milvus/milvus.h"

/* --- describe and create ------------------------------------------------------------------------------------------- */

static void
on_counted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    uint64_t count;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    if (response == NULL || !vmx_milvus_read_count(machine, response, &count))
        return;
    vmx_namespace *item = vmx_namespace_list_grow(&machine->result->namespaces, 1, machine->arena);
    if (item == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    item->name = machine->name_space;
    item->vector_count = count;
    machine->result->namespaces.count++;
    vmx_exchange_done(machine, next);
}

static vmx_status
go_count(vmx_machine *machine, vmx_step *step)
{
    const vmx_milvus_op *op = machine->state;
    machine->on_reply = on_counted;
    return vmx_milvus_ask_count(machine, &op->schema, NULL, step);
}

static vmx_status
begin(vmx_machine *machine, bool makes_partition, vmx_step *first)
{
    vmx_milvus_op *op = vmx_arena_calloc(machine->arena, 1, sizeof *op);
    if (op == NULL)
        return vmx_error_no_memory(machine->error);
    op->makes_partition = makes_partition;
    return vmx_milvus_begin(machine, op, go_count, first);
}

vmx_status
vmx_milvus_create_namespace(vmx_machine *machine, const vmx_strs *filterable, vmx_step *first)
{
    if (filterable->count > 0)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "create namespace: the engine milvus has no fields to index by namespace; give none");
    return begin(machine, true, first);
}

vmx_status
vmx_milvus_describe_namespace(vmx_machine *machine, vmx_step *first)
{
    return begin(machine, false, first);
}

/* --- delete -------------------------------------------------------------------------------------------------------- */

static void
on_dropped(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    vmx_milvus_forget(machine->engine->state, machine->collection); /* and with it, which partitions there are */
    vmx_exchange_done(machine, next);
}

static void
drop(vmx_machine *machine, vmx_step *step)
{
    Milvus__DropPartitionRequest request = MILVUS__DROP_PARTITION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_name = vmx_milvus_partition(machine);
    machine->on_reply = on_dropped;
    machine->on_failure = NULL;
    if (vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("DropPartition"), &request.base, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

static void
on_released(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    drop(machine, next);
}

/* milvus-lite releases no partitions, and drops them all the same. */
static bool
on_not_released(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code == VMX_ERR_UNAVAILABLE || machine->error->code == VMX_ERR_DEADLINE)
        return false;
    vmx_error_clear(machine->error);
    drop(machine, next);
    return true;
}

vmx_status
vmx_milvus_delete_namespace(vmx_machine *machine, vmx_step *first)
{
    if (machine->name_space.len == 0)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "delete namespace: Milvus cannot drop the default one; delete all of its records");
    char *partition = vmx_milvus_partition(machine);
    Milvus__ReleasePartitionsRequest request = MILVUS__RELEASE_PARTITIONS_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_names = &partition;
    request.n_partition_names = 1;
    machine->on_reply = on_released;
    machine->on_failure = on_not_released;
    return vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("ReleasePartitions"), &request.base, first);
}

/* --- list ---------------------------------------------------------------------------------------------------------- */

static void
on_partitions(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__ShowPartitionsResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__show_partitions_response__descriptor, next);
    if (response == NULL || !vmx_milvus_read_namespaces(machine, response))
        return;
    machine->result->has_total = true;
    machine->result->total = (int64_t)response->n_partition_names;
    vmx_exchange_done(machine, next);
}

vmx_status
vmx_milvus_list_namespaces(vmx_machine *machine, const vmx_list *list, vmx_step *first)
{
    if (list->prefix.len > 0 || list->limit > 0 || list->token.len > 0)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "list namespaces: the engine milvus lists all of them; give no prefix, limit or token");
    machine->on_reply = on_partitions;
    return vmx_milvus_show_partitions(machine, first);
}
