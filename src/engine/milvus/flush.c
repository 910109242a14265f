#include "engine/milvus/flush.h"

#include <string.h>

#include "core/error.h"
#include "engine/milvus/load.h"

typedef struct flushing {
    vmx_milvus_then then;
    void *then_state;
    int64_t *segments; /* in the arena */
    size_t segment_count;
    uint64_t timestamp;
    int64_t pause_ms;
} flushing;

static vmx_status
ask_state(vmx_machine *machine, vmx_step *step)
{
    const flushing *state = machine->state;
    Milvus__GetFlushStateRequest request = MILVUS__GET_FLUSH_STATE_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.segmentids = state->segments;
    request.n_segmentids = state->segment_count;
    request.flush_ts = state->timestamp;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("GetFlushState"), &request.base, false, true, step);
}

static void
on_timer(vmx_machine *machine, vmx_step *next)
{
    if (ask_state(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static void
on_state(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    flushing *state = machine->state;
    const Milvus__GetFlushStateResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__get_flush_state_response__descriptor, next);
    if (response == NULL)
        return;
    if (response->flushed)
        state->then(machine, state->then_state, next);
    else
        vmx_milvus_pause(&state->pause_ms, next);
}

/* milvus-lite, whose Flush returns when all is done, names no segments and no time. */
static void
on_flush(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    flushing *state = machine->state;
    const Milvus__FlushResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__flush_response__descriptor, next);
    if (response == NULL)
        return;
    for (size_t i = 0; i < response->n_coll_flush_ts; i++)
        if (strcmp(response->coll_flush_ts[i]->key, machine->collection.ptr) == 0)
            state->timestamp = response->coll_flush_ts[i]->value;
    for (size_t i = 0; i < response->n_coll_segids; i++)
        if (strcmp(response->coll_segids[i]->key, machine->collection.ptr) == 0 &&
            response->coll_segids[i]->value != NULL) {
            state->segments = response->coll_segids[i]->value->data;
            state->segment_count = response->coll_segids[i]->value->n_data;
        }
    machine->on_reply = on_state;
    if (state->segment_count == 0 && state->timestamp == 0)
        state->then(machine, state->then_state, next);
    else
        on_timer(machine, next);
}

vmx_status
vmx_milvus_flush_then(vmx_machine *machine, vmx_milvus_then then, void *then_state, vmx_step *first)
{
    flushing *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->then = then;
    state->then_state = then_state;
    char *collection = vmx_milvus_collection(machine);
    Milvus__FlushRequest request = MILVUS__FLUSH_REQUEST__INIT;
    request.collection_names = &collection;
    request.n_collection_names = 1;
    machine->state = state;
    machine->on_reply = on_flush;
    machine->on_timer = on_timer;
    machine->on_failure = NULL;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("Flush"), &request.base, true, true, first);
}
