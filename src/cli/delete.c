#include "cli.h"
#include "connection.h"
#include "ids.h"

#include <stdio.h>

typedef struct delete_options {
    const char *filter;
    bool all;
    bool wait;
} delete_options;

/* Deletes once; raises `*lsn` to the number of the write where the server sent one. */
static bool
delete_part(const cli_session *session, const vmx_delete *part, bool *has_lsn, uint64_t *lsn)
{
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_index_delete(session->index, part, &session->options, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    uint64_t number;
    if (good && vmx_op_lsn(op, &number)) {
        *lsn = *has_lsn && *lsn > number ? *lsn : number;
        *has_lsn = true;
    }
    vmx_op_free(op);
    return good;
}

static bool
delete_all_parts(const cli_session *session, const delete_options *options, const cli_ids *ids, bool *has_lsn,
                 uint64_t *lsn)
{
    vmx_delete part;
    vmx_delete_init(&part, sizeof part);
    part.filter = vmx_str_from(options->filter);
    part.all = options->all;
    if (options->filter || options->all)
        return delete_part(session, &part, has_lsn, lsn);
    for (size_t from = 0; from < ids->count; from += CLI_IDS_PER_REQUEST) {
        part.ids = cli_ids_part(ids, from);
        if (!delete_part(session, &part, has_lsn, lsn))
            return false;
    }
    return true;
}

static int delete (const cli_session *session, const cli_texts *arguments, void *user)
{
    const delete_options *options = user;
    if ((options->filter != NULL) + options->all + (arguments->count > 0) != 1) {
        cli_error("delete: give either ids, or --filter, or --all; see vecmux delete --help");
        return CLI_USAGE;
    }
    cli_ids ids;
    bool has_lsn = false;
    uint64_t lsn = 0;
    bool good = cli_ids_read(&ids, arguments) && delete_all_parts(session, options, &ids, &has_lsn, &lsn);
    cli_ids_free(&ids);
    if (good && has_lsn)
        printf("{\"lsn\":%llu}\n", (unsigned long long)lsn);
    else if (good)
        puts("{}");
    if (good && options->wait)
        good = cli_session_wait_visible(session, lsn);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    delete_options o = {0};
    const cli_option options[] = {
        {"filter", "JSON", CLI_TEXT, &o.filter, "All records whose metadata match.", 0, 0},
        {"all", NULL, CLI_FLAG, &o.all, "Every record of the namespace.", 0, 0},
        {"wait", NULL, CLI_FLAG, &o.wait, "Waits until the change is visible to queries.", 0, 0},
    };
    cli_usage usage = {
        .command = "delete",
        .arguments = "[ID... | -]",
        .text = "Deletes records. \"-\" takes the ids from standard input, on each line a JSON text or {\"id\":...}.\n"
                "Deleting what does not exist succeeds. Prints {}, with \"lsn\" where the server sends one.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = -1,
    };
    return cli_session_run(&usage, argc, argv, delete, &o);
}

const cli_command cli_command_delete = {"delete", "deletes records by id, by filter, or all", run};
