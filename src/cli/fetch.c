#include "cli.h"
#include "connection.h"
#include "ids.h"
#include "output.h"
#include "window.h"

#include <stdio.h>

#define IN_FLIGHT 4
#define PAGE_MAX  1000

typedef struct fetch_options {
    const char *filter;
    uint64_t limit; /* records in all; 0: all */
} fetch_options;

static void
print_records(vmx_op *op, void *user)
{
    (void)user;
    for (size_t i = 0; i < vmx_op_match_count(op); i++) {
        cli_print_match(op, i, false);
        putchar('\n');
    }
}

static bool
fetch_ids(const cli_session *session, const cli_texts *arguments)
{
    cli_ids ids;
    cli_window window = {.limit = IN_FLIGHT, .finish = print_records};
    bool good = cli_ids_read(&ids, arguments);
    for (size_t from = 0; good && !window.failed && from < ids.count; from += CLI_IDS_PER_REQUEST) {
        vmx_fetch fetch;
        vmx_fetch_init(&fetch, sizeof fetch);
        fetch.ids = cli_ids_part(&ids, from);
        vmx_op *op = NULL;
        vmx_error error;
        if (vmx_index_fetch(session->index, &fetch, &session->options, &op, &error) == VMX_OK)
            cli_window_add(&window, op, (cli_range){0, 0});
        else
            cli_window_error(&window, (cli_range){0, 0}, &error);
    }
    cli_ids_free(&ids);
    return cli_window_drain(&window) && good;
}

/* Page after page: each request goes on where the last one stopped. */
static bool
fetch_filter(const cli_session *session, const fetch_options *options)
{
    uint64_t left = options->limit ? options->limit : UINT64_MAX;
    vmx_op *page = NULL;
    bool good = true;
    while (good && left > 0) {
        vmx_fetch fetch;
        vmx_fetch_init(&fetch, sizeof fetch);
        fetch.filter = vmx_str_from(options->filter);
        fetch.limit = (uint32_t)(left < PAGE_MAX ? left : PAGE_MAX);
        if (page)
            fetch.token = vmx_op_next_token(page);
        vmx_op *op = NULL;
        vmx_error error;
        vmx_status status = vmx_index_fetch(session->index, &fetch, &session->options, &op, &error);
        good = cli_session_wait(status, &error, op);
        vmx_op_free(page);
        page = op;
        if (!good)
            break;
        print_records(page, NULL);
        left -= left < vmx_op_match_count(page) ? left : vmx_op_match_count(page);
        if (!vmx_op_next_token(page).ptr)
            break;
    }
    vmx_op_free(page);
    return good;
}

static int
fetch(const cli_session *session, const cli_texts *arguments, void *user)
{
    const fetch_options *options = user;
    if ((options->filter != NULL) == (arguments->count > 0)) {
        cli_error("fetch: give either ids or --filter; see vecmux fetch --help");
        return CLI_USAGE;
    }
    bool good = options->filter ? fetch_filter(session, options) : fetch_ids(session, arguments);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    fetch_options o = {0};
    const cli_option options[] = {
        {"filter", "JSON", CLI_TEXT, &o.filter, "All records whose metadata match, instead of ids.", 0, 0},
        {"limit", "N", CLI_NUMBER, &o.limit, "With --filter: at most N records (default: all).", 1, 0},
    };
    cli_usage usage = {
        .command = "fetch",
        .arguments = "[ID... | -]",
        .text =
            "Reads records by id or by filter. \"-\" takes the ids from standard input, on each line a JSON text or\n"
            "{\"id\":...}, so that `vecmux list | vecmux fetch -` works. Prints a line for each record, in the form\n"
            "that `vecmux upsert` reads; ids that do not exist are left out.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = -1,
    };
    return cli_session_run(&usage, argc, argv, fetch, &o);
}

const cli_command cli_command_fetch = {"fetch", "reads records by id or by filter", run};
