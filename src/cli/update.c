#include "cli.h"
#include "connection.h"
#include "json.h"

#include <stdio.h>

typedef struct update_options {
    const char *values;
    const char *sparse;
    const char *set_metadata;
    const char *filter;
    bool dry_run;
    bool wait;
} update_options;

static bool
read_values(const update_options *options, cli_floats *values, cli_sparse *sparse, cli_reason *reason)
{
    json_t *json = NULL;
    bool good = true;
    if (options->values) {
        json = cli_json_parse(options->values, vmx_str_from(options->values).len, reason);
        good = json && cli_json_floats(json, "values", values, reason);
        json_decref(json);
    }
    if (good && options->sparse) {
        json = cli_json_parse(options->sparse, vmx_str_from(options->sparse).len, reason);
        good = json && cli_json_sparse(json, sparse, reason);
        json_decref(json);
    }
    return good;
}

static bool
print_result(const cli_session *session, const vmx_op *op, bool wait)
{
    int64_t matched;
    uint64_t lsn = 0;
    const char *separator = "";
    putchar('{');
    if (vmx_op_matched(op, &matched)) {
        printf("\"matched\":%lld", (long long)matched);
        separator = ",";
    }
    if (vmx_op_lsn(op, &lsn))
        printf("%s\"lsn\":%llu", separator, (unsigned long long)lsn);
    puts("}");
    return !wait || cli_session_wait_visible(session, lsn);
}

static int
update(const cli_session *session, const cli_texts *arguments, void *user)
{
    const update_options *options = user;
    cli_floats values = {0};
    cli_sparse sparse = {0};
    cli_reason reason;
    if (!read_values(options, &values, &sparse, &reason)) {
        cli_error("update: %s", reason.text);
        cli_floats_free(&values);
        cli_sparse_free(&sparse);
        return CLI_FAILED;
    }
    vmx_update update;
    vmx_update_init(&update, sizeof update);
    update.id = vmx_str_from(arguments->count > 0 ? arguments->ptr[0] : NULL);
    update.values = cli_floats_borrow(&values);
    update.sparse = cli_sparse_borrow(&sparse);
    update.set_metadata = vmx_str_from(options->set_metadata);
    update.filter = vmx_str_from(options->filter);
    update.dry_run = options->dry_run;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_index_update(session->index, &update, &session->options, &op, &error);
    bool good = cli_session_wait(status, &error, op) && print_result(session, op, options->wait && !options->dry_run);
    vmx_op_free(op);
    cli_floats_free(&values);
    cli_sparse_free(&sparse);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    update_options o = {0};
    const cli_option options[] = {
        {"values", "JSON", CLI_TEXT, &o.values, "The record's new values, an array of numbers.", 0, 0},
        {"sparse", "JSON", CLI_TEXT, &o.sparse, "Its new sparse values, {\"indices\":[...],\"values\":[...]}.", 0, 0},
        {"set-metadata", "JSON", CLI_TEXT, &o.set_metadata, "An object, merged into the metadata.", 0, 0},
        {"filter", "JSON", CLI_TEXT, &o.filter, "Changes the metadata of all records that match, instead of an ID.", 0,
         0},
        {"dry-run", NULL, CLI_FLAG, &o.dry_run, "With --filter: changes nothing, only counts.", 0, 0},
        {"wait", NULL, CLI_FLAG, &o.wait, "Waits until the change is visible to queries.", 0, 0},
    };
    cli_usage usage = {
        .command = "update",
        .arguments = "[ID]",
        .text =
            "Changes a stored record, or the metadata of all that a filter selects. Prints {\"matched\":COUNT} and\n"
            "\"lsn\", each where the server says it.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = 1,
    };
    return cli_session_run(&usage, argc, argv, update, &o);
}

const cli_command cli_command_update = {"update", "changes stored records", run};
