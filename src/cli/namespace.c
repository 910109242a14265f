#include "cli.h"
#include "connection.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 100

typedef struct namespace_options {
    const char *prefix;
    uint64_t limit;
    uint64_t page_size;
    cli_texts fields;
} namespace_options;

static void
print_namespaces(const vmx_op *op)
{
    for (size_t i = 0; i < vmx_op_namespace_count(op); i++) {
        cli_print_namespace(op, i);
        putchar('\n');
    }
}

static vmx_status
start_list(const cli_session *session, const namespace_options *options, vmx_op **op, vmx_error *error)
{
    vmx_list list;
    vmx_list_init(&list, sizeof list);
    list.prefix = vmx_str_from(options->prefix);
    list.limit = options->limit;
    list.page_size = (uint32_t)options->page_size;
    return vmx_index_list_namespaces(session->index, &list, &session->options, op, error);
}

static vmx_status
start_create(const cli_session *session, const namespace_options *options, vmx_op **op, vmx_error *error)
{
    vmx_str *fields = calloc(options->fields.count + 1, sizeof *fields);
    if (!fields) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return VMX_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < options->fields.count; i++)
        fields[i] = vmx_str_from(options->fields.ptr[i]);
    vmx_strs filterable = {fields, options->fields.count};
    vmx_status status = vmx_index_create_namespace(session->index, &filterable, &session->options, op, error);
    free(fields);
    return status;
}

static vmx_status
start_describe(const cli_session *session, const namespace_options *options, vmx_op **op, vmx_error *error)
{
    (void)options;
    return vmx_index_describe_namespace(session->index, &session->options, op, error);
}

static vmx_status
start_delete(const cli_session *session, const namespace_options *options, vmx_op **op, vmx_error *error)
{
    (void)options;
    return vmx_index_delete_namespace(session->index, &session->options, op, error);
}

typedef struct namespace_verb {
    const char *name;
    vmx_status (*start)(const cli_session *session, const namespace_options *options, vmx_op **op, vmx_error *error);
} namespace_verb;

static const namespace_verb verbs[] = {
    {"list", start_list}, {"create", start_create}, {"describe", start_describe}, {"delete", start_delete}};

static const namespace_verb *
find_verb(const cli_texts *arguments)
{
    for (size_t i = 0; arguments->count > 0 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, arguments->ptr[0]) == 0)
            return &verbs[i];
    return NULL;
}

static int
namespace_command(const cli_session *session, const cli_texts *arguments, void *user)
{
    const namespace_verb *verb = find_verb(arguments);
    if (!verb) {
        cli_error("namespace: say list, create, describe or delete; see vecmux namespace --help");
        return CLI_USAGE;
    }
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = verb->start(session, user, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    if (good)
        print_namespaces(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    namespace_options o = {.prefix = ""};
    const cli_option options[] = {
        {"prefix", "TEXT", CLI_TEXT, &o.prefix, "list: only names that begin with it.", 0, 0},
        {"limit", "N", CLI_NUMBER, &o.limit, "list: at most N names (default: all).", 1, 0},
        {"page-size", "N", CLI_NUMBER, &o.page_size, "list: names in one request (default 100).", 1, PAGE_MAX},
        {"field", "NAME", CLI_REPEAT, &o.fields,
         "create: a metadata field to index for filters; may be given several times (default: as the index does).", 0,
         0},
    };
    cli_usage usage = {
        .command = "namespace",
        .arguments = "list|create|describe|delete",
        .text = "Works on namespaces. list prints all of the index, one JSON object on each line; create and describe\n"
                "print the one that --namespace names; delete deletes it with every record in it.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = 1,
    };
    int code = cli_session_run(&usage, argc, argv, namespace_command, &o);
    cli_texts_free(&o.fields);
    return code;
}

const cli_command cli_command_namespace = {"namespace", "lists, creates, describes or deletes namespaces", run};
