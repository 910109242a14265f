#include "cli.h"
#include "options.h"

#include <stdio.h>

static int
run(int argc, char **argv)
{
    int positional;
    const cli_usage usage = {
        .command = "version",
        .arguments = "",
        .text = "Prints the versions of vecmux and of what it runs on.",
    };
    int code = cli_parse(&usage, argc, argv, &positional);
    if (code >= 0)
        return code;
    printf("vecmux %s\n%s\n", vmx_version(), vmx_version_details());
    return CLI_OK;
}

const cli_command cli_command_version = {"version", "prints the versions of vecmux and of what it runs on", run};
