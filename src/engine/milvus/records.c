/* Reading and deleting records: fetch, delete, count. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/check.h"
#include "engine/milvus/milvus.h"

#define DEFAULT_LIMIT 100
#define MAX_OFFSET    16384 /* Milvus: offset and limit together */

/* Which records. */
typedef struct selection {
    vmx_milvus_op op; /* first */
    vmx_strs ids;     /* copies */
    const vmx_filter *filter;
    uint32_t limit; /* of a fetch by filter */
    uint64_t offset;
} selection;

static selection *
new_selection(vmx_machine *machine)
{
    return vmx_arena_calloc(machine->arena, 1, sizeof(selection));
}

static vmx_status
keep_ids(vmx_machine *machine, selection *state, const vmx_strs *ids)
{
    vmx_str *copies = vmx_arena_calloc(machine->arena, ids->count + 1, sizeof *copies);
    if (copies == NULL)
        return vmx_error_no_memory(machine->error);
    for (size_t i = 0; i < ids->count; i++)
        if ((copies[i] = vmx_arena_str(machine->arena, ids->ptr[i])).ptr == NULL)
            return vmx_error_no_memory(machine->error);
    state->ids = (vmx_strs){copies, ids->count};
    return VMX_OK;
}

/* The expression of ids or filter; the filter that selects everything is written out. */
static vmx_status
express(vmx_machine *machine, const selection *state, const char *what, char **expression)
{
    const vmx_milvus_schema *schema = &state->op.schema;
    if (state->ids.count > 0)
        return vmx_milvus_ids_expression(machine->arena, schema, &state->ids, what, expression, machine->error);
    if (vmx_filter_is_all(state->filter))
        return vmx_milvus_all_expression(machine->arena, schema, expression, machine->error);
    return vmx_milvus_expression(machine->arena, schema, state->filter, what, expression, machine->error);
}

vmx_status
vmx_milvus_ask(vmx_machine *machine, char *expression, char **fields, size_t field_count, uint32_t limit,
               uint64_t offset, vmx_step *step)
{
    static char limit_key[] = "limit", offset_key[] = "offset";
    char limit_text[16], offset_text[24], *partition = vmx_milvus_partition(machine);
    Milvus__KeyValuePair pairs[2] = {MILVUS__KEY_VALUE_PAIR__INIT, MILVUS__KEY_VALUE_PAIR__INIT};
    Milvus__KeyValuePair *params[2] = {&pairs[0], &pairs[1]};
    Milvus__QueryRequest request = MILVUS__QUERY_REQUEST__INIT;
    vmx_milvus_view view = vmx_milvus_view_of(machine);
    snprintf(limit_text, sizeof limit_text, "%u", limit);
    snprintf(offset_text, sizeof offset_text, "%" PRIu64, offset);
    pairs[0].key = limit_key;
    pairs[0].value = limit_text;
    pairs[1].key = offset_key;
    pairs[1].value = offset_text;
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_names = &partition;
    request.n_partition_names = 1;
    request.expr = expression;
    request.output_fields = fields;
    request.n_output_fields = field_count;
    request.query_params = params;
    request.n_query_params = limit > 0 ? 2 : 0;
    request.consistency_level = view.consistency_level;
    request.guarantee_timestamp = view.guarantee_timestamp;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("Query"), &request.base, false, true, step);
}

/* --- fetch --------------------------------------------------------------------------------------------------------- */

static const vmx_milvus_wanted everything = {.values = true, .metadata = true};

/* A page that is full may have another behind it; the token is where that begins. */
static bool
note_page(vmx_machine *machine, const selection *state)
{
    size_t rows = machine->result->match_count;
    uint64_t next = state->offset + rows;
    if (state->ids.count > 0 || rows < state->limit)
        return true;
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, next);
    machine->result->next_token = vmx_arena_str(machine->arena, vmx_str_from(text));
    return machine->result->next_token.ptr != NULL;
}

static void
on_fetched(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    if (response == NULL || !vmx_milvus_read_query(machine, response, everything))
        return;
    if (note_page(machine, machine->state))
        vmx_exchange_done(machine, next);
    else
        vmx_exchange_no_memory(machine, next);
}

static vmx_status
go_fetch(vmx_machine *machine, vmx_step *step)
{
    const selection *state = machine->state;
    char *expression, *fields[VMX_MILVUS_MAX_OUTPUT];
    vmx_status status = express(machine, state, "fetch", &expression);
    if (status != VMX_OK)
        return status;
    size_t count = vmx_milvus_output_fields(&state->op.schema, true, everything, fields);
    machine->on_reply = on_fetched;
    return vmx_milvus_ask(machine, expression, fields, count, state->limit, state->offset, step);
}

static vmx_status
take_page(vmx_machine *machine, const vmx_fetch *fetch, selection *state)
{
    int64_t offset = 0;
    state->limit = fetch->limit != 0 ? fetch->limit : DEFAULT_LIMIT;
    if (fetch->token.len > 0 && (!vmx_integer_parse(fetch->token, false, &offset) || offset < 0))
        return vmx_error_set(machine->error, VMX_ERR_INVALID,
                             "fetch: the token \"%.*s\" is none of vmx_op_next_token's", vmx_error_clip(fetch->token),
                             fetch->token.ptr);
    if (offset + state->limit > MAX_OFFSET)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "fetch: Milvus reads at most %d records by a filter; make the filter narrower",
                             MAX_OFFSET);
    state->offset = (uint64_t)offset;
    return vmx_filter_parse(machine->arena, fetch->filter, "fetch: filter", &state->filter, NULL, machine->error);
}

vmx_status
vmx_milvus_fetch(vmx_machine *machine, const vmx_fetch *fetch, vmx_step *first)
{
    selection *state = new_selection(machine);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = vmx_check_fetch(machine->engine, fetch, machine->error);
    if (status == VMX_OK)
        status = fetch->ids.count > 0 ? keep_ids(machine, state, &fetch->ids) : take_page(machine, fetch, state);
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go_fetch, first) : status;
}

/* --- delete -------------------------------------------------------------------------------------------------------- */

static void
on_deleted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__MutationResult *result =
        vmx_exchange_unpack(machine, message, &milvus__mutation_result__descriptor, next);
    if (result == NULL)
        return;
    machine->result->has_lsn = result->timestamp > 0;
    machine->result->lsn = result->timestamp;
    if (result->timestamp > 0)
        vmx_milvus_note_write(machine->engine->state, result->timestamp);
    else
        vmx_milvus_note_rows(machine->engine->state); /* Milvus 2.3 does not say when a deletion was */
    vmx_exchange_done(machine, next);
}

static vmx_status
go_delete(vmx_machine *machine, vmx_step *step)
{
    const selection *state = machine->state;
    Milvus__DeleteRequest request = MILVUS__DELETE_REQUEST__INIT;
    vmx_milvus_view view = vmx_milvus_view_of(machine);
    vmx_status status = express(machine, state, "delete", &request.expr);
    if (status != VMX_OK)
        return status;
    request.collection_name = vmx_milvus_collection(machine);
    request.partition_name = vmx_milvus_partition(machine);
    request.consistency_level = view.consistency_level;
    machine->on_reply = on_deleted;
    return vmx_milvus_call(machine, VMX_MILVUS_METHOD("Delete"), &request.base, true, state->ids.count > 0, step);
}

vmx_status
vmx_milvus_delete(vmx_machine *machine, const vmx_delete *del, vmx_step *first)
{
    selection *state = new_selection(machine);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = vmx_check_delete(machine->engine, del, machine->error);
    if (status == VMX_OK)
        status = keep_ids(machine, state, &del->ids);
    if (status == VMX_OK)
        status = vmx_filter_parse(machine->arena, del->filter, "delete: filter", &state->filter, NULL, machine->error);
    if (status == VMX_OK && del->filter.len > 0 && vmx_filter_is_all(state->filter))
        status = vmx_error_set(machine->error, VMX_ERR_INVALID, "delete: the filter is empty; to delete all say so");
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go_delete, first) : status;
}

/* --- count --------------------------------------------------------------------------------------------------------- */

/* count(*) is a column of one integer. */
bool
vmx_milvus_read_count(vmx_machine *machine, const Milvus__QueryResults *response, uint64_t *count)
{
    const Milvus__FieldData *column = response->n_fields_data == 1 ? response->fields_data[0] : NULL;
    bool sound = column != NULL && column->field_case == MILVUS__FIELD_DATA__FIELD_SCALARS && column->scalars != NULL &&
                 column->scalars->data_case == MILVUS__SCALAR_FIELD__DATA_LONG_DATA &&
                 column->scalars->long_data->n_data == 1 && column->scalars->long_data->data[0] >= 0;
    if (!sound)
        return vmx_error_set(machine->error, VMX_ERR_PROTOCOL, "the server's reply to count(*) is no count") == VMX_OK;
    *count = (uint64_t)column->scalars->long_data->data[0];
    return true;
}

vmx_status
vmx_milvus_ask_count(vmx_machine *machine, const vmx_milvus_schema *schema, const vmx_filter *filter, vmx_step *step)
{
    static char count_field[] = "count(*)";
    char *fields[] = {count_field}, *expression;
    vmx_status status =
        vmx_filter_is_all(filter)
            ? vmx_milvus_all_expression(machine->arena, schema, &expression, machine->error)
            : vmx_milvus_expression(machine->arena, schema, filter, "count: filter", &expression, machine->error);
    if (status != VMX_OK)
        return status;
    return vmx_milvus_ask(machine, expression, fields, 1, 0, 0, step);
}

static void
on_counted(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    if (response == NULL || !vmx_milvus_read_count(machine, response, &machine->result->count))
        return;
    machine->result->has_count = true;
    vmx_exchange_done(machine, next);
}

static vmx_status
go_count(vmx_machine *machine, vmx_step *step)
{
    const selection *state = machine->state;
    machine->on_reply = on_counted;
    return vmx_milvus_ask_count(machine, &state->op.schema, state->filter, step);
}

vmx_status
vmx_milvus_count(vmx_machine *machine, vmx_str filter, vmx_step *first)
{
    selection *state = new_selection(machine);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    vmx_status status = vmx_filter_parse(machine->arena, filter, "count: filter", &state->filter, NULL, machine->error);
    return status == VMX_OK ? vmx_milvus_begin(machine, &state->op, go_count, first) : status;
}
