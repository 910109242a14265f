/*
 * Filters: AND, OR and NOT are must, should and must_not. Numbers are compared by ranges, which hold for integers and
 * doubles alike; a match would tell 1 from 1.0. "Exists" is not is_empty.
 */
#include "core/error.h"
#include "engine/qdrant/qdrant.h"

typedef struct translator {
    vmx_arena *arena;
    const char *what;
    vmx_error *error;
} translator;

/* NULL: the error says why. */
static Qdrant__Condition *
translate(translator *self, const vmx_filter *filter);

/* Zeroed; NULL with the error set when memory is out. */
static void *
take(translator *self, size_t count, size_t size_bytes)
{
    void *memory = vmx_arena_calloc(self->arena, count, size_bytes);
    if (memory == NULL)
        vmx_error_no_memory(self->error);
    return memory;
}

/* --- pieces -------------------------------------------------------------------------------------------------------- */

static Qdrant__Condition *
new_condition(translator *self, Qdrant__Condition__ConditionOneOfCase kind)
{
    Qdrant__Condition *condition = take(self, 1, sizeof *condition);
    if (condition == NULL)
        return NULL;
    qdrant__condition__init(condition);
    condition->condition_one_of_case = kind;
    return condition;
}

/* A filter of the conditions, as `kind` joins them; the condition is that filter. */
static Qdrant__Condition *
join(translator *self, vmx_filter_kind kind, Qdrant__Condition **conditions, size_t count)
{
    Qdrant__Condition *joined = new_condition(self, QDRANT__CONDITION__CONDITION_ONE_OF_FILTER);
    Qdrant__Filter *filter = joined != NULL ? take(self, 1, sizeof *filter) : NULL;
    if (filter == NULL)
        return NULL;
    qdrant__filter__init(filter);
    joined->filter = filter;
    Qdrant__Condition ***list = kind == VMX_FILTER_AND  ? &filter->must
                                : kind == VMX_FILTER_OR ? &filter->should
                                                        : &filter->must_not;
    size_t *length = kind == VMX_FILTER_AND  ? &filter->n_must
                     : kind == VMX_FILTER_OR ? &filter->n_should
                                             : &filter->n_must_not;
    *list = conditions;
    *length = count;
    return joined;
}

static Qdrant__Condition *
negate(translator *self, Qdrant__Condition *inner)
{
    Qdrant__Condition **one = inner != NULL ? take(self, 1, sizeof *one) : NULL;
    if (one == NULL)
        return NULL;
    *one = inner;
    return join(self, VMX_FILTER_NOT, one, 1);
}

static bool
is_plain(vmx_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!plain)
            return false;
    }
    return name.len > 0;
}

char *
vmx_qdrant_key(vmx_arena *arena, vmx_str name, const char *what, vmx_error *error)
{
    if (is_plain(name))
        return vmx_qdrant_text(name.ptr);
    bool quotable = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        quotable = quotable && name.ptr[i] != '"' && name.ptr[i] != '\\';
    if (!quotable) {
        vmx_error_set(
            error, VMX_ERR_UNSUPPORTED,
            "%s: the engine qdrant cannot filter on the field \"%.*s\": a name may not be empty or have quotes "
            "or backslashes in it",
            what, vmx_error_clip(name), name.ptr);
        return NULL;
    }
    char *key = vmx_arena_alloc(arena, name.len + 3);
    if (key == NULL) {
        vmx_error_no_memory(error);
        return NULL;
    }
    key[0] = key[name.len + 1] = '"';
    key[name.len + 2] = '\0';
    for (size_t i = 0; i < name.len; i++)
        key[i + 1] = name.ptr[i];
    return key;
}

/* A condition on a field, with neither match nor range yet. */
static Qdrant__Condition *
new_field(translator *self, vmx_str name)
{
    Qdrant__Condition *condition = new_condition(self, QDRANT__CONDITION__CONDITION_ONE_OF_FIELD);
    char *key = condition != NULL ? vmx_qdrant_key(self->arena, name, self->what, self->error) : NULL;
    if (key == NULL)
        return NULL;
    condition->field = take(self, 1, sizeof *condition->field);
    if (condition->field == NULL)
        return NULL;
    qdrant__field_condition__init(condition->field);
    condition->field->key = key;
    return condition;
}

/* --- comparing ----------------------------------------------------------------------------------------------------- */

static Qdrant__Condition *
new_range(translator *self, vmx_str field, Qdrant__Range **range)
{
    Qdrant__Condition *condition = new_field(self, field);
    if (condition == NULL)
        return NULL;
    *range = take(self, 1, sizeof **range);
    if (*range == NULL)
        return NULL;
    qdrant__range__init(*range);
    condition->field->range = *range;
    return condition;
}

static void
set_bound(Qdrant__Range *range, vmx_filter_kind kind, double number)
{
    if (kind == VMX_FILTER_GREATER) {
        range->_gt_case = QDRANT__RANGE___GT_GT;
        range->gt = number;
    } else if (kind == VMX_FILTER_GREATER_EQUAL) {
        range->_gte_case = QDRANT__RANGE___GTE_GTE;
        range->gte = number;
    } else if (kind == VMX_FILTER_LESS) {
        range->_lt_case = QDRANT__RANGE___LT_LT;
        range->lt = number;
    } else {
        range->_lte_case = QDRANT__RANGE___LTE_LTE;
        range->lte = number;
    }
}

static Qdrant__Condition *
translate_range(translator *self, const vmx_filter *filter)
{
    Qdrant__Range *range;
    Qdrant__Condition *condition = new_range(self, filter->field, &range);
    if (condition != NULL)
        set_bound(range, filter->kind, filter->values[0].number);
    return condition;
}

/* --- equality ------------------------------------------------------------------------------------------------------ */

static Qdrant__Condition *
new_match(translator *self, vmx_str field, Qdrant__Match__MatchValueCase kind)
{
    Qdrant__Condition *condition = new_field(self, field);
    if (condition == NULL)
        return NULL;
    Qdrant__Match *match = take(self, 1, sizeof *match);
    if (match == NULL)
        return NULL;
    qdrant__match__init(match);
    match->match_value_case = kind;
    condition->field->match = match;
    return condition;
}

static Qdrant__Condition *
equals(translator *self, vmx_str field, const vmx_filter_value *value)
{
    Qdrant__Range *range;
    Qdrant__Condition *condition;
    switch (value->type) {
    case VMX_FILTER_NUMBER:
        condition = new_range(self, field, &range);
        if (condition != NULL) {
            set_bound(range, VMX_FILTER_GREATER_EQUAL, value->number);
            set_bound(range, VMX_FILTER_LESS_EQUAL, value->number);
        }
        return condition;
    case VMX_FILTER_BOOLEAN:
        condition = new_match(self, field, QDRANT__MATCH__MATCH_VALUE_BOOLEAN);
        if (condition != NULL)
            condition->field->match->boolean = value->boolean;
        return condition;
    default:
        condition = new_match(self, field, QDRANT__MATCH__MATCH_VALUE_KEYWORD);
        if (condition != NULL)
            condition->field->match->keyword = vmx_qdrant_text(value->text.ptr);
        return condition;
    }
}

/* All texts of the list in one match. */
static Qdrant__Condition *
equals_a_text(translator *self, const vmx_filter *filter, size_t texts)
{
    Qdrant__Condition *condition = new_match(self, filter->field, QDRANT__MATCH__MATCH_VALUE_KEYWORDS);
    Qdrant__RepeatedStrings *strings = take(self, 1, sizeof *strings);
    char **items = take(self, texts, sizeof *items);
    if (condition == NULL)
        return NULL;
    if (strings == NULL || items == NULL)
        return NULL;
    qdrant__repeated_strings__init(strings);
    strings->strings = items;
    for (size_t i = 0; i < filter->value_count; i++)
        if (filter->values[i].type == VMX_FILTER_TEXT)
            items[strings->n_strings++] = vmx_qdrant_text(filter->values[i].text.ptr);
    condition->field->match->keywords = strings;
    return condition;
}

/* No point has an id out of an empty list. */
static Qdrant__Condition *
nothing(translator *self)
{
    Qdrant__Condition *condition = new_condition(self, QDRANT__CONDITION__CONDITION_ONE_OF_HAS_ID);
    if (condition == NULL)
        return NULL;
    condition->has_id = take(self, 1, sizeof *condition->has_id);
    if (condition->has_id == NULL)
        return NULL;
    qdrant__has_id_condition__init(condition->has_id);
    return condition;
}

/* One of several values: texts together, every other by itself. */
static Qdrant__Condition *
equals_any(translator *self, const vmx_filter *filter)
{
    size_t texts = 0, count = 0;
    Qdrant__Condition **any = take(self, filter->value_count, sizeof *any);
    if (any == NULL)
        return NULL;
    for (size_t i = 0; i < filter->value_count; i++) {
        texts += filter->values[i].type == VMX_FILTER_TEXT;
        if (filter->values[i].type != VMX_FILTER_TEXT &&
            (any[count++] = equals(self, filter->field, &filter->values[i])) == NULL)
            return NULL;
    }
    if (texts > 0 && (any[count++] = equals_a_text(self, filter, texts)) == NULL)
        return NULL;
    return count == 1 ? any[0] : join(self, VMX_FILTER_OR, any, count);
}

static Qdrant__Condition *
translate_in(translator *self, const vmx_filter *filter)
{
    if (filter->value_count == 0)
        return nothing(self);
    return filter->value_count == 1 ? equals(self, filter->field, &filter->values[0]) : equals_any(self, filter);
}

static Qdrant__Condition *
translate_exists(translator *self, const vmx_filter *filter)
{
    Qdrant__Condition *empty = new_condition(self, QDRANT__CONDITION__CONDITION_ONE_OF_IS_EMPTY);
    char *key = empty != NULL ? vmx_qdrant_key(self->arena, filter->field, self->what, self->error) : NULL;
    if (key == NULL)
        return NULL;
    empty->is_empty = take(self, 1, sizeof *empty->is_empty);
    if (empty->is_empty == NULL)
        return NULL;
    qdrant__is_empty_condition__init(empty->is_empty);
    empty->is_empty->key = key;
    return negate(self, empty);
}

/* --- the tree ------------------------------------------------------------------------------------------------------ */

static Qdrant__Condition *
translate_children(translator *self, const vmx_filter *filter)
{
    Qdrant__Condition **children = take(self, filter->child_count + 1, sizeof(Qdrant__Condition *));
    if (children == NULL)
        return NULL;
    for (size_t i = 0; i < filter->child_count; i++)
        if ((children[i] = translate(self, filter->children[i])) == NULL)
            return NULL;
    return join(self, filter->kind, children, filter->child_count);
}

static Qdrant__Condition *
translate(translator *self, const vmx_filter *filter)
{
    switch (filter->kind) {
    case VMX_FILTER_AND:
    case VMX_FILTER_OR:
    case VMX_FILTER_NOT:
        return translate_children(self, filter);
    case VMX_FILTER_IN:
        return translate_in(self, filter);
    case VMX_FILTER_EXISTS:
        return translate_exists(self, filter);
    default:
        return translate_range(self, filter);
    }
}

/* The topmost is a filter, not a condition. */
static Qdrant__Filter *
wrap(translator *self, Qdrant__Condition *condition)
{
    if (condition->condition_one_of_case == QDRANT__CONDITION__CONDITION_ONE_OF_FILTER)
        return condition->filter;
    Qdrant__Condition **one = take(self, 1, sizeof *one);
    if (one == NULL)
        return NULL;
    *one = condition;
    Qdrant__Condition *all = join(self, VMX_FILTER_AND, one, 1);
    return all != NULL ? all->filter : NULL;
}

vmx_status
vmx_qdrant_filter(vmx_arena *arena, vmx_str json, const char *what, Qdrant__Filter **out, vmx_error *error)
{
    const vmx_filter *filter;
    translator self = {arena, what, error};
    *out = NULL;
    vmx_status status = vmx_filter_parse(arena, json, what, &filter, NULL, error);
    if (status != VMX_OK || filter == NULL)
        return status;
    Qdrant__Condition *condition = translate(&self, filter);
    *out = condition != NULL ? wrap(&self, condition) : NULL;
    return *out != NULL ? VMX_OK : error->code;
}
