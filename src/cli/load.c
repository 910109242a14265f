#include "cli.h"
#include "connection.h"
#include "load/dry_run.h"
#include "load/identity.h"
#include "load/processes.h"
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_COUNT    22
#define IN_FLIGHT_MAX   256
#define BATCH_MAX       1000000
#define ROWS_MAX        INT64_MAX
#define TIMEOUT_MAX_MS  INT64_MAX
#define DEFAULT_LETTERS ".dead"

typedef struct load_arguments {
    load_options load;
    bool dry_run;
    uint64_t processes;
    cli_connection connection;
    cli_option options[OPTION_COUNT];
    size_t option_count;
} load_arguments;

static const char text[] =
    "Loads vectors from files into an index: .npy, .fvecs, .bvecs, .ivecs, .fbin, .u8bin, .i8bin, IDX,\n"
    "HDF5 (of ann-benchmarks) and JSON lines as `vecmux upsert` reads them; each but HDF5 also in gzip.\n"
    "\"-\" is standard input, JSON lines. Rows are numbered from 0 through all files. Nothing is sent before\n"
    "every file's size has been checked. See docs/loading.md.\n"
    "What cannot be stored is counted, told, and kept with the reason in the --dead-letters file, which\n"
    "`vecmux load --format jsonl` takes again. Prints a summary on stdout, progress on stderr. Exit code 0:\n"
    "every vector is stored.";

/* --- the command line ---------------------------------------------------------------------------------------------- */

static void
set_input_options(load_arguments *a, cli_option *next)
{
    load_input_options *input = &a->load.input;
    const cli_option options[] = {
        {"dry-run", NULL, CLI_FLAG, &a->dry_run, "Reads and checks everything, sends nothing, says what is there.", 0,
         0},
        {"format", "NAME", CLI_TEXT, &input->format,
         "The files' format (default: by their endings): npy, fvecs, bvecs, ivecs, fbin, u8bin, i8bin, idx, hdf5 or "
         "jsonl.",
         0, 0},
        {"dataset", "NAME", CLI_TEXT, &input->dataset, "The array in an HDF5 file (default train).", 0, 0},
        {"id-format", "TEXT", CLI_TEXT, &input->id_format,
         "Ids from row numbers: %d, or %06d with leading zeros, stands for the number (default of arrays: %d).", 0, 0},
        {"id-offset", "N", CLI_NUMBER, &input->id_offset, "Added to the row number in ids.", 0, ROWS_MAX},
        {"ids", "FILE", CLI_TEXT, &input->id_file, "Ids from a file in step: lines, or an array of whole numbers.", 0,
         0},
        {"metadata", "FILE", CLI_TEXT, &input->metadata_file,
         "Metadata from a file in step: a JSON object on each line, or nothing.", 0, 0},
        {"column", "NAME=FILE", CLI_REPEAT, &input->columns,
         "One metadata field from a file in step: lines, or an array of numbers. May be given several times.", 0, 0},
        {"first-row", "N", CLI_NUMBER, &input->first_row, "Begins at this row (default 0).", 0, ROWS_MAX},
        {"rows", "N", CLI_NUMBER, &input->row_count, "Reads at most so many rows (default: all).", 0, ROWS_MAX},
    };
    memcpy(next, options, sizeof options);
    a->option_count += sizeof options / sizeof *options;
}

static void
set_load_options(load_arguments *a, cli_option *next)
{
    load_options *load = &a->load;
    const cli_option options[] = {
        {"dead-letters", "FILE", CLI_TEXT, &load->dead_letters,
         "Appends what cannot be stored, with the reason, as JSON lines (default: with --resume STATE.dead).", 0, 0},
        {"resume", "STATE", CLI_TEXT, &load->resume,
         "Keeps the state of the load in this file; called again after a kill, it goes on where all was confirmed.", 0,
         0},
        {"processes", "N", CLI_NUMBER, &a->processes, "Splits the rows over N processes (default 1).", 1,
         LOAD_PROCESSES_MAX},
        {"batch-vectors", "N", CLI_NUMBER, &load->batch_vectors,
         "At most N vectors in one request (default: what the index takes).", 1, BATCH_MAX},
        {"in-flight", "N", CLI_NUMBER, &load->in_flight, "At most N requests at a time (default 8).", 1, IN_FLIGHT_MAX},
        {"rate", "N", CLI_REAL, &load->vectors_per_second, "At most N vectors a second (default: no limit).", 0, 0},
        {"rate-bytes", "N", CLI_REAL, &load->bytes_per_second, "At most N bytes a second (default: no limit).", 0, 0},
        {"delivery-timeout-ms", "N", CLI_NUMBER, &load->delivery_timeout_ms,
         "Gives a vector up after this time of trying (default 300000).", 1, TIMEOUT_MAX_MS},
        {"json", NULL, CLI_FLAG, &load->json, "Prints progress and summary as JSON lines on stdout.", 0, 0},
        {"quiet", NULL, CLI_FLAG, &load->quiet, "Shows no progress.", 0, 0},
    };
    memcpy(next, options, sizeof options);
    a->option_count += sizeof options / sizeof *options;
}

static bool
check_arguments(const load_arguments *a)
{
    const load_options *load = &a->load;
    const char *wrong = NULL;
    bool from_stdin = false;
    for (size_t i = 0; i < load->input.files.count; i++)
        from_stdin = from_stdin || strcmp(load->input.files.ptr[i], "-") == 0;
    if (load->input.files.count == 0)
        wrong = "no file; see vecmux load --help";
    else if (from_stdin && load->input.files.count > 1)
        wrong = "standard input (\"-\") cannot be read together with other files";
    else if (from_stdin && (load->resume || a->processes > 1))
        wrong = "standard input (\"-\") can be read only once: --resume and --processes need a file";
    else if (load->resume && load->resume[0] == '\0')
        wrong = "--resume \"\": name a file for the state";
    else if (a->processes > 1 && (a->connection.metrics_listen || a->connection.metrics_file))
        wrong = "--metrics-listen and --metrics-file show one process: leave --processes out";
    else if (load->vectors_per_second < 0 || load->bytes_per_second < 0)
        wrong = "--rate and --rate-bytes: give a number that is not negative";
    if (wrong)
        cli_error("load: %s", wrong);
    return !wrong;
}

/* --- running ------------------------------------------------------------------------------------------------------- */

static int
load_here(load_arguments *a, load_input *input)
{
    cli_session session;
    vmx_config *config = cli_connection_config(&a->connection);
    if (!config)
        return CLI_USAGE;
    json_t *identity = NULL;
    if (a->load.resume)
        identity = load_identity(&a->load, &a->connection, vmx_config_get(config, VMX_STR("endpoint")));
    vmx_config_free(config);
    int code = cli_session_open(&a->connection, &session);
    if (code != CLI_OK) {
        json_decref(identity);
        return code;
    }
    code = load_run(&session, input, &a->load, identity);
    cli_session_close(&session);
    return code;
}

/* `argv` up to `option_count` are the options, the command's name first. */
static int
load(load_arguments *a, char **argv, int option_count)
{
    int code;
    load_input *input = load_input_open(&a->load.input, &code);
    if (!input)
        return code;
    if (a->dry_run)
        code = load_dry_run(input, a->load.json);
    else if (a->processes > 1)
        code = load_run_processes(input, &a->load, a->processes, argv, option_count);
    else
        code = load_here(a, input);
    load_input_close(input);
    return code;
}

/* Does the load read this file, or replace it with its state? */
static bool
uses_file(const load_options *load, const char *path)
{
    const load_input_options *input = &load->input;
    bool uses = cli_same_file(path, input->id_file) || cli_same_file(path, input->metadata_file) ||
                cli_same_file(path, load->resume) || (load->resume && strcmp(path, load->resume) == 0);
    for (size_t i = 0; i < input->files.count; i++)
        uses = uses || cli_same_file(path, input->files.ptr[i]);
    for (size_t i = 0; i < input->columns.count; i++) {
        const char *equals = strchr(input->columns.ptr[i], '=');
        uses = uses || (equals && cli_same_file(path, equals + 1));
    }
    return uses;
}

/* Letters in a file that is read, perhaps those of the load before, would spoil it, or be read again without end. */
static bool
check_letters(const load_options *load)
{
    if (!load->dead_letters || !uses_file(load, load->dead_letters))
        return true;
    cli_error("load: the dead letters would go to \"%s\", which the load itself uses; give --dead-letters another file",
              load->dead_letters);
    return false;
}

/* What cannot be stored must be somewhere before the journal passes over it. */
static bool
default_letters(load_options *load, char **name)
{
    *name = NULL;
    if (!load->resume || load->dead_letters)
        return true;
    size_t size = strlen(load->resume) + sizeof DEFAULT_LETTERS;
    *name = malloc(size);
    if (!*name) {
        cli_error("out of memory");
        return false;
    }
    snprintf(*name, size, "%s" DEFAULT_LETTERS, load->resume);
    load->dead_letters = *name;
    return true;
}

static int
run_arguments(load_arguments *a, int argc, char **argv, int positional)
{
    char *letters;
    a->load.input.files = (cli_texts){(const char **)(argv + positional), (size_t)(argc - positional)};
    if (!check_arguments(a))
        return CLI_USAGE;
    if (!default_letters(&a->load, &letters))
        return CLI_FAILED;
    /* getopt leaves "--" between options and files where the user wrote it */
    int option_count = positional;
    if (option_count > 1 && strcmp(argv[option_count - 1], "--") == 0)
        option_count--;
    int code = check_letters(&a->load) ? load(a, argv, option_count) : CLI_USAGE;
    free(letters);
    return code;
}

static int
run(int argc, char **argv)
{
    load_arguments a = {.load.input.row_count = LOAD_UNKNOWN, .processes = 1};
    int positional;
    cli_connection_init(&a.connection);
    set_input_options(&a, a.options);
    set_load_options(&a, a.options + a.option_count);
    const cli_usage usage = {
        .command = "load",
        .arguments = "FILE...",
        .text = text,
        .options = a.options,
        .count = a.option_count,
        .common = a.connection.options,
        .common_count = a.connection.option_count,
        .max_positional = -1,
    };
    int code = cli_parse(&usage, argc, argv, &positional);
    if (code < 0)
        code = run_arguments(&a, argc, argv, positional);
    cli_texts_free(&a.load.input.columns);
    cli_connection_free(&a.connection);
    return code;
}

const cli_command cli_command_load = {"load", "loads files of vectors: NumPy, fvecs, fbin, HDF5, IDX, JSON lines", run};
