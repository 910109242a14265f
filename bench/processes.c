#include "processes.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536

extern char **environ;

typedef struct child {
    pid_t pid;
    int output; /* the end of its stdout that we read */
} child;

/* The arguments and what comes after them, so that the last --processes counts. For free(). */
static char **
child_arguments(char **argv)
{
    static char processes[] = "--processes", one[] = "1", json[] = "--json";
    size_t count = 0;
    while (argv[count])
        count++;
    char **arguments = calloc(count + 4, sizeof *arguments);
    if (!arguments)
        return NULL;
    memcpy(arguments, argv, count * sizeof *argv);
    arguments[count] = processes;
    arguments[count + 1] = one;
    arguments[count + 2] = json;
    return arguments;
}

static bool
spawn(child *started, char **arguments)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    bool good = posix_spawnp(&started->pid, arguments[0], &actions, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    started->output = ends[0];
    if (!good)
        close(ends[0]);
    return good;
}

/* All that comes, with a NUL; for free(). */
static char *
read_all(int file)
{
    char *text = NULL;
    size_t len = 0;
    for (ssize_t got = 1; got > 0;) {
        char *longer = realloc(text, len + READ_BYTES + 1);
        if (!longer)
            break;
        text = longer;
        got = read(file, text + len, READ_BYTES);
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
    }
    return text;
}

static bool
collect(const child *started, bench_report *report)
{
    char *json = read_all(started->output);
    int status = 0;
    close(started->output);
    bool good = waitpid(started->pid, &status, 0) == started->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                json && bench_report_merge(report, json);
    if (!good)
        fprintf(stderr, "bench: process %d failed\n", (int)started->pid);
    free(json);
    return good;
}

bool
bench_processes_run(const bench_options *options, char **argv, bench_report *report)
{
    char **arguments = child_arguments(argv);
    child *children = calloc(options->processes, sizeof *children);
    size_t count = 0;
    while (arguments && children && count < options->processes && spawn(&children[count], arguments))
        count++;
    bool good = count == options->processes;
    for (size_t i = 0; i < count; i++)
        good = collect(&children[i], report) && good;
    free(children);
    free(arguments);
    return good;
}
