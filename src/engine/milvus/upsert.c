/* Upserts of one request: the rows are gathered at once, and framed when the schema is there. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "engine/check.h"
#include "engine/milvus/columns.h"
#include "engine/milvus/milvus.h"

typedef struct upsert {
    vmx_milvus_op op;           /* first */
    vmx_milvus_columns columns; /* of machine->kept */
} upsert;

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__MutationResult *result =
        vmx_exchange_unpack(machine, message, &milvus__mutation_result__descriptor, next);
    if (result == NULL)
        return;
    machine->result->has_count = true;
    machine->result->count = (uint64_t)result->upsert_cnt;
    machine->result->has_lsn = result->timestamp > 0;
    machine->result->lsn = result->timestamp;
    vmx_milvus_note_write(machine->engine->state, result->timestamp);
    vmx_exchange_done(machine, next);
}

static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    upsert *state = machine->state;
    vmx_message message;
    vmx_status status = vmx_milvus_frame(&state->columns, &machine->kept, &state->op.schema, machine->collection,
                                         vmx_str_from(vmx_milvus_partition(machine)), &message, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_message_clear(&machine->kept);
    step->kind = VMX_STEP_CALL;
    step->request =
        (vmx_request){.method = vmx_milvus_rows.method, .writes = true, .idempotent = true, .judge = vmx_milvus_judge};
    vmx_message_move(&step->request.message, &message);
    machine->on_reply = on_reply;
    return VMX_OK;
}

/* --- input --------------------------------------------------------------------------------------------------------- */

static int
compare_ids(const void *a, const void *b)
{
    const vmx_str *left = a, *right = b;
    size_t common = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->ptr, right->ptr, common);
    return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

/* Milvus 2.3 keeps both of two rows of one request that have the same id. */
static vmx_status
check_distinct(const vmx_vectors *vectors, vmx_error *error)
{
    vmx_arena scratch = {0};
    vmx_status status = VMX_OK;
    vmx_str *ids = vmx_arena_calloc(&scratch, vectors->count, sizeof *ids);
    if (ids == NULL)
        return vmx_error_no_memory(error);
    for (size_t i = 0; i < vectors->count; i++) {
        vmx_vector room;
        ids[i] = vmx_vectors_item(vectors, i, &room)->id;
    }
    qsort(ids, vectors->count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < vectors->count && status == VMX_OK; i++)
        if (compare_ids(&ids[i - 1], &ids[i]) == 0)
            status = vmx_error_set(error, VMX_ERR_INVALID,
                                   "upsert: the id \"%.*s\" stands twice in one request, which Milvus would store "
                                   "twice; send one of them",
                                   vmx_error_clip(ids[i]), ids[i].ptr);
    vmx_arena_reset(&scratch);
    return status;
}

/* vmx_rows_encode composes with this: it only gathers. The target is the upsert's own. */
typedef struct gathering_target {
    vmx_row_target target; /* first */
    vmx_milvus_columns *columns;
} gathering_target;

static vmx_status
gather(const vmx_row_target *target, const vmx_rows *rows, vmx_message *message, vmx_error *error)
{
    return vmx_milvus_gather(rows, ((const gathering_target *)target)->columns, message, error);
}

vmx_status
vmx_milvus_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first)
{
    vmx_status status = vmx_check_vectors(vectors, &machine->engine->limits, machine->error);
    if (status == VMX_OK)
        status = check_distinct(vectors, machine->error);
    if (status != VMX_OK)
        return status;
    upsert *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    gathering_target to = {{machine->engine, machine->collection, machine->name_space}, &state->columns};
    vmx_row_codec codec = vmx_milvus_rows;
    codec.compose = gather;
    status = vmx_rows_encode(&codec, &to.target, vectors, machine->lender, &machine->kept, machine->error);
    state->op.makes_partition = true;
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go, first) : status;
}
