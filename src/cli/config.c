#include "cli.h"
#include "connection.h"

#include <stdio.h>
#include <string.h>

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "Every setting of a client is a property: a name and a text. Set them with `vmx_config_set`, read them from a "
    "file\n"
    "of lines `name = value` with `vmx_config_load_file`, or, only when asked, from the environment with\n"
    "`vmx_config_load_env` (`channel.count` is `VECMUX_CHANNEL_COUNT`). The command-line tool takes them with `--set\n"
    "name=value`, `--config FILE` and `--env`. A value is checked when it is set.\n"
    "\n"
    "Sizes take the suffixes `k`, `m` and `g` (powers of 1024). Properties marked secret are never printed or logged.\n"
    "\n"
    "This page is printed by `vecmux config --markdown` from the table in the library.\n";

static const char *
type_name(vmx_property_type type)
{
    switch (type) {
    case VMX_PROPERTY_STRING:
        return "text";
    case VMX_PROPERTY_BOOL:
        return "bool";
    case VMX_PROPERTY_INT:
        return "integer";
    case VMX_PROPERTY_FLOAT:
        return "number";
    case VMX_PROPERTY_ENUM:
        return "choice";
    case VMX_PROPERTY_FILE:
        return "file";
    }
    return "?";
}

static bool
property_at(size_t i, vmx_property *property)
{
    vmx_property_init(property, sizeof *property);
    return vmx_property_at(i, property);
}

static void
print_markdown(void)
{
    vmx_property property;
    fputs(introduction, stdout);
    for (size_t i = 0; property_at(i, &property); i++) {
        printf("\n## %s\n\n%s\n\n", property.name, property.help);
        printf("- type: %s%s\n", type_name(property.type), property.secret ? ", secret" : "");
        if (*property.default_value)
            printf("- default: `%s`\n", property.default_value);
        else
            puts("- default: empty");
        if (*property.range)
            printf("- allowed: %s\n", property.range);
        if (*property.unit)
            printf("- unit: %s\n", property.unit);
    }
}

/* Prints what --config reads; secrets and texts of several lines as comments. */
static void
print_values(const vmx_config *config)
{
    vmx_property property;
    for (size_t i = 0; property_at(i, &property); i++) {
        vmx_str value = vmx_config_get(config, VMX_STR(property.name));
        if (value.len > 0 && property.secret)
            printf("# %s is set, and secret\n", property.name);
        else if (value.len > 0 && memchr(value.ptr, '\n', value.len))
            printf("# %s is set, %zu bytes\n", property.name, value.len);
        else if (value.len > 0)
            printf("%s = %.*s\n", property.name, (int)value.len, value.ptr);
        else
            printf("# %s is empty\n", property.name);
    }
}

static int
show_config(const cli_usage *usage, const cli_connection *connection, const bool *markdown, int argc, char **argv)
{
    int positional;
    int code = cli_parse(usage, argc, argv, &positional);
    if (code >= 0)
        return code;
    if (*markdown) {
        print_markdown();
        return CLI_OK;
    }
    vmx_config *config = cli_connection_config(connection);
    if (!config)
        return CLI_USAGE;
    print_values(config);
    vmx_config_free(config);
    return CLI_OK;
}

static int
run(int argc, char **argv)
{
    bool markdown = false;
    cli_connection connection;
    cli_connection_init(&connection);
    const cli_option options[] = {
        {"markdown", NULL, CLI_FLAG, &markdown, "Prints the manual of all properties, docs/CONFIGURATION.md.", 0, 0},
    };
    const cli_usage usage = {
        .command = "config",
        .arguments = "",
        .text =
            "Prints the properties as they would be in effect with these options, in the form that --config reads.\n"
            "Secrets are not printed. No server is needed.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .common = connection.options,
        .common_count = connection.option_count,
    };
    int code = show_config(&usage, &connection, &markdown, argc, argv);
    cli_connection_free(&connection);
    return code;
}

const cli_command cli_command_config = {"config", "prints the properties in effect, or their manual", run};
