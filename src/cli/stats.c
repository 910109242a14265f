#include "cli.h"
#include "connection.h"
#include "output.h"

#include <stdio.h>

static int
stats(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    (void)user;
    vmx_op *op = NULL;
    vmx_error error;
    vmx_status status = vmx_index_stats(session->index, &session->options, &op, &error);
    bool good = cli_session_wait(status, &error, op);
    if (good)
        cli_print_state(op);
    vmx_op_free(op);
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    cli_usage usage = {
        .command = "stats",
        .arguments = "",
        .text = "Prints counts, dimension and metric of the whole index as one JSON object:\n"
                "  {\"vector_count\":3,\"dimension\":2,\"metric\":\"cosine\",\"vector_type\":\"dense\","
                "\"index_fullness\":0,\n   \"namespaces\":[{\"name\":\"\",\"vector_count\":3}]}",
    };
    return cli_session_run(&usage, argc, argv, stats, NULL);
}

const cli_command cli_command_stats = {"stats", "prints counts, dimension and metric of the index", run};
