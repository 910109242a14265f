#include "processes.h"

#include "cli/cli.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define POLL_MS        200
#define EXTRA          20 /* arguments behind the user's own */
#define TEXT_SIZE      32

extern char **environ;

/* One process: a part of the rows, and the last figures that it printed. */
typedef struct load_process {
    pid_t pid; /* 0: not running */
    int out;   /* its stdout; -1 at its end */
    uint64_t rows;
    load_figures figures;
    bool complete;
    char line[LINE_MAX_BYTES];
    size_t length;
} load_process;

static volatile sig_atomic_t interrupted;

static void
interrupt(int number)
{
    interrupted = number;
}

/* The user's options, then what makes it a part, then the files. The texts must live until the spawn. */
typedef struct load_command {
    char **arguments; /* ends in NULL */
    char first[TEXT_SIZE], rows[TEXT_SIZE], rate[TEXT_SIZE], rate_bytes[TEXT_SIZE];
    char *resume;
} load_command;

/* The limits of the whole load are shared out evenly. */
static bool
write_texts(load_command *command, const load_options *options, uint64_t first, uint64_t rows, uint64_t part,
            uint64_t count)
{
    snprintf(command->first, sizeof command->first, "%" PRIu64, first);
    snprintf(command->rows, sizeof command->rows, "%" PRIu64, rows);
    snprintf(command->rate, sizeof command->rate, "%.17g", options->vectors_per_second / (double)count);
    snprintf(command->rate_bytes, sizeof command->rate_bytes, "%.17g", options->bytes_per_second / (double)count);
    return !options->resume ||
           asprintf(&command->resume, "%s.%" PRIu64 "of%" PRIu64, options->resume, part, count) >= 0;
}

static bool
build_command(load_command *command, const load_options *options, uint64_t first, uint64_t rows, uint64_t part,
              uint64_t count, char **argv, int option_count)
{
    size_t files = options->input.files.count;
    size_t at = 0;
    *command = (load_command){.arguments = calloc((size_t)option_count + files + EXTRA, sizeof(char *))};
    if (!command->arguments || !write_texts(command, options, first, rows, part, count))
        return false;
    char *extra[] = {"--processes",
                     "1",
                     "--json",
                     "--first-row",
                     command->first,
                     "--rows",
                     command->rows,
                     "--rate",
                     command->rate,
                     "--rate-bytes",
                     command->rate_bytes,
                     "--dead-letters",
                     (char *)(uintptr_t)options->dead_letters};
    command->arguments[at++] = "vecmux";
    for (int i = 0; i < option_count; i++)
        command->arguments[at++] = argv[i];
    size_t extras = sizeof extra / sizeof *extra - (options->dead_letters ? 0 : 2);
    for (size_t i = 0; i < extras; i++)
        command->arguments[at++] = extra[i];
    if (command->resume) {
        command->arguments[at++] = "--resume";
        command->arguments[at++] = command->resume;
    }
    command->arguments[at++] = "--";
    for (size_t i = 0; i < files; i++)
        command->arguments[at++] = (char *)(uintptr_t)options->input.files.ptr[i];
    return true;
}

static void
free_command(load_command *command)
{
    free(command->arguments);
    free(command->resume);
}

/* Starts a command with its stdout in a pipe. */
static bool
spawn(load_process *process, const load_command *command)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        cli_error("pipe: %s", strerror(errno));
        return false;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int code = posix_spawn(&process->pid, "/proc/self/exe", &actions, NULL, command->arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    process->out = ends[0];
    if (code == 0)
        return true;
    process->pid = 0;
    cli_error("a process could not be started: %s", strerror(code));
    return false;
}

static bool
spawn_all(load_process *processes, const load_options *options, uint64_t count, uint64_t end, char **argv,
          int option_count)
{
    uint64_t first = options->input.first_row;
    uint64_t total = end > first ? end - first : 0;
    bool good = true;
    for (uint64_t i = 0; i < count && good; i++) {
        uint64_t rows = total / count + (i < total % count);
        load_command command;
        good = build_command(&command, options, first, rows, i + 1, count, argv, option_count);
        if (!good)
            cli_error("out of memory");
        processes[i].rows = rows;
        good = good && spawn(&processes[i], &command);
        free_command(&command);
        first += rows;
    }
    return good;
}

static uint64_t
number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static void
take_line(load_process *process, const char *line, size_t length)
{
    cli_reason reason;
    json_t *object = cli_json_parse(line, length, &reason);
    if (!json_is_object(object)) {
        json_decref(object);
        return;
    }
    process->figures = (load_figures){
        .stored = number_of(object, "stored"),
        .failed = number_of(object, "failed"),
        .stored_bytes = number_of(object, "stored_bytes"),
        .in_flight = number_of(object, "in_flight"),
        .retries = number_of(object, "retries"),
        .stored_before = number_of(object, "stored_before"),
        .failed_before = number_of(object, "failed_before"),
        .fraction = json_number_value(json_object_get(object, "fraction")),
    };
    process->complete = json_is_true(json_object_get(object, "complete"));
    json_decref(object);
}

static void
take_output(load_process *process)
{
    ssize_t count = read(process->out, process->line + process->length, sizeof process->line - process->length);
    if (count < 0 && errno == EINTR)
        return;
    process->length += count > 0 ? (size_t)count : 0;
    char *stop;
    while ((stop = memchr(process->line, '\n', process->length))) {
        size_t length = (size_t)(stop - process->line);
        take_line(process, process->line, length);
        process->length -= length + 1;
        memmove(process->line, stop + 1, process->length);
    }
    if (process->length == sizeof process->line)
        process->length = 0; /* no line of ours is so long */
    if (count <= 0) {
        close(process->out);
        process->out = -1;
    }
}

static load_figures
sum(const load_process *processes, uint64_t count)
{
    load_figures all = {0};
    double rows = 0;
    for (uint64_t i = 0; i < count; i++) {
        const load_figures *one = &processes[i].figures;
        all.stored += one->stored;
        all.failed += one->failed;
        all.stored_bytes += one->stored_bytes;
        all.in_flight += one->in_flight;
        all.retries += one->retries;
        all.stored_before += one->stored_before;
        all.failed_before += one->failed_before;
        all.fraction += one->fraction * (double)processes[i].rows;
        rows += (double)processes[i].rows;
    }
    all.fraction = rows > 0 ? all.fraction / rows : 1;
    return all;
}

static void
stop_all(const load_process *processes, uint64_t count, int number)
{
    for (uint64_t i = 0; i < count; i++)
        if (processes[i].pid > 0)
            kill(processes[i].pid, number);
}

/* A process ends in order at the first signal of a number, and at once at the second. From a terminal the processes get
 * what we get, so they are sent the other number: an order to end in order stays one. */
static int
forwarded(int number)
{
    return number == SIGINT ? SIGTERM : SIGINT;
}

/* Reads what the processes print until the last has closed its stdout. */
static void
watch(load_process *processes, uint64_t count, load_progress *progress)
{
    struct pollfd watched[LOAD_PROCESSES_MAX];
    uint64_t open = count;
    while (open > 0) {
        for (uint64_t i = 0; i < count; i++)
            watched[i] = (struct pollfd){.fd = processes[i].out, .events = POLLIN};
        int ready = poll(watched, (nfds_t)count, POLL_MS);
        open = 0;
        for (uint64_t i = 0; i < count; i++) {
            if (ready > 0 && watched[i].revents && processes[i].out >= 0)
                take_output(&processes[i]);
            open += processes[i].out >= 0;
        }
        load_figures figures = sum(processes, count);
        load_progress_show(progress, &figures);
        if (interrupted) {
            stop_all(processes, count, forwarded(interrupted));
            interrupted = 0;
        }
    }
}

/* The exit code of them all. */
static int
reap(load_process *processes, uint64_t count)
{
    int worst = CLI_OK;
    for (uint64_t i = 0; i < count; i++) {
        int status = 0;
        if (processes[i].pid <= 0) {
            worst = CLI_FAILED;
            continue;
        }
        while (waitpid(processes[i].pid, &status, 0) < 0 && errno == EINTR)
            continue;
        if (WIFSIGNALED(status))
            cli_error("process %llu was killed by signal %d", (unsigned long long)i + 1, WTERMSIG(status));
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            worst = CLI_FAILED;
        processes[i].pid = 0;
    }
    return worst;
}

static int
run_all(load_process *processes, const load_options *options, uint64_t count, uint64_t end, char **argv,
        int option_count)
{
    load_progress progress;
    struct sigaction action = {.sa_handler = interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    load_progress_start(&progress, options->json, options->quiet);
    for (uint64_t i = 0; i < count; i++)
        processes[i].out = -1;
    if (!spawn_all(processes, options, count, end, argv, option_count))
        stop_all(processes, count, SIGTERM);
    watch(processes, count, &progress);
    int code = reap(processes, count);
    load_figures figures = sum(processes, count);
    bool complete = true;
    for (uint64_t i = 0; i < count; i++)
        complete = complete && processes[i].complete;
    load_progress_finish(&progress, &figures, options->dead_letters, complete);
    return complete ? code : CLI_FAILED;
}

int
load_run_processes(const load_input *input, const load_options *options, uint64_t count, char **argv, int option_count)
{
    uint64_t end = load_input_count(input);
    if (end == LOAD_UNKNOWN)
        return CLI_FAILED;
    load_process *processes = calloc(count, sizeof *processes);
    if (!processes) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    int code = run_all(processes, options, count, end, argv, option_count);
    free(processes);
    return code;
}
