#include "cli.h"
#include "connection.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct index_options {
    uint64_t dimension;
    const char *metric;
    const char *options;
    const char *filter;
    bool sparse;
    bool integer_ids;
    bool no_wait;
    cli_texts fields;
} index_options;

/* --- ensure -------------------------------------------------------------------------------------------------------- */

/* "year:integer" */
static bool
read_field(const char *text, vmx_filter_field *field, vmx_error *error)
{
    static const char *const types[] = {"text", "integer", "number", "boolean"};
    const char *colon = strrchr(text, ':');
    const char *type = colon ? colon + 1 : types[0];
    field->name = (vmx_str){text, colon ? (size_t)(colon - text) : strlen(text)};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        field->type = (vmx_field_type)i;
        if (strcmp(types[i], type) == 0)
            return true;
    }
    snprintf(error->message, sizeof error->message,
             "--field \"%.100s\": write NAME or NAME:TYPE, TYPE being text, integer, number or boolean", text);
    return false;
}

static vmx_status
start_ensure(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    vmx_index_spec spec;
    vmx_filter_field *fields = calloc(options->fields.count + 1, sizeof *fields);
    if (!fields) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return VMX_ERR_NO_MEMORY;
    }
    vmx_index_spec_init(&spec, sizeof spec);
    spec.dimension = (uint32_t)options->dimension;
    spec.metric = vmx_str_from(options->metric);
    spec.sparse = options->sparse;
    spec.id_type = options->integer_ids ? VMX_ID_INTEGER : VMX_ID_TEXT;
    spec.filters = fields;
    spec.filter_count = options->fields.count;
    spec.options = vmx_str_from(options->options);
    bool good = true;
    for (size_t i = 0; i < options->fields.count && good; i++)
        good = read_field(options->fields.ptr[i], &fields[i], error);
    vmx_status status = good ? vmx_index_ensure(session->index, &spec, &session->options, op, error) : VMX_ERR_INVALID;
    free(fields);
    return status;
}

/* --- the others ---------------------------------------------------------------------------------------------------- */

static vmx_status
start_describe(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    (void)options;
    return vmx_index_describe(session->index, &session->options, op, error);
}

static vmx_status
start_drop(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    (void)options;
    return vmx_index_drop(session->index, &session->options, op, error);
}

static vmx_status
start_build(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    vmx_index_build_options build;
    vmx_index_build_options_init(&build, sizeof build);
    build.options = vmx_str_from(options->options);
    build.no_wait = options->no_wait;
    return vmx_index_build(session->index, &build, &session->options, op, error);
}

static vmx_status
start_flush(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    (void)options;
    return vmx_index_flush(session->index, &session->options, op, error);
}

static vmx_status
start_count(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error)
{
    return vmx_index_count(session->index, vmx_str_from(options->filter), &session->options, op, error);
}

/* --- the command --------------------------------------------------------------------------------------------------- */

typedef struct index_verb {
    const char *name;
    vmx_status (*start)(const cli_session *session, const index_options *options, vmx_op **op, vmx_error *error);
} index_verb;

static const index_verb verbs[] = {{"ensure", start_ensure}, {"describe", start_describe}, {"drop", start_drop},
                                   {"build", start_build},   {"flush", start_flush},       {"count", start_count}};

static const index_verb *
find_verb(const cli_texts *arguments)
{
    for (size_t i = 0; arguments->count > 0 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, arguments->ptr[0]) == 0)
            return &verbs[i];
    return NULL;
}

static void
print_result(const vmx_op *op)
{
    uint64_t count;
    vmx_index_state state;
    vmx_index_state_init(&state, sizeof state);
    if (vmx_op_count(op, &count))
        printf("{\"count\":%llu}\n", (unsigned long long)count);
    else if (vmx_op_stats(op, &state))
        cli_print_state(op);
}

static int
index_command(const cli_session *session, const cli_texts *arguments, void *user)
{
    const index_verb *verb = find_verb(arguments);
    if (!verb) {
        cli_error("index: say ensure, describe, drop, build, flush or count; see vecmux index --help");
        return CLI_USAGE;
    }
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = verb->start(session, user, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    if (good)
        print_result(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    index_options o = {0};
    const cli_option options[] = {
        {"dimension", "N", CLI_NUMBER, &o.dimension, "ensure: how many values a vector has.", 1, 65536},
        {"metric", "NAME", CLI_TEXT, &o.metric, "ensure: cosine (default), euclidean or dotproduct.", 0, 0},
        {"sparse", NULL, CLI_FLAG, &o.sparse, "ensure: records may have sparse values.", 0, 0},
        {"integer-ids", NULL, CLI_FLAG, &o.integer_ids, "ensure: ids are decimal integers.", 0, 0},
        {"field", "NAME:TYPE", CLI_REPEAT, &o.fields,
         "ensure: a metadata field that filters name often, with its type: text (default), integer, number or boolean; "
         "may be given several times.",
         0, 0},
        {"options", "JSON", CLI_TEXT, &o.options, "ensure, build: the engine's own options (docs/engines.md).", 0, 0},
        {"no-wait", NULL, CLI_FLAG, &o.no_wait, "build: only starts it.", 0, 0},
        {"filter", "JSON", CLI_TEXT, &o.filter, "count: only records whose metadata match.", 0, 0},
    };
    cli_usage usage = {
        .command = "index",
        .arguments = "ensure|describe|drop|build|flush|count",
        .text =
            "Works on the index that --collection names: creates it, or verifies dimension and metric; describes,\n"
            "deletes it; starts the build of its search structure and waits until that is ready; waits until writes\n"
            "are visible; counts records. Prints one JSON object, for drop and flush nothing.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = 1,
    };
    int code = cli_session_run(&usage, argc, argv, index_command, &o);
    cli_texts_free(&o.fields);
    return code;
}

const cli_command cli_command_index = {"index", "creates, describes, builds, flushes, counts or deletes an index", run};

/* --- all of them --------------------------------------------------------------------------------------------------- */

static int
indexes_command(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    (void)user;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_client_list_indexes(session->client, &session->options, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    for (size_t i = 0; good && i < vmx_op_id_count(op); i++) {
        cli_print_text(vmx_op_id(op, i));
        putchar('\n');
    }
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run_indexes(int argc, char **argv)
{
    cli_usage usage = {
        .command = "indexes",
        .arguments = "",
        .text = "Prints the names of the server's indexes, one JSON string on each line.",
        .no_index = true,
    };
    return cli_session_run(&usage, argc, argv, indexes_command, NULL);
}

const cli_command cli_command_indexes = {"indexes", "lists the indexes of the server", run_indexes};
