#include "build_show.h"
#include "cli.h"
#include "connection.h"

#include <stdio.h>

typedef struct trigger_options {
    uint64_t m, ef_construction, ef_search;
    const char *key;
    bool deterministic, quiet;
} trigger_options;

static int
trigger(const cli_session *session, const cli_texts *arguments, void *user)
{
    const trigger_options *o = user;
    vmx_build_spec spec;
    vmx_op *op = NULL;
    vmx_error error;
    (void)arguments;
    vmx_build_spec_init(&spec, sizeof spec);
    spec.m = (uint32_t)o->m;
    spec.ef_construction = (uint32_t)o->ef_construction;
    spec.ef_search = (uint32_t)o->ef_search;
    spec.deterministic = o->deterministic;
    spec.idempotency_key = vmx_str_from(o->key);
    vmx_status status = vmx_index_trigger_build(session->index, &spec, &session->options, &op, &error);
    bool good = cli_build_watch(status, &error, op, o->quiet);
    if (good)
        cli_build_print_jobs(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    trigger_options o = {.key = ""};
    const cli_option options[] = {
        {"m", "N", CLI_NUMBER, &o.m, "Links of a node (default 16).", 2, 512},
        {"ef-construction", "N", CLI_NUMBER, &o.ef_construction, "Candidates while building (default 100).", 1, 10000},
        {"ef-search", "N", CLI_NUMBER, &o.ef_search, "Candidates while searching (default 100).", 1, 10000},
        {"deterministic", NULL, CLI_FLAG, &o.deterministic, "Builds with one thread: always the same graph.", 0, 0},
        {"key", "TEXT", CLI_TEXT, &o.key, "Idempotency key: called again with it, no second build begins.", 0, 0},
        {"quiet", NULL, CLI_FLAG, &o.quiet, "Shows no progress.", 0, 0},
    };
    cli_usage usage = {
        .command = "trigger",
        .arguments = "",
        .text =
            "Builds an HNSW graph over the vectors that --namespace of vecmuxd holds, waits for it, and prints the\n"
            "build as JSON. Queries are answered from the graph then.",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    return cli_session_run(&usage, argc, argv, trigger, &o);
}

const cli_command cli_command_trigger = {"trigger", "builds a graph over a namespace, in place", run};
