/* upsert, update, delete and flush */
#include "core/error.h"
#include "engine/check.h"
#include "engine/qdrant/qdrant.h"

/* Every write's reply was judged already: it has been done. */
static void
on_done(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)message;
    (void)reply;
    vmx_exchange_done(machine, next);
}

static vmx_status
call_write(vmx_machine *machine, const char *method, const ProtobufCMessage *request, vmx_step *step)
{
    vmx_status status = vmx_exchange_call(machine, method, request, true, true, step);
    step->request.judge = vmx_qdrant_judge_write;
    return status;
}

/* The ordering that the property asks for; NULL for the weak one, which is the default. */
static Qdrant__WriteOrdering *
ordering_of(const vmx_qdrant_settings *settings, Qdrant__WriteOrdering *ordering)
{
    qdrant__write_ordering__init(ordering);
    ordering->type = settings->ordering;
    return settings->ordering != QDRANT__WRITE_ORDERING_TYPE__Weak ? ordering : NULL;
}

/* --- upsert -------------------------------------------------------------------------------------------------------- */

static void
on_upserted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    machine->result->has_count = true;
    machine->result->count = *(const size_t *)machine->state;
    on_done(machine, message, reply, next);
}

vmx_status
vmx_qdrant_upsert(vmx_machine *machine, const vmx_vectors *vectors, vmx_step *first)
{
    vmx_status status = vmx_check_vectors(vectors, &machine->engine->limits, machine->error);
    size_t *count = status == VMX_OK ? vmx_arena_alloc(machine->arena, sizeof *count) : NULL;
    if (count == NULL)
        return status == VMX_OK ? vmx_error_no_memory(machine->error) : status;
    *count = vectors->count;
    machine->state = count;
    machine->on_reply = on_upserted;
    vmx_row_target target = {machine->engine, machine->collection, machine->name_space};
    first->kind = VMX_STEP_CALL;
    first->request.method = vmx_qdrant_rows.method;
    first->request.writes = first->request.idempotent = true;
    first->request.judge = vmx_qdrant_judge_write;
    return vmx_rows_encode(&vmx_qdrant_rows, &target, vectors, machine->lender, &first->request.message,
                           machine->error);
}

/* --- update: values, then metadata --------------------------------------------------------------------------------- */

/* machine->state: the second call of an update, ready to be made. */
typedef struct updating {
    Qdrant__SetPayloadPoints payload;
    Qdrant__PointsSelector selector;
    Qdrant__PointsIdsList ids;
    Qdrant__PointId id;
    Qdrant__PointId *one;
    Qdrant__WriteOrdering ordering;
} updating;

static vmx_status
call_payload(vmx_machine *machine, vmx_step *step)
{
    const updating *state = machine->state;
    machine->on_reply = on_done;
    return call_write(machine, "/qdrant.Points/SetPayload", &state->payload.base, step);
}

static void
on_values_set(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    const updating *state = machine->state;
    on_done(machine, message, reply, next);
    if (state->payload.n_payload > 0 && call_payload(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

static vmx_status
call_values(vmx_machine *machine, const vmx_update *update, vmx_step *first)
{
    vmx_arena scratch = {0};
    updating *state = machine->state;
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(machine->engine);
    Qdrant__PointVectors point = QDRANT__POINT_VECTORS__INIT, *points = &point;
    Qdrant__UpdatePointVectors request = QDRANT__UPDATE_POINT_VECTORS__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._wait_case = QDRANT__UPDATE_POINT_VECTORS___WAIT_WAIT;
    request.wait = settings->wait;
    request.points = &points;
    request.n_points = 1;
    request.ordering = ordering_of(settings, &state->ordering);
    point.id = &state->id;
    point.vectors = vmx_qdrant_vectors(&scratch, settings, update->values, update->sparse);
    machine->on_reply = on_values_set;
    vmx_status status = point.vectors != NULL
                            ? call_write(machine, "/qdrant.Points/UpdateVectors", &request.base, first)
                            : vmx_error_no_memory(machine->error);
    vmx_arena_reset(&scratch);
    return status;
}

/* The points that the update is about. */
static vmx_status
select_points(vmx_machine *machine, const vmx_update *update, updating *state)
{
    qdrant__points_selector__init(&state->selector);
    if (update->id.len == 0) {
        state->selector.points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER;
        return vmx_qdrant_filter(machine->arena, update->filter, "update: filter", &state->selector.filter,
                                 machine->error);
    }
    qdrant__points_ids_list__init(&state->ids);
    state->one = &state->id;
    state->ids.ids = &state->one;
    state->ids.n_ids = 1;
    state->selector.points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS;
    state->selector.points = &state->ids;
    return vmx_qdrant_id(machine->arena, update->id, &state->id) ? VMX_OK : vmx_error_no_memory(machine->error);
}

static vmx_status
prepare_update(vmx_machine *machine, const vmx_update *update, updating *state)
{
    const vmx_qdrant_settings *settings = vmx_qdrant_settings_of(machine->engine);
    qdrant__set_payload_points__init(&state->payload);
    state->payload.collection_name = vmx_qdrant_text(machine->collection.ptr);
    state->payload._wait_case = QDRANT__SET_PAYLOAD_POINTS___WAIT_WAIT;
    state->payload.wait = settings->wait;
    state->payload.points_selector = &state->selector;
    state->payload.ordering = ordering_of(settings, &state->ordering);
    vmx_status status = select_points(machine, update, state);
    if (status != VMX_OK)
        return status;
    return vmx_qdrant_payload_from_json(machine->arena, update->set_metadata, VMX_STR(""), "update: metadata",
                                        &state->payload.payload, &state->payload.n_payload, machine->error);
}

vmx_status
vmx_qdrant_update(vmx_machine *machine, const vmx_update *update, vmx_step *first)
{
    vmx_status status = vmx_check_update(machine->engine, update, machine->error);
    updating *state = status == VMX_OK ? vmx_arena_calloc(machine->arena, 1, sizeof *state) : NULL;
    if (state == NULL)
        return status == VMX_OK ? vmx_error_no_memory(machine->error) : status;
    machine->state = state;
    status = prepare_update(machine, update, state);
    if (status != VMX_OK)
        return status;
    bool has_values = update->values.len > 0 || update->sparse.len > 0;
    return has_values ? call_values(machine, update, first) : call_payload(machine, first);
}

/* --- delete and flush ---------------------------------------------------------------------------------------------- */

static vmx_status
call_delete(vmx_machine *machine, Qdrant__PointsSelector *selector, bool wait, vmx_step *first)
{
    Qdrant__WriteOrdering ordering;
    Qdrant__DeletePoints request = QDRANT__DELETE_POINTS__INIT;
    request.collection_name = vmx_qdrant_text(machine->collection.ptr);
    request._wait_case = QDRANT__DELETE_POINTS___WAIT_WAIT;
    request.wait = wait;
    request.points = selector;
    request.ordering = ordering_of(vmx_qdrant_settings_of(machine->engine), &ordering);
    machine->on_reply = on_done;
    return call_write(machine, "/qdrant.Points/Delete", &request.base, first);
}

/* Fills the selector; what it points at is in `scratch`. An empty filter selects all. */
static vmx_status
select_deleted(vmx_machine *machine, vmx_arena *scratch, const vmx_delete *del, Qdrant__PointsSelector *selector)
{
    if (del->ids.count == 0) {
        vmx_str filter = del->all ? VMX_STR("{}") : del->filter;
        selector->points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER;
        return vmx_qdrant_filter(scratch, filter, "delete: filter", &selector->filter, machine->error);
    }
    Qdrant__PointsIdsList *list = vmx_arena_alloc(scratch, sizeof *list);
    Qdrant__PointId **ids = vmx_qdrant_ids(scratch, &del->ids);
    if (list == NULL || ids == NULL)
        return vmx_error_no_memory(machine->error);
    qdrant__points_ids_list__init(list);
    list->ids = ids;
    list->n_ids = del->ids.count;
    selector->points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS;
    selector->points = list;
    return VMX_OK;
}

/* An empty filter would delete everything, which has a word of its own. */
static vmx_status
refuse_all(const vmx_delete *del, const Qdrant__PointsSelector *selector, vmx_error *error)
{
    const Qdrant__Filter *filter = selector->filter;
    bool by_filter = del->filter.len > 0 && filter->n_must + filter->n_should + filter->n_must_not == 0;
    return by_filter ? vmx_error_set(error, VMX_ERR_INVALID, "delete: the filter is empty; to delete all say so")
                     : VMX_OK;
}

vmx_status
vmx_qdrant_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first)
{
    vmx_arena scratch = {0};
    Qdrant__PointsSelector selector = QDRANT__POINTS_SELECTOR__INIT;
    vmx_status status = vmx_check_delete(machine->engine, del, machine->error);
    if (status == VMX_OK)
        status = select_deleted(machine, &scratch, del, &selector);
    if (status == VMX_OK && del->ids.count == 0)
        status = refuse_all(del, &selector, machine->error);
    if (status == VMX_OK)
        status = call_delete(machine, &selector, vmx_qdrant_settings_of(machine->engine)->wait, first);
    vmx_arena_reset(&scratch);
    return status;
}

/* A shard applies writes one after the other: a delete that selects nothing, and is waited for, comes behind them all. By
 * filter, so that every shard gets it. */
vmx_status
vmx_qdrant_flush(vmx_machine *machine, vmx_step *first)
{
    Qdrant__HasIdCondition none = QDRANT__HAS_ID_CONDITION__INIT;
    Qdrant__Condition condition = QDRANT__CONDITION__INIT, *conditions = &condition;
    Qdrant__Filter filter = QDRANT__FILTER__INIT;
    Qdrant__PointsSelector selector = QDRANT__POINTS_SELECTOR__INIT;
    condition.condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_HAS_ID;
    condition.has_id = &none;
    filter.must = &conditions;
    filter.n_must = 1;
    selector.points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER;
    selector.filter = &filter;
    return call_delete(machine, &selector, true, first);
}
