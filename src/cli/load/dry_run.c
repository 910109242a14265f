#include "dry_run.h"

#include "cli/cli.h"
#include "cli/output.h"
#include "thousands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_ROWS   1024
#define SHOWN_VALUES 4
#define EXAMPLE_SIZE 256

/* What reading has shown. */
typedef struct dry_run {
    uint64_t rows; /* those that are wrong included */
    uint64_t wrong;
    uint64_t first_row;     /* of the input */
    cli_reason first_wrong; /* of the first of them */
    size_t dimension;       /* of the first row with values */
    uint64_t sparse, metadata;
    char first_id[EXAMPLE_SIZE], last_id[EXAMPLE_SIZE], first_metadata[EXAMPLE_SIZE];
    float values[SHOWN_VALUES]; /* of the first row */
} dry_run;

static void
copy(char *to, vmx_str from)
{
    size_t length = from.len < EXAMPLE_SIZE - 1 ? from.len : EXAMPLE_SIZE - 1;
    while (from.len > length && length > 0 && ((unsigned char)from.ptr[length] & 0xc0) == 0x80)
        length--; /* not in the middle of a character */
    if (length > 0)
        memcpy(to, from.ptr, length);
    to[length] = '\0';
}

static void
add_wrong(dry_run *run, const cli_reason *reason)
{
    if (run->wrong++ == 0)
        run->first_wrong = *reason;
}

/* Is the row one that the library would take? What only it knows, the metadata's form, it says when it is put. */
static bool
check(dry_run *run, const vmx_vector *vector, cli_reason *reason)
{
    if (vector->id.len == 0)
        return cli_refuse(reason, "no \"id\"");
    if (vector->values.len == 0 && vector->sparse.len == 0)
        return cli_refuse(reason, "neither values nor sparse values");
    if (run->dimension == 0)
        run->dimension = vector->values.len;
    if (vector->values.len != 0 && vector->values.len != run->dimension)
        return cli_refuse(reason, "dimension %zu, but before it was %zu", vector->values.len, run->dimension);
    for (size_t i = 0; i < vector->values.len; i++)
        if (!isfinite(vector->values.ptr[i]))
            return cli_refuse(reason, "value %zu is %f", i, (double)vector->values.ptr[i]);
    return true;
}

static void
add_row(dry_run *run, const vmx_vector *vector)
{
    cli_reason reason, whole;
    if (run->rows == 0) {
        copy(run->first_id, vector->id);
        copy(run->first_metadata, vector->metadata);
        for (size_t i = 0; i < SHOWN_VALUES && i < vector->values.len; i++)
            run->values[i] = vector->values.ptr[i];
    }
    copy(run->last_id, vector->id);
    run->sparse += vector->sparse.len > 0;
    run->metadata += vector->metadata.len > 0;
    if (!check(run, vector, &reason)) {
        cli_refuse(&whole, "row %llu: %.200s", (unsigned long long)(run->first_row + run->rows), reason.text);
        add_wrong(run, &whole);
    }
    run->rows++;
}

static bool
read_all(dry_run *run, load_input *input)
{
    load_rows rows;
    cli_reason reason;
    load_result result;
    while ((result = load_input_next(input, BLOCK_ROWS, &rows, &reason)) == LOAD_ROWS || result == LOAD_BAD_ROW) {
        if (run->rows == 0)
            run->first_row = rows.first;
        for (size_t i = 0; result == LOAD_ROWS && i < rows.count; i++)
            add_row(run, &rows.vectors[i]);
        if (result == LOAD_BAD_ROW) {
            add_wrong(run, &reason);
            run->rows++;
        }
    }
    return result == LOAD_END;
}

static void
print_file(const load_input_file *file)
{
    const load_description *d = &file->description;
    printf("%s: %s%s, %s%s", file->path, d->format, d->packed ? " in gzip" : "", d->type,
           d->big_endian ? " big-endian" : "");
    if (d->rows != LOAD_UNKNOWN)
        printf(", %s rows x %zu", load_thousands_of(d->rows).text, d->dimension);
    if (d->file_bytes != LOAD_UNKNOWN)
        printf(", %s bytes", load_thousands_of(d->file_bytes).text);
    putchar('\n');
}

static void
print_text(const dry_run *run)
{
    printf("%s %s", load_thousands_of(run->rows).text, run->rows == 1 ? "vector" : "vectors");
    if (run->dimension > 0)
        printf(" of dimension %zu", run->dimension);
    if (run->sparse > 0)
        printf(", %s with sparse values", load_thousands_of(run->sparse).text);
    if (run->metadata > 0)
        printf(", %s with metadata", load_thousands_of(run->metadata).text);
    if (run->rows > 0)
        printf("; ids \"%s\" to \"%s\"", run->first_id, run->last_id);
    putchar('\n');
    if (run->rows > 0 && run->dimension > 0) {
        fputs("the first: [", stdout);
        for (size_t i = 0; i < SHOWN_VALUES && i < run->dimension; i++)
            printf("%s%.9g", i > 0 ? ", " : "", (double)run->values[i]);
        printf("%s] %s\n", run->dimension > SHOWN_VALUES ? ", ..." : "", run->first_metadata);
    }
    if (run->wrong > 0)
        printf("%s %s wrong; the first: %s\n", load_thousands_of(run->wrong).text,
               run->wrong == 1 ? "row is" : "rows are", run->first_wrong.text);
    else
        puts("every row can be sent");
}

static void
print_json_file(const load_input_file *file)
{
    const load_description *d = &file->description;
    fputs("{\"path\":", stdout);
    cli_print_text(vmx_str_from(file->path));
    printf(",\"format\":\"%s\",\"type\":\"%s\",\"gzip\":%s", file->format->name, d->type, d->packed ? "true" : "false");
    if (d->rows != LOAD_UNKNOWN)
        printf(",\"rows\":%llu,\"dimension\":%zu", (unsigned long long)d->rows, d->dimension);
    putchar('}');
}

static void
print_json(const dry_run *run, const load_input_file *files, size_t count)
{
    fputs("{\"files\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar(',');
        print_json_file(&files[i]);
    }
    printf("],\"vectors\":%llu,\"dimension\":%zu,\"with_sparse\":%llu,\"with_metadata\":%llu,\"wrong\":%llu",
           (unsigned long long)run->rows, run->dimension, (unsigned long long)run->sparse,
           (unsigned long long)run->metadata, (unsigned long long)run->wrong);
    fputs(",\"first_id\":", stdout);
    cli_print_text(vmx_str_from(run->first_id));
    fputs(",\"last_id\":", stdout);
    cli_print_text(vmx_str_from(run->last_id));
    if (run->wrong > 0) {
        fputs(",\"first_wrong\":", stdout);
        cli_print_text(vmx_str_from(run->first_wrong.text));
    }
    puts("}");
}

int
load_dry_run(load_input *input, bool json)
{
    dry_run run = {.rows = 0};
    size_t count;
    const load_input_file *files = load_input_files(input, &count);
    for (size_t i = 0; !json && i < count; i++)
        print_file(&files[i]);
    if (!read_all(&run, input))
        return CLI_FAILED;
    if (json)
        print_json(&run, files, count);
    else
        print_text(&run);
    return run.wrong > 0 ? CLI_FAILED : CLI_OK;
}
