/* fetch, list and count */
#include "core/error.h"
#include "engine/check.h"
#include "engine/qdrant/qdrant.h"

#define DEFAULT_PAGE 100
#define MAX_PAGE     100

/* --- fetch --------------------------------------------------------------------------------------------------------- */

static void
take_points(vmx_machine *machine, Qdrant__RetrievedPoint *const *points, size_t count, vmx_step *next)
{
    machine->result->matches = vmx_qdrant_retrieved(machine, points, count);
    if (machine->result->matches == NULL) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    machine->result->match_count = count;
    vmx_exchange_done(machine, next);
}

static void
on_fetched(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Qdrant__GetResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__get_response__descriptor, next);
    if (response != NULL)
        take_points(machine, response->result, response->n_result, next);
}

static vmx_status
fetch_by_ids(vmx_machine *machine, const vmx_fetch *fetch, vmx_arena *scratch, vmx_step *first)
{
    Qdrant__GetPoints request = QDRANT__GET_POINTS__INIT;
    vmx_qdrant_selection selection = vmx_qdrant_select(true, true);
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request.ids = vmx_qdrant_ids(scratch, &fetch->ids);
    request.n_ids = fetch->ids.count;
    request.with_payload = vmx_qdrant_payload_selector(&selection);
    request.with_vectors = &selection.vectors;
    if (request.ids == NULL)
        return vmx_error_no_memory(machine->error);
    machine->on_reply = on_fetched;
    return vmx_exchange_call(machine, "/qdrant.Points/Get", &request.base, false, true, first);
}

/* --- pages --------------------------------------------------------------------------------------------------------- */

/* A page's token is the id that the next one begins with, as Qdrant knows it. */
static bool
note_page(vmx_machine *machine, const Qdrant__ScrollResponse *response)
{
    const Qdrant__PointId *offset = response->next_page_offset;
    bool more = offset != NULL && offset->point_id_options_case != QDRANT__POINT_ID__POINT_ID_OPTIONS__NOT_SET;
    machine->result->next_token = (vmx_str){NULL, 0};
    if (more)
        machine->result->next_token = vmx_qdrant_id_text(machine->arena, offset, NULL, 0);
    return !more || machine->result->next_token.ptr != NULL;
}

static vmx_status
set_token(vmx_arena *scratch, vmx_str token, Qdrant__PointId *id, Qdrant__ScrollPoints *request, vmx_error *error)
{
    if (token.len == 0)
        return VMX_OK;
    if (vmx_qdrant_id_is_mapped(token))
        return vmx_error_set(error, VMX_ERR_INVALID, "the page token \"%.*s\" is none of the engine qdrant's",
                             vmx_error_clip(token), token.ptr);
    request->offset = id;
    return vmx_qdrant_id(scratch, token, id) ? VMX_OK : vmx_error_no_memory(error);
}

static void
on_fetched_by_filter(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Qdrant__ScrollResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__scroll_response__descriptor, next);
    if (response == NULL)
        return;
    if (note_page(machine, response))
        take_points(machine, response->result, response->n_result, next);
    else
        vmx_exchange_no_memory(machine, next);
}

static vmx_status
fetch_by_filter(vmx_machine *machine, const vmx_fetch *fetch, vmx_arena *scratch, vmx_step *first)
{
    Qdrant__PointId offset;
    Qdrant__ScrollPoints request = QDRANT__SCROLL_POINTS__INIT;
    vmx_qdrant_selection selection = vmx_qdrant_select(true, true);
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._limit_case = QDRANT__SCROLL_POINTS___LIMIT_LIMIT;
    request.limit = fetch->limit != 0 ? fetch->limit : DEFAULT_PAGE;
    request.with_payload = vmx_qdrant_payload_selector(&selection);
    request.with_vectors = &selection.vectors;
    vmx_status status = set_token(scratch, fetch->token, &offset, &request, machine->error);
    if (status == VMX_OK)
        status = vmx_qdrant_filter(scratch, fetch->filter, "fetch: filter", &request.filter, machine->error);
    if (status != VMX_OK)
        return status;
    machine->on_reply = on_fetched_by_filter;
    return vmx_exchange_call(machine, "/qdrant.Points/Scroll", &request.base, false, true, first);
}

vmx_status
vmx_qdrant_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first)
{
    vmx_status status = vmx_check_fetch(machine->engine, fetch, machine->error);
    if (status != VMX_OK)
        return status;
    vmx_arena scratch = {0};
    status = fetch->ids.count > 0 ? fetch_by_ids(machine, fetch, &scratch, first)
                                  : fetch_by_filter(machine, fetch, &scratch, first);
    vmx_arena_reset(&scratch);
    return status;
}

/* --- list ---------------------------------------------------------------------------------------------------------- */

/* machine->state */
typedef struct listing {
    uint64_t left; /* UINT64_MAX: all */
    uint32_t page_size;
} listing;

static vmx_status
ask_page(vmx_machine *machine, vmx_str token, vmx_step *step)
{
    const listing *state = machine->state;
    Qdrant__PointId offset;
    Qdrant__ScrollPoints request = QDRANT__SCROLL_POINTS__INIT;
    vmx_qdrant_selection selection = vmx_qdrant_select(false, false);
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._limit_case = QDRANT__SCROLL_POINTS___LIMIT_LIMIT;
    request.limit = state->left < state->page_size ? (uint32_t)state->left : state->page_size;
    request.with_payload = vmx_qdrant_payload_selector(&selection);
    request.with_vectors = &selection.vectors;
    vmx_status status = set_token(machine->arena, token, &offset, &request, machine->error);
    return status == VMX_OK ? vmx_exchange_call(machine, "/qdrant.Points/Scroll", &request.base, false, true, step)
                            : status;
}

static bool
take_ids(vmx_machine *machine, const Qdrant__ScrollResponse *response)
{
    vmx_id_list *list = &machine->result->ids;
    vmx_str *ids = vmx_id_list_grow(list, response->n_result + 1, machine->arena);
    for (size_t i = 0; ids != NULL && i < response->n_result; i++) {
        const Qdrant__RetrievedPoint *point = response->result[i];
        ids[i] = vmx_qdrant_id_text(machine->arena, point->id, point->payload, point->n_payload);
        if (ids[i].ptr == NULL)
            return false;
    }
    list->count += ids != NULL ? response->n_result : 0;
    return ids != NULL && note_page(machine, response);
}

static void
on_page(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    listing *state = machine->state;
    const Qdrant__ScrollResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__scroll_response__descriptor, next);
    if (response == NULL)
        return;
    if (!take_ids(machine, response)) {
        vmx_exchange_no_memory(machine, next);
        return;
    }
    if (state->left != UINT64_MAX)
        state->left -= response->n_result < state->left ? response->n_result : state->left;
    bool more = machine->result->next_token.ptr != NULL && state->left > 0;
    if (!more || ask_page(machine, machine->result->next_token, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

vmx_status
vmx_qdrant_list(vmx_machine *machine, const vmx_list *list, vmx_step *first)
{
    listing *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    if (list->prefix.len > 0)
        return vmx_engine_check(machine->engine, VMX_CAN_LIST_PREFIX, machine->error);
    if (list->page_size > MAX_PAGE)
        return vmx_error_set(machine->error, VMX_ERR_INVALID, "list: page_size %u is outside 1 to %d", list->page_size,
                             MAX_PAGE);
    state->left = list->limit != 0 ? list->limit : UINT64_MAX;
    state->page_size = list->page_size != 0 ? list->page_size : MAX_PAGE;
    machine->state = state;
    machine->on_reply = on_page;
    return ask_page(machine, list->token, first);
}

/* --- count --------------------------------------------------------------------------------------------------------- */

static void
on_counted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Qdrant__CountResponse *response =
        vmx_exchange_unpack(machine, message, &qdrant__count_response__descriptor, next);
    if (response == NULL)
        return;
    machine->result->has_count = true;
    machine->result->count = response->result != NULL ? response->result->count : 0;
    vmx_exchange_done(machine, next);
}

vmx_status
vmx_qdrant_count(vmx_machine *machine, vmx_str filter, vmx_step *first)
{
    vmx_arena scratch = {0};
    Qdrant__CountPoints request = QDRANT__COUNT_POINTS__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._exact_case = QDRANT__COUNT_POINTS___EXACT_EXACT;
    request.exact = true;
    machine->on_reply = on_counted;
    vmx_status status = vmx_qdrant_filter(&scratch, filter, "count: filter", &request.filter, machine->error);
    if (status == VMX_OK)
        status = vmx_exchange_call(machine, "/qdrant.Points/Count", &request.base, false, true, first);
    vmx_arena_reset(&scratch);
    return status;
}
