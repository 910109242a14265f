/*
 * cli.h: what the commands of `vecmux` share: exit codes, errors on stderr, and the table of commands.
 * The tool knows the library by its public headers only.
 */
#ifndef VMX_CLI_H
#define VMX_CLI_H

#include <vecmux/vecmux.h>

enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* an operation failed, or its input is wrong */
    CLI_USAGE = 2   /* the command line is wrong, a refused setting included */
};

/* One command. `run` gets the arguments behind the program's name, the command's own first; returns an exit code. */
typedef struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} cli_command;

extern const cli_command cli_command_upsert;
extern const cli_command cli_command_load;
extern const cli_command cli_command_query;
extern const cli_command cli_command_fetch;
extern const cli_command cli_command_list;
extern const cli_command cli_command_update;
extern const cli_command cli_command_delete;
extern const cli_command cli_command_stats;
extern const cli_command cli_command_namespace;
extern const cli_command cli_command_index;
extern const cli_command cli_command_indexes;
extern const cli_command cli_command_engines;
extern const cli_command cli_command_build;
extern const cli_command cli_command_trigger;
extern const cli_command cli_command_config;
extern const cli_command cli_command_metrics;
extern const cli_command cli_command_version;

/* One line on stderr, "vecmux: ...". A line break inside the text becomes a blank. */
void
cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
