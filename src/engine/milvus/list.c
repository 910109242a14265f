/*
 * Lists ids. Milvus answers a Query with a limit in the order of the ids, so pages go on behind the last one.
 * milvus-lite's order is another: there all ids come in one reply, and are sorted here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/number.h"
#include "engine/check.h"
#include "engine/milvus/milvus.h"

#define PAGE_SIZE     1000
#define MAX_PAGE_SIZE 100 /* that a caller may ask for, as of every engine */

typedef struct listing {
    vmx_milvus_op op; /* first */
    vmx_str prefix;
    vmx_str after;  /* the last id that was read; ptr NULL: none */
    uint64_t limit; /* how many in all; UINT64_MAX: all */
    uint32_t page_size;
    bool by_integer;
} listing;

static vmx_status
ask(vmx_machine *machine, vmx_step *step);

/* --- the reply ----------------------------------------------------------------------------------------------------- */

static int
compare_texts(const void *a, const void *b)
{
    const vmx_str *left = a, *right = b;
    size_t common = left->len < right->len ? left->len : right->len;
    int order = common > 0 ? memcmp(left->ptr, right->ptr, common) : 0;
    return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

static int
compare_integers(const void *a, const void *b)
{
    int64_t left = 0, right = 0;
    vmx_integer_parse(*(const vmx_str *)a, false, &left);
    vmx_integer_parse(*(const vmx_str *)b, false, &right);
    return (left > right) - (left < right);
}

/* How many of the new ids begin with the prefix; they are sorted, so those that do come first. */
static size_t
count_prefixed(const listing *state, const vmx_str *ids, size_t count)
{
    size_t n = 0;
    while (n < count && ids[n].len >= state->prefix.len &&
           (state->prefix.len == 0 || memcmp(ids[n].ptr, state->prefix.ptr, state->prefix.len) == 0))
        n++;
    return n;
}

static void
on_reply(vmx_machine *machine, vmx_message *message, const vmx_reply *reply, vmx_step *next)
{
    (void)reply;
    listing *state = machine->state;
    vmx_id_list *list = &machine->result->ids;
    size_t read, known = list->count;
    const Milvus__QueryResults *response =
        vmx_exchange_unpack(machine, message, &milvus__query_results__descriptor, next);
    if (response == NULL || !vmx_milvus_read_ids(machine, response->fields_data, response->n_fields_data, &read))
        return;
    qsort(list->items + known, read, sizeof *list->items, state->by_integer ? compare_integers : compare_texts);
    size_t taken = count_prefixed(state, list->items + known, read);
    list->count = known + taken;
    bool cut = list->count > state->limit;
    if (cut)
        list->count = (size_t)state->limit;
    bool last_page = state->op.schema.lite || taken < read || read < state->page_size;
    bool enough = list->count == state->limit;
    if (enough && (cut || !last_page))
        machine->result->next_token = list->items[list->count - 1];
    if (enough || last_page) {
        vmx_exchange_done(machine, next);
        return;
    }
    state->after = list->items[list->count - 1];
    if (ask(machine, next) != VMX_OK)
        next->kind = VMX_STEP_DONE;
}

/* --- the request --------------------------------------------------------------------------------------------------- */

static vmx_status
express(vmx_machine *machine, const listing *state, char **expression)
{
    const vmx_milvus_schema *schema = &state->op.schema;
    if (state->after.ptr != NULL)
        return vmx_milvus_id_expression(machine->arena, schema, " > ", state->after, "list", expression,
                                        machine->error);
    if (state->prefix.len > 0)
        return vmx_milvus_id_expression(machine->arena, schema, " >= ", state->prefix, "list", expression,
                                        machine->error);
    return vmx_milvus_all_expression(machine->arena, schema, expression, machine->error);
}

static vmx_status
ask(vmx_machine *machine, vmx_step *step)
{
    const listing *state = machine->state;
    char *expression, *field = (char *)(uintptr_t)state->op.schema.id;
    vmx_status status = express(machine, state, &expression);
    machine->on_reply = on_reply;
    return status == VMX_OK
               ? vmx_milvus_ask(machine, expression, &field, 1, state->op.schema.lite ? 0 : state->page_size, 0, step)
               : status;
}

static vmx_status
go(vmx_machine *machine, vmx_step *step)
{
    listing *state = machine->state;
    state->by_integer = state->op.schema.integer_ids;
    if (state->by_integer && state->prefix.len > 0)
        return vmx_error_set(machine->error, VMX_ERR_UNSUPPORTED,
                             "list prefix: the collection's ids are integers, which Milvus cannot list by prefix");
    return ask(machine, step);
}

vmx_status
vmx_milvus_list(vmx_machine *machine, const vmx_list *list, vmx_step *first)
{
    listing *state = vmx_arena_calloc(machine->arena, 1, sizeof *state);
    if (state == NULL)
        return vmx_error_no_memory(machine->error);
    if (list->page_size > MAX_PAGE_SIZE)
        return vmx_error_set(machine->error, VMX_ERR_INVALID, "list: page_size %u is outside 1 to %d", list->page_size,
                             MAX_PAGE_SIZE);
    state->page_size = list->page_size != 0 ? list->page_size : PAGE_SIZE;
    state->limit = list->limit != 0 ? list->limit : UINT64_MAX;
    state->prefix = vmx_arena_str(machine->arena, list->prefix);
    state->after = list->token.len > 0 ? vmx_arena_str(machine->arena, list->token) : (vmx_str){NULL, 0};
    if (state->prefix.ptr == NULL || (list->token.len > 0 && state->after.ptr == NULL))
        return vmx_error_no_memory(machine->error);
    return vmx_milvus_begin(machine, &state->op, go, first);
}
