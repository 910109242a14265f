/*
 * build: what is stored is flushed, so that it is in segments that get an index; the index is made, or made anew where the
 * options say something else than before; its progress is followed to the end; the collection is loaded.
 */
#include <string.h>

#include "core/error.h"
#include "engine/milvus/flush.h"
#include "engine/milvus/load.h"
#include "engine/milvus/milvus.h"

typedef struct building {
    vmx_milvus_op op; /* first */
    vmx_milvus_options options;
    const char *metric; /* Milvus's word; of the index that was there, or of the options */
    bool no_wait;
    int64_t pause_ms;
    void (*follow)(vmx_machine *machine, vmx_step *step); /* after the step that is under way */
} building;

/* --- steps whose reply is a Status --------------------------------------------------------------------------------- */

static void
on_done(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const building *state = machine->state;
    vmx_message_clear(message);
    state->follow(machine, next);
}

static void
do_step(vmx_machine *machine, vmx_status called, void (*follow)(vmx_machine *, vmx_step *), vmx_step *step)
{
    building *state = machine->state;
    state->follow = follow;
    machine->on_reply = on_done;
    machine->on_failure = NULL;
    if (called != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

/* --- the progress -------------------------------------------------------------------------------------------------- */

static const char *
column_of(const building *state)
{
    return state->op.schema.dimension > 0 ? state->op.schema.vector : state->op.schema.sparse;
}

static bool
is_built(const Milvus__IndexDescription *index)
{
    enum { FINISHED = 3 };
    return index->state == FINISHED && index->pending_index_rows == 0 && index->indexed_rows >= index->total_rows;
}

static void
fail(vmx_machine *machine, const Milvus__IndexDescription *index)
{
    const char *reason = index->index_state_fail_reason;
    vmx_error_set(machine->error, VMX_ERR_SERVER, "the build failed: %s",
                  reason[0] != '\0' ? reason : "the server gives no reason");
}

static void
on_progress(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    enum { FAILED = 4 };
    building *state = machine->state;
    const Milvus__DescribeIndexResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_index_response__descriptor, next);
    if (response == NULL)
        return;
    const Milvus__IndexDescription *index = vmx_milvus_find_index(response, column_of(state));
    if (index == NULL)
        vmx_error_set(machine->error, VMX_ERR_NOT_FOUND, "the index has been dropped while it was built");
    else if (index->state == FAILED)
        fail(machine, index);
    else if (is_built(index))
        vmx_milvus_load(machine, next);
    else
        vmx_milvus_pause(&state->pause_ms, next);
}

static void
on_timer(vmx_machine *machine, vmx_step *next)
{
    machine->on_reply = on_progress;
    if (vmx_milvus_ask_index(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static void
await(vmx_machine *machine, vmx_step *step)
{
    const building *state = machine->state;
    machine->on_failure = NULL;
    machine->on_timer = on_timer;
    if (state->no_wait)
        vmx_milvus_load(machine, step);
    else
        on_timer(machine, step);
}

/* --- the index ----------------------------------------------------------------------------------------------------- */

static void
make_index(vmx_machine *machine, vmx_step *step)
{
    const building *state = machine->state;
    bool sparse = state->op.schema.dimension == 0;
    do_step(machine, vmx_milvus_make_index(machine, column_of(state), sparse, state->metric, &state->options, step),
            await, step);
}

static void
drop_index(vmx_machine *machine, vmx_step *step)
{
    const building *state = machine->state;
    Milvus__DropIndexRequest request = MILVUS__DROP_INDEX_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.field_name = (char *)(uintptr_t)column_of(state);
    request.index_name = request.field_name;
    do_step(machine, vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("DropIndex"), &request.base, step), make_index,
            step);
}

/* An index can only be dropped, and milvus-lite only builds, where the collection is not loaded. */
static void
release(vmx_machine *machine, void (*follow)(vmx_machine *, vmx_step *), vmx_step *step)
{
    Milvus__ReleaseCollectionRequest request = MILVUS__RELEASE_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    do_step(machine, vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("ReleaseCollection"), &request.base, step),
            follow, step);
}

/* There is no index: makes one, if its metric is known. */
static void
begin_index(vmx_machine *machine, vmx_step *step)
{
    building *state = machine->state;
    state->metric = state->options.metric_type;
    if (state->metric != NULL) {
        make_index(machine, step);
        return;
    }
    vmx_error_set(machine->error, VMX_ERR_INVALID,
                  "the collection has no index yet, and so no metric: ensure it, or give the option metric_type");
    step->kind = VMX_STEP_DONE;
}

static bool
is_other(const building *state, const Milvus__IndexDescription *index)
{
    const char *type = state->options.index_type != NULL ? state->options.index_type : "HNSW";
    const char *params = state->options.params;
    return state->options.given && (strcmp(type, vmx_milvus_index_param(index, "index_type")) != 0 ||
                                    (params != NULL && strcmp(params, vmx_milvus_index_param(index, "params")) != 0));
}

static void
on_indexes(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    building *state = machine->state;
    const Milvus__DescribeIndexResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__describe_index_response__descriptor, next);
    if (response == NULL)
        return;
    const Milvus__IndexDescription *index = vmx_milvus_find_index(response, column_of(state));
    if (index == NULL) {
        begin_index(machine, next);
        return;
    }
    state->metric = vmx_milvus_index_param(index, "metric_type");
    if (is_other(state, index))
        release(machine, drop_index, next);
    else if (state->op.schema.lite)
        release(machine, await, next);
    else
        await(machine, next);
}

static bool
on_no_index(vmx_machine *machine, vmx_step *next)
{
    if (machine->error->code != VMX_ERR_NOT_FOUND)
        return false;
    vmx_error_clear(machine->error);
    begin_index(machine, next);
    return true;
}

/* --- the beginning ------------------------------------------------------------------------------------------------- */

static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    machine->on_reply = on_indexes;
    machine->on_failure = on_no_index;
    return vmx_milvus_ask_index(machine, step);
}

static void
begin_go(vmx_machine *machine, void *user, vmx_step *step)
{
    building *state = user;
    if (vmx_milvus_begin(machine, &state->op, go, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}

vmx_status
vmx_milvus_build(vmx_machine *machine, const vmx_index_build_options *options, vmx_step *first)
{
    building *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->no_wait = options->no_wait;
    vmx_status status = vmx_milvus_options_parse(machine->arena, options->options, false, "build: options",
                                                 &state->options, machine->error);
    return status == VMX_OK ? vmx_milvus_flush_then(machine, begin_go, state, first) : status;
}
