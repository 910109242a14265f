#include "cli.h"
#include "connection.h"
#include "lines.h"
#include "output.h"
#include "window.h"

#include <stdio.h>
#include <stdlib.h>

#define TOP_K_DEFAULT        10
#define TOP_K_MAX            10000
#define MAX_CANDIDATES_LIMIT 100000

/* What the options say; a line of the input may say it anew. */
typedef struct query_options {
    const char *vector;
    const char *sparse;
    const char *id;
    const char *filter;
    uint64_t top_k;
    bool include_values;
    bool include_metadata;
    double scan_factor;
    uint64_t max_candidates;
    uint64_t ef;
    bool exact;
    const char *file;
    uint64_t in_flight;
} query_options;

/* One query, with the memory that it borrows from. */
typedef struct query_input {
    vmx_query query;
    cli_floats vector;
    cli_sparse sparse;
    char *filter;
} query_input;

static void
input_init(query_input *input, const query_options *options)
{
    *input = (query_input){0};
    vmx_query_init(&input->query, sizeof input->query);
    input->query.top_k = (uint32_t)options->top_k;
    input->query.filter = vmx_str_from(options->filter);
    input->query.include_values = options->include_values;
    input->query.include_metadata = options->include_metadata;
    input->query.scan_factor = (float)options->scan_factor;
    input->query.max_candidates = (uint32_t)options->max_candidates;
    input->query.ef = (uint32_t)options->ef;
    input->query.exact = options->exact;
}

static void
input_free(query_input *input)
{
    cli_floats_free(&input->vector);
    cli_sparse_free(&input->sparse);
    free(input->filter);
}

/* Lets the query borrow what was read. */
static void
input_borrow(query_input *input)
{
    input->query.dense = cli_floats_borrow(&input->vector);
    input->query.sparse = cli_sparse_borrow(&input->sparse);
    if (input->filter)
        input->query.filter = vmx_str_from(input->filter);
}

static bool
input_of_line(query_input *input, const json_t *line, cli_reason *reason)
{
    static const char *const keys[] = {"vector",         "sparse",           "id", "filter", "top_k",
                                       "include_values", "include_metadata", NULL};
    const char *id = NULL;
    uint64_t top_k = input->query.top_k;
    bool good = cli_json_keys(line, keys, reason) &&
                cli_json_floats(json_object_get(line, "vector"), "vector", &input->vector, reason) &&
                cli_json_sparse(json_object_get(line, "sparse"), &input->sparse, reason) &&
                cli_json_string(json_object_get(line, "id"), "id", &id, reason) &&
                cli_json_object_text(json_object_get(line, "filter"), "filter", &input->filter, reason) &&
                cli_json_number(json_object_get(line, "top_k"), "top_k", TOP_K_MAX, &top_k, reason) &&
                cli_json_bool(json_object_get(line, "include_values"), "include_values", &input->query.include_values,
                              reason) &&
                cli_json_bool(json_object_get(line, "include_metadata"), "include_metadata",
                              &input->query.include_metadata, reason);
    input->query.top_k = (uint32_t)top_k;
    input->query.id = vmx_str_from(id);
    input_borrow(input);
    return good;
}

static bool
input_of_options(query_input *input, const query_options *options, cli_reason *reason)
{
    json_t *vector = NULL, *sparse = NULL;
    bool good = true;
    if (options->vector) {
        vector = cli_json_parse(options->vector, vmx_str_from(options->vector).len, reason);
        good = vector && cli_json_floats(vector, "vector", &input->vector, reason);
    }
    if (good && options->sparse) {
        sparse = cli_json_parse(options->sparse, vmx_str_from(options->sparse).len, reason);
        good = sparse && cli_json_sparse(sparse, &input->sparse, reason);
    }
    json_decref(vector);
    json_decref(sparse);
    input->query.id = vmx_str_from(options->id);
    input_borrow(input);
    return good;
}

/* A line for each query, in order: behind one that failed there is none, or it would be taken for another's. */
static void
print_matches(vmx_op *op, void *user)
{
    const cli_window *window = user;
    if (window->failed)
        return;
    fputs("{\"matches\":[", stdout);
    for (size_t i = 0; i < vmx_op_match_count(op); i++) {
        if (i > 0)
            putchar(',');
        cli_print_match(op, i, true);
    }
    putchar(']');
    cli_print_usage(op);
    puts("}");
}

static void
send_query(const cli_session *session, cli_window *window, const query_input *input, uint64_t line)
{
    vmx_op *op = NULL;
    vmx_error error;
    cli_range range = {line, line};
    if (vmx_index_query(session->index, &input->query, &session->options, &op, &error) == VMX_OK)
        cli_window_add(window, op, range);
    else if (cli_window_drain(window)) /* those before it come first */
        cli_window_error(window, range, &error);
}

static bool
query_once(const cli_session *session, cli_window *window, const query_options *options)
{
    query_input input;
    cli_reason reason;
    input_init(&input, options);
    bool good = input_of_options(&input, options, &reason);
    if (good)
        send_query(session, window, &input, 0);
    else
        cli_error("query: %s", reason.text);
    input_free(&input);
    return good;
}

static bool
query_lines(const cli_session *session, cli_window *window, const query_options *options)
{
    cli_lines lines;
    if (!cli_lines_open(&lines, options->file))
        return false;
    json_t *value;
    cli_line kind = CLI_LINE_END;
    while (!window->failed && (kind = cli_lines_next(&lines, &value)) == CLI_LINE_READ) {
        query_input input;
        cli_reason reason;
        input_init(&input, options);
        bool good = input_of_line(&input, value, &reason);
        if (good)
            send_query(session, window, &input, lines.number);
        input_free(&input);
        json_decref(value);
        if (!good) {
            cli_lines_error(&lines, &reason);
            kind = CLI_LINE_BAD;
            break;
        }
    }
    cli_lines_close(&lines);
    return kind != CLI_LINE_BAD;
}

static int
query(const cli_session *session, const cli_texts *arguments, void *user)
{
    (void)arguments;
    const query_options *options = user;
    cli_window window = {.limit = options->in_flight, .finish = print_matches, .user = &window};
    bool alone = options->vector || options->sparse || options->id;
    if (alone && options->file) {
        cli_error("query: give either --file \"%s\" or a query by --vector, --sparse or --id", options->file);
        return CLI_USAGE;
    }
    bool good = alone ? query_once(session, &window, options) : query_lines(session, &window, options);
    good = cli_window_drain(&window) && good;
    return good ? CLI_OK : CLI_FAILED;
}

static int
run(int argc, char **argv)
{
    query_options o = {.top_k = TOP_K_DEFAULT, .in_flight = 8};
    const cli_option options[] = {
        {"vector", "JSON", CLI_TEXT, &o.vector, "An array of numbers to search by.", 0, 0},
        {"sparse", "JSON", CLI_TEXT, &o.sparse, "{\"indices\":[...],\"values\":[...]} to search by.", 0, 0},
        {"id", "ID", CLI_TEXT, &o.id, "Searches by a stored record's values.", 0, 0},
        {"top-k", "N", CLI_NUMBER, &o.top_k, "How many matches (default 10).", 1, TOP_K_MAX},
        {"filter", "JSON", CLI_TEXT, &o.filter, "Only records whose metadata match, {\"genre\":{\"$in\":[\"drama\"]}}.",
         0, 0},
        {"include-values", NULL, CLI_FLAG, &o.include_values, "Prints the matches' values too.", 0, 0},
        {"include-metadata", NULL, CLI_FLAG, &o.include_metadata, "Prints the matches' metadata too.", 0, 0},
        {"scan-factor", "X", CLI_REAL, &o.scan_factor, "0.5 to 4, for dedicated read nodes.", 0, 0},
        {"max-candidates", "N", CLI_NUMBER, &o.max_candidates, "For dedicated read nodes.", 1, MAX_CANDIDATES_LIMIT},
        {"ef", "N", CLI_NUMBER, &o.ef, "Breadth of a graph's search, for qdrant and milvus.", 1, MAX_CANDIDATES_LIMIT},
        {"exact", NULL, CLI_FLAG, &o.exact, "Compares with every record, for qdrant.", 0, 0},
        {"file", "FILE", CLI_TEXT, &o.file, "Reads queries from a file (default: standard input).", 0, 0},
        {"in-flight", "N", CLI_NUMBER, &o.in_flight, "At most N queries at a time (default 8).", 1, CLI_WINDOW_MAX},
    };
    cli_usage usage = {
        .command = "query",
        .arguments = "",
        .text =
            "Finds the nearest records. With --vector, --sparse or --id one query; without them one for each line:\n"
            "  {\"vector\":[0.1,0.2],\"sparse\":{...},\"id\":\"a\",\"filter\":{...},\"top_k\":10,\n"
            "   \"include_values\":true,\"include_metadata\":true}\n"
            "on one line; what a line does not say the options do. Prints a line for each query, in order,\n"
            "up to the first that fails:\n"
            "  {\"matches\":[{\"id\":\"a\",\"score\":0.9}, ...],\"read_units\":1}",
        .options = options,
        .count = sizeof options / sizeof *options,
    };
    return cli_session_run(&usage, argc, argv, query, &o);
}

const cli_command cli_command_query = {"query", "finds the nearest records", run};
