#include "cli.h"
#include "connection.h"
#include "output.h"

#include <stdio.h>

#define IDS_PER_OPERATION 10000 /* so that a long list is printed as it comes */
#define PAGE_MAX          100

typedef struct list_options {
    const char *prefix;
    uint64_t limit;
    uint64_t page_size;
} list_options;

static void
print_ids(const vmx_op *op)
{
    for (size_t i = 0; i < vmx_op_id_count(op); i++) {
        fputs("{\"id\":", stdout);
        cli_print_text(vmx_op_id(op, i));
        puts("}");
    }
}

static int
list(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    const list_options *options = user;
    uint64_t left = options->limit ? options->limit : UINT64_MAX;
    vmx_op *part = NULL;
    bool good = true;
    do {
        vmx_list list;
        vmx_list_init(&list, sizeof list);
        list.prefix = vmx_str_from(options->prefix);
        list.page_size = (uint32_t)options->page_size;
        list.limit = left < IDS_PER_OPERATION ? left : IDS_PER_OPERATION;
        if (part)
            list.token = vmx_op_next_token(part);
        vmx_op *op = NULL;
        vmx_error error;
        vmx_status status = vmx_index_list(session->index, &list, &session->options, &op, &error);
        good = cli_session_wait(status, &error, op);
        vmx_op_free(part);
        part = op;
        if (good) {
            print_ids(part);
            left -= left < vmx_op_id_count(part) ? left : vmx_op_id_count(part);
        }
    } while (good && left > 0 && vmx_op_next_token(part).ptr);
    vmx_op_free(part);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    list_options o = {.prefix = ""};
    const cli_option options[] = {
        {"prefix", "TEXT", CLI_TEXT, &o.prefix, "Only ids that begin with it.", 0, 0},
        {"limit", "N", CLI_NUMBER, &o.limit, "At most N ids (default: all).", 1, 0},
        {"page-size", "N", CLI_NUMBER, &o.page_size, "Ids in one request (default 100).", 1, PAGE_MAX},
    };
    cli_usage usage = {
        .command = "list",
        .arguments = "",
        .text = "Lists the ids of a namespace in bytewise order, {\"id\":...} on each line.",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    return cli_session_run(&usage, argc, argv, list, &o);
}

const cli_command cli_command_list = {"list", "lists the ids of a namespace", run};
