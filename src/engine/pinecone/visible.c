/*
 * Waiting until a write is visible. A write's reply carries x-pinecone-request-lsn, a query's x-pinecone-max-indexed-lsn;
 * the write is visible once the second has reached the first (per namespace; Pinecone: "check data freshness").
 */
#include "core/error.h"
#include "engine/pinecone/pinecone.h"

#define FIRST_WAIT_MS 20
#define MAX_WAIT_MS   1000

typedef struct waiting {
    uint64_t lsn;
    int64_t wait_ms; /* before the next look */
} waiting;

/* The cheapest read that needs no dimension: a query by an id that hardly exists. */
static vmx_status
look(vmx_machine *machine, vmx_step *step)
{
    static const char probe[] = "vecmux-freshness-probe";
    Pinecone__QueryRequest request = PINECONE__QUERY_REQUEST__INIT;
    request.namespace_ = (char *)(uintptr_t)machine->name_space.ptr;
    request.id = (char *)(uintptr_t)probe;
    request.top_k = 1;
    return vmx_exchange_call(machine, "/VectorService/Query", &request.base, false, true, step);
}

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    waiting *state = machine->state;
    vmx_message_clear(message);
    machine->result->has_lsn = false;
    vmx_pinecone_note_lsn(machine, reply);
    next->kind = VMX_STEP_DONE;
    if (!machine->result->has_lsn) {
        vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                      "wait visible: the server reports no x-pinecone-max-indexed-lsn; poll with your own query");
    } else if (machine->result->lsn < state->lsn) {
        next->kind = VMX_STEP_WAIT;
        next->wait_ms = state->wait_ms;
        state->wait_ms = state->wait_ms * 2 < MAX_WAIT_MS ? state->wait_ms * 2 : MAX_WAIT_MS;
    }
}

static void
on_timer(vmx_machine *machine, vmx_step *next)
{
    if (look(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

vmx_status
vmx_pinecone_wait_visible(vmx_machine *machine, uint64_t lsn, vmx_step *first)
{
    waiting *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    state->lsn = lsn;
    state->wait_ms = FIRST_WAIT_MS;
    machine->state = state;
    machine->on_reply = on_reply;
    machine->on_timer = on_timer;
    return look(machine, first);
}
