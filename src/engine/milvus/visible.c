/* flush and wait visible. A read that is given a write's timestamp is answered when it can see the write. */
#include <string.h>

#include "core/error.h"
#include "engine/milvus/flush.h"
#include "engine/milvus/milvus.h"

/* --- seeing -------------------------------------------------------------------------------------------------------- */

typedef struct seeing {
    vmx_milvus_op op; /* first */
    vmx_milvus_view view;
    uint64_t generation; /* of the rows that will be seen */
    bool is_flush;
} seeing;

static void
on_seen(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const seeing *state = machine->state;
    vmx_message_clear(message);
    if (state->is_flush)
        vmx_milvus_rows_visible(machine->engine->state, state->generation);
    machine->result->has_lsn = !state->is_flush;
    machine->result->lsn = state->view.guarantee_timestamp;
    vmx_exchange_done(machine, next);
}

/* The cheapest read: how many there are. */
static vmx_status
look(vmx_machine *machine, vmx_step *step)
{
    static char count_field[] = "count(*)";
    const seeing *state = machine->state;
    char *field = count_field;
    Milvus__QueryRequest request = MILVUS__QUERY_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.output_fields = &field;
    request.n_output_fields = 1;
    request.consistency_level = state->view.consistency_level;
    request.guarantee_timestamp = state->view.guarantee_timestamp;
    machine->on_reply = on_seen;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("Query"), &request.base, false, true, step);
}

static seeing *
new_seeing(vmx_machine *machine, vmx_milvus_view view)
{
    seeing *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state != NULL)
        state->view = view;
    machine->state = state;
    return state;
}

vmx_status
vmx_milvus_wait_visible(vmx_machine *machine, uint64_t lsn, vmx_step *first)
{
    seeing *state = new_seeing(machine, (vmx_milvus_view){VMX_MILVUS_SESSION, lsn});
    return state != NULL ? look(machine, first) : vmx_error_no_memory(machine->error);
}

/* --- flush --------------------------------------------------------------------------------------------------------- */

static void
look_at_all(vmx_machine *machine, void *user, vmx_step *step)
{
    machine->state = user;
    if (look(machine, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

vmx_status
vmx_milvus_flush(vmx_machine *machine, vmx_step *first)
{
    seeing *state = new_seeing(machine, (vmx_milvus_view){VMX_MILVUS_STRONG, 0});
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->is_flush = true;
    state->generation = vmx_milvus_rows_generation(machine->engine->state);
    return vmx_milvus_flush_then(machine, look_at_all, state, first);
}
