/*
 * Filters as Milvus's boolean expressions.
 *
 * Values and names are only ever written as quoted texts, numbers and true/false, so none can change the structure.
 *
 * There are two dialects. Milvus 2.3's conditions are true or false on every record, whatever it holds, so NOT is its
 * own. milvus-lite 3.2 follows SQL: a comparison with a missing field or one of another type is unknown, and so is its
 * negation. There a negation is pushed down to the conditions, whose opposites are written out; in what remains, AND and
 * OR only, unknown does the same as false. Both were tried out condition by condition (docs/engines.md has what is left).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/number.h"
#include "engine/milvus/milvus.h"
#include "wire/struct_json.h"

#define MAX_EXPRESSION_BYTES (8u << 20)

typedef struct writer {
    vmx_buffer out;
    const vmx_milvus_schema *schema;
} writer;

static void
write_filter(writer *w, const vmx_filter *filter, bool negated);

static void
put(writer *w, const char *text)
{
    vmx_buffer_append_text(&w->out, text);
}

/* --- constants and names ------------------------------------------------------------------------------------------- */

static const char *
escape_of(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* milvus-lite takes other control characters as they are, and knows no \u. */
static void
write_text(writer *w, vmx_str text)
{
    vmx_buffer_append_byte(&w->out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char *escape = escape_of(c);
        if (escape != NULL)
            put(w, escape);
        else if ((c < 0x20 || c == 0x7f) && !w->schema->lite)
            vmx_buffer_printf(&w->out, "\\u%04x", c);
        else
            vmx_buffer_append_byte(&w->out, c);
    }
    vmx_buffer_append_byte(&w->out, '"');
}

/* `real`: in a list with numbers that are not whole, which must be all of one kind. */
static void
write_number(writer *w, const vmx_filter_value *value, bool real)
{
    char text[VMX_NUMBER_SIZE];
    if (value->is_integer) {
        vmx_buffer_printf(&w->out, real ? "%" PRId64 ".0" : "%" PRId64, value->integer);
        return;
    }
    vmx_number_format(value->number, text);
    put(w, text);
}

static void
write_value(writer *w, const vmx_filter_value *value, bool real)
{
    if (value->type == VMX_FILTER_TEXT)
        write_text(w, value->text);
    else if (value->type == VMX_FILTER_NUMBER)
        write_number(w, value, real);
    else
        put(w, value->boolean ? "true" : "false");
}

/* metadata["name"]: Milvus compares the name with the stored JSON's as it is written there, which is in our way (rows.c). */
static void
write_field(writer *w, const vmx_filter *filter)
{
    put(w, w->schema->metadata);
    put(w, "[");
    if (w->schema->lite)
        write_text(w, filter->field);
    else
        vmx_json_append_string(&w->out, filter->field);
    put(w, "]");
}

static void
write_exists(writer *w, const vmx_filter *filter, bool negated)
{
    put(w, negated ? "(not (exists " : "(exists ");
    write_field(w, filter);
    put(w, negated ? "))" : ")");
}

/* A condition on the id that every record fulfils, or none. */
static void
write_constant(writer *w, bool truth)
{
    put(w, "(");
    put(w, w->schema->id);
    if (w->schema->integer_ids) {
        put(w, truth ? " >= 0 or " : " > 0 and ");
        put(w, w->schema->id);
        put(w, " < 0)");
    } else {
        put(w, truth ? " != \"\")" : " == \"\")");
    }
}

/* --- one of several values ----------------------------------------------------------------------------------------- */

static bool
has_type(const vmx_filter *filter, vmx_filter_type type)
{
    for (size_t i = 0; i < filter->value_count; i++)
        if (filter->values[i].type == type)
            return true;
    return false;
}

static bool
has_fraction(const vmx_filter *filter)
{
    for (size_t i = 0; i < filter->value_count; i++)
        if (filter->values[i].type == VMX_FILTER_NUMBER && !filter->values[i].is_integer)
            return true;
    return false;
}

/* ["a","b"]: the values of one type */
static void
write_list(writer *w, const vmx_filter *filter, vmx_filter_type type)
{
    const char *between = "";
    bool real = has_fraction(filter);
    put(w, "[");
    for (size_t i = 0; i < filter->value_count; i++)
        if (filter->values[i].type == type) {
            put(w, between);
            write_value(w, &filter->values[i], real);
            between = ",";
        }
    put(w, "]");
}

/* A list of texts equals a text that is in it. */
static void
write_contains(writer *w, const vmx_filter *filter)
{
    put(w, "json_contains_any(");
    write_field(w, filter);
    put(w, ", ");
    write_list(w, filter, VMX_FILTER_TEXT);
    put(w, ")");
}

/* F == "a" or F == true ..., with another comparison and connective for the opposite */
static void
write_each(writer *w, const vmx_filter *filter, const char *comparison, const char *connective)
{
    for (size_t i = 0; i < filter->value_count; i++) {
        put(w, i > 0 ? connective : "");
        write_field(w, filter);
        put(w, comparison);
        write_value(w, &filter->values[i], false);
    }
}

static void
write_in_lists(writer *w, const vmx_filter *filter)
{
    static const vmx_filter_type types[] = {VMX_FILTER_TEXT, VMX_FILTER_NUMBER, VMX_FILTER_BOOLEAN};
    const char *between = "";
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (has_type(filter, types[i])) {
            put(w, between);
            write_field(w, filter);
            put(w, " in ");
            write_list(w, filter, types[i]);
            between = " or ";
        }
}

static void
write_in(writer *w, const vmx_filter *filter, bool negated)
{
    put(w, negated ? "(not (" : "(");
    if (filter->value_count == 1)
        write_each(w, filter, " == ", " or ");
    else
        write_in_lists(w, filter);
    if (has_type(filter, VMX_FILTER_TEXT)) {
        put(w, " or ");
        write_contains(w, filter);
    }
    put(w, negated ? "))" : ")");
}

/* milvus-lite has no `in` for JSON, takes a text that looks like a list for one, and cannot look into lists of dynamic
 * fields. */
static void
write_in_lite(writer *w, const vmx_filter *filter, bool negated)
{
    bool lists = has_type(filter, VMX_FILTER_TEXT) && !w->schema->dynamic;
    put(w, "(");
    if (negated) {
        write_exists(w, filter, true);
        put(w, " or (");
    }
    write_each(w, filter, negated ? " != " : " == ", negated ? " and " : " or ");
    if (lists) {
        put(w, negated ? " and (" : " or ((not (");
        write_field(w, filter);
        put(w, negated ? " like \"%\" or (not " : " like \"%\")) and ");
        write_contains(w, filter);
        put(w, negated ? "))" : ")");
    }
    put(w, negated ? "))" : ")");
}

/* --- order --------------------------------------------------------------------------------------------------------- */

static const char *
comparison_of(vmx_filter_kind kind, bool negated)
{
    switch (kind) {
    case VMX_FILTER_GREATER:
        return negated ? " <= " : " > ";
    case VMX_FILTER_GREATER_EQUAL:
        return negated ? " < " : " >= ";
    case VMX_FILTER_LESS:
        return negated ? " >= " : " < ";
    default:
        return negated ? " > " : " <= ";
    }
}

static void
write_comparison(writer *w, const vmx_filter *filter, bool opposite)
{
    write_field(w, filter);
    put(w, comparison_of(filter->kind, opposite));
    write_value(w, &filter->values[0], false);
}

static void
write_order(writer *w, const vmx_filter *filter, bool negated)
{
    put(w, negated ? "(not (" : "(");
    write_comparison(w, filter, false);
    put(w, negated ? "))" : ")");
}

/* What is no number is in no order, and 0 times it is not 0: that of a text is "", that of a list is []. */
static void
write_order_lite(writer *w, const vmx_filter *filter, bool negated)
{
    put(w, "(");
    if (negated) {
        write_exists(w, filter, true);
        put(w, " or (not (");
        write_field(w, filter);
        put(w, " * 0 == 0)) or ");
    }
    write_comparison(w, filter, negated);
    put(w, ")");
}

/* --- trees --------------------------------------------------------------------------------------------------------- */

static void
write_children(writer *w, const vmx_filter *filter, const char *connective, bool negated)
{
    put(w, "(");
    for (size_t i = 0; i < filter->child_count; i++) {
        put(w, i > 0 ? connective : "");
        write_filter(w, filter->children[i], negated);
    }
    put(w, ")");
}

static void
write_group(writer *w, const vmx_filter *filter, bool negated)
{
    bool is_and = (filter->kind == VMX_FILTER_AND) != negated; /* De Morgan */
    if (filter->child_count == 0)
        write_constant(w, is_and);
    else
        write_children(w, filter, is_and ? " and " : " or ", negated);
}

static void
write_filter(writer *w, const vmx_filter *filter, bool negated)
{
    switch (filter->kind) {
    case VMX_FILTER_AND:
    case VMX_FILTER_OR:
        write_group(w, filter, negated);
        break;
    case VMX_FILTER_NOT:
        write_filter(w, filter->children[0], !negated);
        break;
    case VMX_FILTER_EXISTS:
        write_exists(w, filter, negated);
        break;
    case VMX_FILTER_IN:
        if (filter->value_count == 0)
            write_constant(w, negated);
        else
            (w->schema->lite ? write_in_lite : write_in)(w, filter, negated);
        break;
    default:
        (w->schema->lite ? write_order_lite : write_order)(w, filter, negated);
    }
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

/* The name of a field that Milvus cannot ask for; NULL: there is none. */
static const char *
find_nameless(const vmx_filter *filter)
{
    bool is_condition =
        filter->kind != VMX_FILTER_AND && filter->kind != VMX_FILTER_OR && filter->kind != VMX_FILTER_NOT;
    if (is_condition)
        return filter->field.len == 0 ? "" : NULL;
    const char *found = NULL;
    for (size_t i = 0; i < filter->child_count && found == NULL; i++)
        found = find_nameless(filter->children[i]);
    return found;
}

static vmx_status
finish(writer *w, vmx_arena *arena, const char *what, char **expression, vmx_error *error)
{
    vmx_status status = VMX_OK;
    if (w->out.len > MAX_EXPRESSION_BYTES)
        status = vmx_error_set(error, VMX_ERR_TOO_LARGE, "%s: %zu bytes as a Milvus expression; at most %u are allowed",
                               what, w->out.len, MAX_EXPRESSION_BYTES);
    else if (w->out.failed ||
             (*expression = vmx_exchange_text(arena, (vmx_str){(const char *)w->out.data, w->out.len})) == NULL)
        status = vmx_error_no_memory(error);
    vmx_buffer_free(&w->out);
    return status;
}

vmx_status
vmx_milvus_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const vmx_filter *filter, const char *what,
                      char **expression, vmx_error *error)
{
    static char everything[] = "";
    writer w = {.schema = schema};
    *expression = everything;
    if (vmx_filter_is_all(filter))
        return VMX_OK;
    if (schema->metadata[0] == '\0')
        return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                             "%s: the collection has neither a JSON column nor dynamic fields to filter on", what);
    if (find_nameless(filter) != NULL)
        return vmx_error_set(error, VMX_ERR_UNSUPPORTED,
                             "%s: the field \"\" has no name, and the engine milvus cannot ask for it", what);
    write_filter(&w, filter, false);
    return finish(&w, arena, what, expression, error);
}

vmx_status
vmx_milvus_all_expression(vmx_arena *arena, const vmx_milvus_schema *schema, char **expression, vmx_error *error)
{
    writer w = {.schema = schema};
    write_constant(&w, true);
    return finish(&w, arena, "all", expression, error);
}

vmx_status
vmx_milvus_integer_id(vmx_str id, const char *what, int64_t *integer, vmx_error *error)
{
    if (vmx_integer_parse(id, false, integer))
        return VMX_OK;
    return vmx_error_set(error, VMX_ERR_INVALID,
                         "%s: the id \"%.*s\" is no whole number, and the collection's ids are; use numbers, or create "
                         "the index with text ids",
                         what, vmx_error_clip(id), id.ptr);
}

vmx_status
vmx_milvus_ids_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const vmx_strs *ids, const char *what,
                          char **expression, vmx_error *error)
{
    writer w = {.schema = schema};
    vmx_status status = VMX_OK;
    put(&w, schema->id);
    put(&w, " in [");
    for (size_t i = 0; i < ids->count && status == VMX_OK; i++) {
        int64_t integer;
        put(&w, i > 0 ? "," : "");
        if (!schema->integer_ids)
            write_text(&w, ids->ptr[i]);
        else if ((status = vmx_milvus_integer_id(ids->ptr[i], what, &integer, error)) == VMX_OK)
            vmx_buffer_printf(&w.out, "%" PRId64, integer);
    }
    put(&w, "]");
    if (status == VMX_OK)
        return finish(&w, arena, what, expression, error);
    vmx_buffer_free(&w.out);
    return status;
}

vmx_status
vmx_milvus_id_expression(vmx_arena *arena, const vmx_milvus_schema *schema, const char *comparison, vmx_str id,
                         const char *what, char **expression, vmx_error *error)
{
    writer w = {.schema = schema};
    int64_t integer = 0;
    if (schema->integer_ids && vmx_milvus_integer_id(id, what, &integer, error) != VMX_OK)
        return error->code;
    put(&w, schema->id);
    put(&w, comparison);
    if (schema->integer_ids)
        vmx_buffer_printf(&w.out, "%" PRId64, integer);
    else
        write_text(&w, id);
    return finish(&w, arena, what, expression, error);
}
