/* The beginning of every operation: the schema, and a partition for its namespace. */
#include <string.h>

#include "core/error.h"
#include "engine/milvus/milvus.h"

static const char lite_version[] = "milvus_lite";

/* --- calls --------------------------------------------------------------------------------------------------------- */

vmx_status
vmx_milvus_call(vmx_machine *machine, const char *method, const ProtobufCMessage *message, bool writes, bool idempotent,
                vmx_step *step)
{
    vmx_status status = vmx_exchange_call(machine, method, message, writes, idempotent, step);
    step->request.judge = vmx_milvus_judge;
    return status;
}

vmx_status
vmx_milvus_call_plain(vmx_machine *machine, const char *method, const ProtobufCMessage *message, vmx_step *step)
{
    vmx_status status = vmx_exchange_call(machine, method, message, true, true, step);
    step->request.judge = vmx_milvus_judge_plain;
    return status;
}

char *
vmx_milvus_collection(const vmx_machine *machine)
{
    return (char *)(uintptr_t)machine->collection.ptr;
}

char *
vmx_milvus_partition(const vmx_machine *machine)
{
    static const char default_partition[] = "_default";
    return (char *)(uintptr_t)(machine->name_space.len > 0 ? machine->name_space.ptr : default_partition);
}

vmx_milvus_view
vmx_milvus_view_of(const vmx_machine *machine)
{
    vmx_milvus_memory *memory = machine->engine->state;
    if (vmx_milvus_reads_wait(memory))
        return (vmx_milvus_view){VMX_MILVUS_STRONG, 0};
    return (vmx_milvus_view){VMX_MILVUS_SESSION, vmx_milvus_last_write(memory)};
}

/* --- the request itself -------------------------------------------------------------------------------------------- */

/* A reply that speaks of another schema than ours, or of none. */
static bool
on_failure(vmx_machine *machine, vmx_step *next)
{
    (void)next;
    if (machine->error->code == VMX_ERR_NOT_FOUND || machine->error->grpc_code == VMX_GRPC_FAILED_PRECONDITION)
        vmx_milvus_forget(machine->engine->state, machine->collection);
    return false;
}

static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    const vmx_milvus_op *op = machine->state;
    machine->on_failure = on_failure;
    return op->go(machine, step);
}

/* --- the partition ------------------------------------------------------------------------------------------------- */

static void
on_partition_made(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    vmx_milvus_remember_partition(machine->engine->state, machine->collection, machine->name_space);
    if (go(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static bool
has_partition(const vmx_machine *machine, const Milvus__ShowPartitionsResponse *response)
{
    for (size_t i = 0; i < response->n_partition_names; i++)
        if (strcmp(response->partition_names[i], machine->name_space.ptr) == 0)
            return true;
    return false;
}

static void
on_partitions(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const Milvus__ShowPartitionsResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__show_partitions_response__descriptor, next);
    if (response == NULL)
        return;
    if (has_partition(machine, response)) {
        on_partition_made(machine, message, reply, next);
        return;
    }
    Milvus__CreatePartitionRequest request = MILVUS__CREATE_PARTITION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_name = vmx_milvus_partition(machine);
    machine->on_reply = on_partition_made;
    vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("CreatePartition"), &request.base, next);
}

/* `go`, after the namespace has been seen to if that is wanted. */
static vmx_status
go_into_partition(vmx_machine *machine, vmx_step *step)
{
    const vmx_milvus_op *op = machine->state;
    if (!op->makes_partition || machine->name_space.len == 0 ||
        vmx_milvus_recall_partition(machine->engine->state, machine->collection, machine->name_space))
        return go(machine, step);
    Milvus__ShowPartitionsRequest request = MILVUS__SHOW_PARTITIONS_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_partitions;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("ShowPartitions"), &request.base, false, true, step);
}

/* --- the schema ---------------------------------------------------------------------------------------------------- */

static void
on_described(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_milvus_op *op = machine->state;
    const Milvus__DescribeCollectionResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_collection_response__descriptor, next);
    if (response == NULL)
        return;
    bool lite = op->schema.lite;
    vmx_milvus_schema_read(response->schema, &op->schema);
    op->schema.lite = lite;
    op->schema.has_version = true;
    op->fresh = true;
    vmx_milvus_remember(machine->engine->state, machine->collection, &op->schema);
    if (go_into_partition(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static vmx_status
describe(vmx_machine *machine, vmx_step *step)
{
    Milvus__DescribeCollectionRequest request = MILVUS__DESCRIBE_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    machine->on_reply = on_described;
    machine->on_failure = on_failure;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("DescribeCollection"), &request.base, false, true, step);
}

static void
on_version(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_milvus_op *op = machine->state;
    const Milvus__GetVersionResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__get_version_response__descriptor, next);
    if (response == NULL)
        return;
    op->schema.lite = strncmp(response->version, lite_version, sizeof lite_version - 1) == 0;
    if (describe(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

/* Servers that cannot name their version are none of those that differ. */
static bool
on_no_version(vmx_machine *machine, vmx_step *next)
{
    vmx_milvus_op *op = machine->state;
    if (machine->error->grpc_code != VMX_GRPC_UNIMPLEMENTED)
        return false;
    vmx_error_clear(machine->error);
    op->schema.lite = false;
    if (describe(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
    return true;
}

static vmx_status
ask(vmx_machine *machine, vmx_step *step)
{
    Milvus__GetVersionRequest request = MILVUS__GET_VERSION_REQUEST__INIT;
    machine->on_reply = on_version;
    machine->on_failure = on_no_version;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("GetVersion"), &request.base, false, true, step);
}

vmx_status
vmx_milvus_begin(vmx_machine *machine, vmx_milvus_op *op, vmx_status (*op_go)(vmx_machine *, vmx_step *),
                 vmx_step *first)
{
    op->go = op_go;
    op->fresh = false;
    machine->state = op;
    if (!vmx_milvus_recall(machine->engine->state, machine->collection, &op->schema) || !op->schema.has_version)
        return ask(machine, first);
    vmx_status status = go_into_partition(machine, first);
    if (status == VMX_OK || status == VMX_ERR_NO_MEMORY)
        return status;
    vmx_message_clear(&first->request.message);
    vmx_error_clear(machine->error);
    return ask(machine, first);
}
