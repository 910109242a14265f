/*
 * build: Qdrant has no call for it. Its optimizers build an index of each segment that is larger than the collection's
 * indexing_threshold; any change of the configuration sets them going. So: the threshold is set, then the collection is
 * looked at until it is green twice (once may be before the optimizers have looked).
 */
#include "core/error.h"
#include "engine/qdrant/qdrant.h"

#define FIRST_WAIT_MS    50
#define MAX_WAIT_MS      1000
#define THRESHOLD_KB     1 /* without an option: everything but the smallest segments is indexed */
#define LOOKS_THAT_AGREE 2

/* machine->state */
typedef struct building {
    bool no_wait;
    int green;
    int64_t wait_ms;
} building;

static void
wait(building *state, vmx_step *next)
{
    next->kind = VMX_STEP_WAIT;
    next->wait_ms = state->wait_ms;
    state->wait_ms = state->wait_ms * 2 < MAX_WAIT_MS ? state->wait_ms * 2 : MAX_WAIT_MS;
}

static void
on_info(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    building *state = machine->state;
    if (vmx_qdrant_take_info(machine, message, next) == NULL)
        return;
    const vmx_index_state *now = &machine->result->state;
    state->green = now->build == VMX_INDEX_BUILD_READY ? state->green + 1 : 0;
    if (now->build == VMX_INDEX_BUILD_FAILED)
        vmx_error_set(machine->error, VMX_ERR_SERVER, "the optimizers of \"%s\" failed: %s", machine->collection.ptr,
                      now->build_error.ptr != NULL ? now->build_error.ptr : "no reason given");
    else if (!state->no_wait && state->green < LOOKS_THAT_AGREE)
        wait(state, next);
}

static void
on_timer(vmx_machine *machine, vmx_step *next)
{
    if (vmx_qdrant_ask_info(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static void
on_started(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    if (vmx_exchange_unpack(machine, message, &qdrant__collection_operation_response__descriptor, next) == NULL)
        return;
    machine->on_reply = on_info;
    on_timer(machine, next);
}

static vmx_status
call_update(vmx_machine *machine, vmx_qdrant_options *options, vmx_step *first)
{
    Qdrant__UpdateCollection request = QDRANT__UPDATE_COLLECTION__INIT;
    if (options->optimizers._indexing_threshold_case == QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD__NOT_SET) {
        options->optimizers._indexing_threshold_case =
            QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD;
        options->optimizers.indexing_threshold = THRESHOLD_KB;
    }
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request.optimizers_config = &options->optimizers;
    request.hnsw_config = options->has_hnsw ? &options->hnsw : NULL;
    return vmx_exchange_call(machine, "/qdrant.Collections/Update", &request.base, true, true, first);
}

vmx_status
vmx_qdrant_build(vmx_machine *machine, const vmx_index_build_options *build, vmx_step *first)
{
    vmx_qdrant_options options;
    building *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = vmx_qdrant_read_options(build->options, "build: options", &options, machine->error);
    if (status == VMX_OK && options.has_create)
        status = vmx_error_set(machine->error, VMX_ERR_INVALID,
                               "build: options: only hnsw and optimizers can be given to a collection that exists");
    if (status != VMX_OK)
        return status;
    state->no_wait = build->no_wait;
    state->wait_ms = FIRST_WAIT_MS;
    machine->state = state;
    machine->on_reply = on_started;
    machine->on_timer = on_timer;
    return call_update(machine, &options, first);
}
