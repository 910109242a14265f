#include "cli.h"
#include "connection.h"
#include "load/dry_run.h"
#include "load/input.h"

#include <stdio.h>

typedef struct load_arguments {
    load_input_options input;
    bool dry_run;
    bool json;
} load_arguments;

static int
load(load_arguments *arguments)
{
    int code;
    if (!arguments->dry_run) {
        cli_error("load: give --dry-run; the bulk writer that sends is not merged yet");
        return CLI_USAGE;
    }
    load_input *input = load_input_open(&arguments->input, &code);
    if (!input)
        return code;
    code = load_dry_run(input, arguments->json);
    load_input_close(input);
    return code;
}

static int
run(int argc, char **argv)
{
    load_arguments a = {.input.row_count = LOAD_UNKNOWN};
    const cli_option options[] = {
        {"dry-run", NULL, CLI_FLAG, &a.dry_run, "Reads and checks everything, sends nothing, says what is there.", 0,
         0},
        {"json", NULL, CLI_FLAG, &a.json, "Prints JSON.", 0, 0},
        {"format", "NAME", CLI_TEXT, &a.input.format,
         "The files' format (default: by their endings): npy, fvecs, bvecs, ivecs, fbin, u8bin, i8bin, idx, hdf5 or "
         "jsonl.",
         0, 0},
        {"dataset", "NAME", CLI_TEXT, &a.input.dataset, "The array in an HDF5 file (default: train).", 0, 0},
        {"id-format", "TEXT", CLI_TEXT, &a.input.id_format,
         "Ids from row numbers: %d or, with leading zeros, %06d stands for the number (default of arrays: %d).", 0, 0},
        {"id-offset", "N", CLI_NUMBER, &a.input.id_offset, "Added to the row number, which begins at 0.", 0, 0},
        {"ids", "FILE", CLI_TEXT, &a.input.id_file, "Ids from a file in step: lines, or an array of whole numbers.", 0,
         0},
        {"metadata", "FILE", CLI_TEXT, &a.input.metadata_file,
         "Metadata from a file in step: a JSON object on each line, or nothing.", 0, 0},
        {"column", "NAME=FILE", CLI_REPEAT, &a.input.columns,
         "One metadata field from a file in step: lines, or an array of numbers. May be given several times.", 0, 0},
        {"first-row", "N", CLI_NUMBER, &a.input.first_row, "Begins at this row (default 0).", 0, 0},
        {"rows", "N", CLI_NUMBER, &a.input.row_count, "At most so many rows (default: all).", 0, 0},
    };
    int positional;
    const cli_usage usage = {
        .command = "load",
        .arguments = "FILE...",
        .text = "Loads files of vectors.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .max_positional = -1,
    };
    int code = cli_parse(&usage, argc, argv, &positional);
    if (code >= 0)
        return code;
    a.input.files = (cli_texts){(const char **)(argv + positional), (size_t)(argc - positional)};
    if (a.input.files.count == 0) {
        cli_error("load: no file; see vecmux load --help");
        return CLI_USAGE;
    }
    code = load(&a);
    cli_texts_free(&a.input.columns);
    return code;
}

const cli_command cli_command_load = {"load", "loads files of vectors: NumPy, fvecs, fbin, HDF5, IDX, JSON lines", run};
