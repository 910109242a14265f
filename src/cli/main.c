/*
 * vecmux: the command-line tool. JSON lines in and out, one command for each operation of the library.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const cli_command *const commands[] = {
    &cli_command_upsert,  &cli_command_load,    &cli_command_query, &cli_command_fetch,     &cli_command_list,
    &cli_command_update,  &cli_command_delete,  &cli_command_stats, &cli_command_namespace, &cli_command_index,
    &cli_command_indexes, &cli_command_engines, &cli_command_build, &cli_command_trigger,   &cli_command_config,
    &cli_command_metrics, &cli_command_version,
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void
print_help(void)
{
    puts("usage: vecmux COMMAND [options] [arguments]\n"
         "\n"
         "Works on an index of vectors over gRPC: JSON lines in and out, one command for each operation.\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-11s %s\n", commands[i]->name, commands[i]->summary);
    puts("\n`vecmux COMMAND --help` tells its options and what it reads and prints.\n"
         "Errors are one line on stderr. Exit codes: 0 success, 1 an operation failed or its input is wrong,\n"
         "2 the command line is wrong.");
}

static const cli_command *
find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int
run(int argc, char **argv)
{
    if (argc < 2) {
        cli_error("no command; see vecmux --help");
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = cli_command_version.name;
    const cli_command *command = find_command(name);
    if (command)
        return command->run(argc - 1, argv + 1);
    cli_error("\"%s\": no such command; see vecmux --help", name);
    return CLI_USAGE;
}

/*
 * A standard descriptor that was closed would be the next file's or connection's: what we print would go there. It becomes
 * one that fails, as a closed one does: of /dev/null for the other direction. open() takes the lowest number that is free.
 * This runs before the constructors of libraries, of which gRPC's opens a descriptor, and so before a sanitizer is ready.
 */
__attribute__((no_sanitize("address", "thread", "undefined"))) static void
keep_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (syscall(SYS_fcntl, fd, F_GETFD) < 0)
            syscall(SYS_openat, AT_FDCWD, "/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

typedef void
on_start(void);
__attribute__((section(".preinit_array"), used)) static on_start *const before_libraries = keep_standard_descriptors;

int
main(int argc, char **argv)
{
    /* an error is one line of ours: gRPC's own log lines come only when they are asked for */
    setenv("GRPC_VERBOSITY", "NONE", 0);
    int code = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    cli_error("standard output: %s", strerror(errno));
    return code == CLI_OK ? CLI_FAILED : code;
}
