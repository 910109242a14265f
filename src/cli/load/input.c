#include "input.h"

#include "cli/cli.h"
#include "input_text.h"

#include <stdlib.h>

struct load_input {
    const load_input_options *options;
    load_input_file *files;
    size_t file_count;
    load_input_text text;
    uint64_t end; /* row behind the last; LOAD_UNKNOWN where only reading tells */

    size_t current;      /* file */
    uint64_t file_first; /* its first row */
    load_reader *reader; /* of it; NULL before it is opened */
    uint64_t next;       /* row to hand out next */
    load_rows block;     /* rows that were read and wait to be handed out, ids to be filled in */
};

static bool
report(const char *path, const cli_reason *reason)
{
    cli_error("%s: %s", path, reason->text);
    return false;
}

static const char *
dataset_of(const load_input *input)
{
    return input->options->dataset ? input->options->dataset : "train";
}

/* Finds the format and reads the description of one file. */
static bool
look_at(load_input *input, size_t i, int *code)
{
    cli_reason reason;
    load_input_file *file = &input->files[i];
    file->path = input->options->files.ptr[i];
    file->format = load_format_find(input->options->format, file->path);
    if (!file->format) {
        *code = CLI_USAGE;
        if (input->options->format)
            cli_error("--format \"%s\": no such format; there are %s", input->options->format, load_format_names());
        else
            cli_error("\"%s\": its ending names no format; give --format (%s)", file->path, load_format_names());
        return false;
    }
    *code = CLI_FAILED;
    if (file->path[0] == '-' && !file->path[1] && file->format->layout == NULL) {
        /* standard input can be read only once */
        file->description = (load_description){.format = file->format->title,
                                               .type = "JSON numbers",
                                               .rows = LOAD_UNKNOWN,
                                               .file_bytes = LOAD_UNKNOWN,
                                               .has_records = true};
        return true;
    }
    load_reader *reader = load_reader_open(file->format, file->path, dataset_of(input), &reason);
    if (!reader)
        return report(file->path, &reason);
    file->description = reader->description;
    load_reader_close(reader);
    return true;
}

static bool
check_alike(const load_input_file *first, const load_input_file *file)
{
    if (first->description.has_records != file->description.has_records) {
        cli_error("%s: records, but %s is an array: load them one by one",
                  first->description.has_records ? first->path : file->path,
                  first->description.has_records ? file->path : first->path);
        return false;
    }
    if (first->description.dimension == file->description.dimension)
        return true;
    cli_error("%s: dimension %zu, but that of %s is %zu", file->path, file->description.dimension, first->path,
              first->description.dimension);
    return false;
}

/* Looks at all files before any is read, so that what is wrong is known before anything is sent. */
static bool
look_at_all(load_input *input, int *code)
{
    uint64_t total = 0;
    for (size_t i = 0; i < input->file_count; i++) {
        if (!look_at(input, i, code) || !check_alike(&input->files[0], &input->files[i]))
            return false;
        uint64_t rows = input->files[i].description.rows;
        total = rows == LOAD_UNKNOWN || total == LOAD_UNKNOWN ? LOAD_UNKNOWN : total + rows;
    }
    bool records = input->files[0].description.has_records;
    if (!load_input_text_open(&input->text, input->options, total, records, code))
        return false;
    uint64_t first = input->options->first_row, count = input->options->row_count;
    uint64_t end = count < LOAD_UNKNOWN - first ? first + count : LOAD_UNKNOWN;
    input->end = end < total ? end : total;
    return true;
}

load_input *
load_input_open(const load_input_options *options, int *code)
{
    load_input *input = calloc(1, sizeof *input);
    *code = CLI_FAILED;
    if (input) {
        input->options = options;
        input->file_count = options->files.count;
        input->files = calloc(input->file_count, sizeof *input->files);
    }
    if (!input || !input->files) {
        cli_error("out of memory");
    } else if (look_at_all(input, code) && load_input_seek(input, options->first_row)) {
        return input;
    }
    load_input_close(input);
    return NULL;
}

void
load_input_close(load_input *input)
{
    if (!input)
        return;
    load_reader_close(input->reader);
    load_input_text_close(&input->text);
    free(input->files);
    free(input);
}

bool
load_input_seek(load_input *input, uint64_t row)
{
    if (row < input->next) {
        cli_error("row %llu: an input is read forwards only", (unsigned long long)row);
        return false;
    }
    input->next = row;
    input->block.count = 0;
    cli_reason reason;
    if (input->reader && !load_reader_seek(input->reader, row - input->file_first, &reason))
        return report(input->files[input->current].path, &reason);
    return load_input_text_seek(&input->text, row);
}

/* Opens the current file and goes to the next row in it. */
static bool
open_current(load_input *input)
{
    cli_reason reason;
    const load_input_file *file = &input->files[input->current];
    input->reader = load_reader_open(file->format, file->path, dataset_of(input), &reason);
    if (!input->reader)
        return report(file->path, &reason);
    const load_description *before = &file->description, *now = &input->reader->description;
    if (before->rows != now->rows || before->dimension != now->dimension) {
        cli_error("%s: changed while the load ran", file->path);
        return false;
    }
    return load_reader_seek(input->reader, input->next - input->file_first, &reason) || report(file->path, &reason);
}

/* Reads the next block; goes on to the next file where one ends. */
static load_result
read_block(load_input *input, size_t max, cli_reason *reason)
{
    while (input->current < input->file_count) {
        uint64_t rows = input->files[input->current].description.rows;
        bool skip = rows != LOAD_UNKNOWN && input->next - input->file_first >= rows;
        if (!skip) {
            if (!input->reader && !open_current(input))
                return LOAD_FAILED;
            load_result result = load_reader_next(input->reader, max, &input->block, reason);
            if (result == LOAD_FAILED)
                report(input->files[input->current].path, reason);
            if (result != LOAD_END)
                return result;
            rows = input->block.first;
        }
        load_reader_close(input->reader);
        input->reader = NULL;
        input->file_first += rows;
        input->current++;
    }
    return LOAD_END;
}

/* Hands out rows of the block, as many as there is room for their texts. */
static load_result
hand_out(load_input *input, size_t max, load_rows *rows)
{
    load_rows *block = &input->block;
    *rows = (load_rows){.first = input->next, .vectors = block->vectors};
    if (!load_input_text_reset(&input->text))
        return LOAD_FAILED;
    while (rows->count < block->count && rows->count < max && load_input_text_has_room(&input->text)) {
        if (!load_input_text_fill(&input->text, input->next, &block->vectors[rows->count]))
            return LOAD_FAILED;
        rows->count++;
        input->next++;
    }
    block->vectors += rows->count;
    block->count -= rows->count;
    return LOAD_ROWS;
}

load_result
load_input_next(load_input *input, size_t max, load_rows *rows, cli_reason *reason)
{
    if (input->next >= input->end)
        return LOAD_END;
    uint64_t left = input->end - input->next;
    max = left < max ? (size_t)left : max;
    if (input->block.count == 0) {
        load_result result = read_block(input, max, reason);
        if (result == LOAD_BAD_ROW) {
            *rows = input->block;
            rows->first = input->next;
            input->block.count = 0;
            if (!load_input_text_reset(&input->text) || !load_input_text_fill(&input->text, input->next, NULL))
                return LOAD_FAILED;
            input->next++;
        }
        if (result != LOAD_ROWS)
            return result;
    }
    return hand_out(input, max, rows);
}

const char *
load_input_path(const load_input *input)
{
    size_t last = input->file_count - 1;
    return input->files[input->current < last ? input->current : last].path;
}

const load_input_file *
load_input_files(const load_input *input, size_t *count)
{
    *count = input->file_count;
    return input->files;
}

uint64_t
load_input_end(const load_input *input)
{
    return input->end;
}

static bool
count_rows(const load_input *input, const load_input_file *file, uint64_t *rows)
{
    cli_reason reason;
    load_rows none = {0};
    *rows = file->description.rows;
    if (*rows != LOAD_UNKNOWN)
        return true;
    if (file->description.file_bytes == LOAD_UNKNOWN) {
        cli_error("%s: the rows of a stream cannot be counted", file->path);
        return false;
    }
    load_reader *reader = load_reader_open(file->format, file->path, dataset_of(input), &reason);
    bool good = reader && load_reader_seek(reader, LOAD_UNKNOWN, &reason) &&
                load_reader_next(reader, 1, &none, &reason) == LOAD_END;
    *rows = none.first;
    load_reader_close(reader);
    return good || report(file->path, &reason);
}

uint64_t
load_input_count(const load_input *input)
{
    uint64_t total = 0;
    for (size_t i = 0; i < input->file_count; i++) {
        uint64_t rows;
        if (!count_rows(input, &input->files[i], &rows))
            return LOAD_UNKNOWN;
        total += rows;
    }
    return total < input->end ? total : input->end;
}

double
load_input_fraction(const load_input *input)
{
    if (input->end != LOAD_UNKNOWN) {
        uint64_t rows = input->end - input->options->first_row;
        return rows ? (double)(input->next - input->options->first_row) / (double)rows : 1;
    }
    double total = 0, done = 0;
    for (size_t i = 0; i < input->file_count; i++) {
        if (input->files[i].description.file_bytes == LOAD_UNKNOWN)
            return -1;
        double bytes = (double)input->files[i].description.file_bytes;
        total += bytes;
        done += i < input->current ? bytes : 0;
    }
    if (input->reader)
        done += (double)load_reader_consumed(input->reader);
    return total > 0 ? done / total : 1;
}
