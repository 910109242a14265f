#include "engine/milvus/load.h"

#include <string.h>

#include "core/error.h"

#define FIRST_PAUSE_MS 50
#define MAX_PAUSE_MS   1000

void
vmx_milvus_pause(int64_t *pause_ms, vmx_step *step)
{
    *pause_ms = *pause_ms == 0 ? FIRST_PAUSE_MS : *pause_ms * 2 < MAX_PAUSE_MS ? *pause_ms * 2 : MAX_PAUSE_MS;
    step->kind = VMX_STEP_WAIT;
    step->wait_ms = *pause_ms;
}

/* --- the index ----------------------------------------------------------------------------------------------------- */

vmx_status
vmx_milvus_ask_index(vmx_machine *machine, vmx_step *step)
{
    Milvus__DescribeIndexRequest request = MILVUS__DESCRIBE_INDEX_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("DescribeIndex"), &request.base, false, true, step);
}

#define PAIR_COUNT 3

vmx_status
vmx_milvus_make_index(vmx_machine *machine, const char *field, bool sparse, const char *metric,
                      const vmx_milvus_options *options, vmx_step *step)
{
    static const char *const keys[PAIR_COUNT] = {"index_type", "metric_type", "params"};
    bool own = !sparse && options->index_type != NULL;
    const char *type = own ? options->index_type : sparse ? "SPARSE_INVERTED_INDEX" : "HNSW";
    const char *defaults = sparse || own ? "{}" : "{\"M\":16,\"efConstruction\":200}";
    const char *params = !sparse && options->params != NULL ? options->params : defaults;
    const char *values[PAIR_COUNT] = {type, sparse ? "IP" : metric, params};
    Milvus__KeyValuePair pairs[PAIR_COUNT], *list[PAIR_COUNT];
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        milvus__key_value_pair__init(&pairs[i]);
        pairs[i].key = (char *)(uintptr_t)keys[i];
        pairs[i].value = (char *)(uintptr_t)values[i];
        list[i] = &pairs[i];
    }
    Milvus__CreateIndexRequest request = MILVUS__CREATE_INDEX_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.field_name = (char *)(uintptr_t)field;
    request.index_name = (char *)(uintptr_t)field;
    request.extra_params = list;
    request.n_extra_params = PAIR_COUNT;
    return vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("CreateIndex"), &request.base, step);
}

/* --- loading ------------------------------------------------------------------------------------------------------- */

typedef struct loading {
    int64_t pause_ms;
} loading;

static vmx_status
ask_progress(vmx_machine *machine, vmx_step *step)
{
    Milvus__GetLoadingProgressRequest request = MILVUS__GET_LOADING_PROGRESS_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("GetLoadingProgress"), &request.base, false, true, step);
}

static void
on_timer(vmx_machine *machine, vmx_step *next)
{
    if (ask_progress(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static void
on_progress(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    loading *state = machine->state;
    const Milvus__GetLoadingProgressResponse *response =
        vmx_exchange_unpack(machine, message, &milvus__get_loading_progress_response__descriptor, next);
    if (response == NULL)
        return;
    if (response->progress >= 100)
        vmx_milvus_report(machine, next);
    else
        vmx_milvus_pause(&state->pause_ms, next);
}

static void
on_load_begun(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    vmx_message_clear(message);
    machine->on_reply = on_progress;
    on_timer(machine, next);
}

void
vmx_milvus_load(vmx_machine *machine, vmx_step *step)
{
    loading *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL) {
        vmx_exchange_no_memory(machine, step);
        return;
    }
    Milvus__LoadCollectionRequest request = MILVUS__LOAD_COLLECTION_REQUEST__INIT;
    request.collection_name = vmx_milvus_collection(machine);
    request.replica_number = 1;
    machine->state = state;
    machine->on_reply = on_load_begun;
    machine->on_timer = on_timer;
    machine->on_failure = NULL;
    if (vmx_milvus_call_plain(machine, VMX_MILVUS_METHOD("LoadCollection"), &request.base, step) != VMX_OK)
        step->kind = VMX_STEP_DONE;
}
