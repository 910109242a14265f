#include "cli.h"
#include "options.h"

#include <stdio.h>

static void
print_row(vmx_capability capability)
{
    printf("| %s | %s |", vmx_capability_name(capability), vmx_capability_help(capability));
    for (size_t i = 0; vmx_engine_name(i); i++)
        printf(" %s |", vmx_engine_supports(i, capability) ? "yes" : "-");
    putchar('\n');
}

static void
print_table(void)
{
    fputs("| | what it is |", stdout);
    for (size_t i = 0; vmx_engine_name(i); i++)
        printf(" %s |", vmx_engine_name(i));
    fputs("\n|---|---|", stdout);
    for (size_t i = 0; vmx_engine_name(i); i++)
        fputs("---|", stdout);
    putchar('\n');
    for (unsigned c = 0; c < VMX_CAPABILITY_COUNT; c++)
        print_row((vmx_capability)c);
}

static void
print_engine(size_t i)
{
    printf("\n## %s\n\n%s\n", vmx_engine_name(i), vmx_engine_manual(i));
    puts("| | remark |\n|---|---|");
    for (unsigned c = 0; c < VMX_CAPABILITY_COUNT; c++)
        if (*vmx_engine_note(i, (vmx_capability)c))
            printf("| %s | %s |\n", vmx_capability_name((vmx_capability)c), vmx_engine_note(i, (vmx_capability)c));
}

static void
print_markdown(void)
{
    puts(
        "# Engines\n\n"
        "`vecmux engines --markdown` prints this page, from the table that the library goes by: what an engine cannot\n"
        "do fails with `VMX_ERR_UNSUPPORTED`, naming engine and operation, before anything is sent. A program asks "
        "with\n"
        "`vmx_client_supports`. The property `engine` chooses; filters mean the same everywhere (filters.md).\n");
    print_table();
    for (size_t i = 0; vmx_engine_name(i); i++)
        print_engine(i);
}

static void
print_names(void)
{
    for (size_t i = 0; vmx_engine_name(i); i++)
        puts(vmx_engine_name(i));
}

static int
run(int argc, char **argv)
{
    bool markdown = false;
    int positional;
    const cli_option options[] = {
        {"markdown", NULL, CLI_FLAG, &markdown, "Prints what each can do, docs/engines.md.", 0, 0},
    };
    const cli_usage usage = {
        .command = "engines",
        .arguments = "",
        .text = "Prints the names that the property engine takes. No server is needed.",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    int code = cli_parse(&usage, argc, argv, &positional);
    if (code >= 0)
        return code;
    if (markdown)
        print_markdown();
    else
        print_names();
    return CLI_OK;
}

const cli_command cli_command_engines = {"engines", "prints the engines, or what each can do", run};
